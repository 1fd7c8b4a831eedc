#include "cluster/own_session.h"

#include <cstdlib>
#include <memory>

#include <gtest/gtest.h>
#include <mongoc/mongoc.h>

#include "bson/builder.h"
#include "cluster/testing/fake_server.h"

namespace drover::cluster {
namespace {

struct Deleter {
  void operator()(mongoc_client_t* client) const { mongoc_client_destroy(client); }
  void operator()(mongoc_client_session_t* session) const { mongoc_client_session_destroy(session); }
};

class OwnSessionTest : public testing::Test {
 protected:
  OwnSessionTest() {
    ::setenv("MONGOC_DISABLE_SHM", "1", 0);
    mongoc_init();
    mongoc_log_set_handler(nullptr, nullptr);
    client_.reset(mongoc_client_new("mongodb://fake:1/?replicaSet=fake&retryWrites=false"));
    server_.serve(client_.get());
    bson_error_t error;
    session_.reset(mongoc_client_start_session(client_.get(), nullptr, &error));
    EXPECT_TRUE(session_) << error.message;
  }

  // What a server sees of a command of ours in this session.
  bson::Document send() {
    const auto document = bson::make_document({{"ping", 1}, {"txnNumber", std::int64_t{7}}});
    bson_t command, opts = BSON_INITIALIZER;
    bson_error_t error;
    bson_init_static(&command, document.bytes().data(), document.size());
    EXPECT_TRUE(mongoc_client_session_append(session_.get(), &opts, &error));
    EXPECT_TRUE(mongoc_client_command_with_opts(client_.get(), "admin", &command, nullptr, &opts, nullptr, &error))
        << error.message;
    bson_destroy(&opts);
    return server_.last_command();
  }

  FakeServer server_;
  std::unique_ptr<mongoc_client_t, Deleter> client_;
  std::unique_ptr<mongoc_client_session_t, Deleter> session_;
};

TEST_F(OwnSessionTest, TheWireShowsOurIdAndNumber) {
  const auto id = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
  const OwnSession own(session_.get(), id);
  const auto sent = send();
  EXPECT_EQ(sent.view().at_path("lsid.id").to_uuid(), id);
  EXPECT_EQ(sent["txnNumber"].to_int64(), 7);
  int lsids = 0;
  for (const auto& field : sent) lsids += field.key() == "lsid" ? 1 : 0;
  EXPECT_EQ(lsids, 1);
}

TEST_F(OwnSessionTest, TheDriverGetsItsOwnIdBack) {
  const auto before = send().view().at_path("lsid.id").to_uuid();
  {
    const OwnSession own(session_.get(), *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff"));
    EXPECT_NE(send().view().at_path("lsid.id").to_uuid(), before);
  }
  EXPECT_EQ(send().view().at_path("lsid.id").to_uuid(), before);
}

}  // namespace
}  // namespace drover::cluster
