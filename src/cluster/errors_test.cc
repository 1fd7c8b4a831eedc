#include "cluster/errors.h"

#include <gtest/gtest.h>

#include "bson/builder.h"

namespace drover::cluster {
namespace {

bson::Document refusal(int code, const char* message) {
  return bson::make_document({{"ok", 0.0}, {"errmsg", message}, {"code", code}});
}

TEST(Errors, TransientByCodeOrLabel) {
  for (const int code : {6, 24, 43, 91, 112, 189, 237, 251, 10107, 11602, 91331}) EXPECT_TRUE(is_transient(code, {})) << code;
  for (const int code : {0, 13, 18, 26, 48, 72, 225, 286, 11000}) EXPECT_FALSE(is_transient(code, {})) << code;
  EXPECT_TRUE(is_transient(13, {"RetryableWriteError"}));
}

TEST(Errors, ARefusalKeepsCodeAndSide) {
  const auto error = command_error(Side::kSource, {"find", "a.b"}, refusal(26, "Unable to resolve x"));
  EXPECT_EQ(error.code, ErrorCode::kSource);
  EXPECT_EQ(error.server_code, 26);
  EXPECT_EQ(error.message, "source: find on a.b: Unable to resolve x (code 26)");
  EXPECT_EQ(command_error(Side::kDestination, {"insert", "a.b"}, refusal(10107, "not master")).code, ErrorCode::kTemporary);
}

TEST(Errors, LabelsAreKept) {
  bson::Builder reply;
  reply.append("ok", 0.0).append("code", 246).append("errmsg", "x");
  reply.open_array("errorLabels").append("TransientTransactionError");
  const auto error = command_error(Side::kSource, {"find", "a.b"}, std::move(reply).finish());
  EXPECT_TRUE(error.has_label("TransientTransactionError"));
  EXPECT_EQ(error.code, ErrorCode::kTemporary);
}

TEST(Errors, UnauthorizedNamesTheActionAndNotTheDocuments) {
  const auto error = command_error(
      Side::kDestination, {"delete", "a.b"},
      refusal(13, "not authorized on a to execute command { delete: \"b\", deletes: [ { q: { _id: \"secret\" } } ] }"));
  EXPECT_EQ(error.code, ErrorCode::kDestination);
  EXPECT_NE(error.message.find("action remove"), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find("secret"), std::string::npos) << error.message;
}

TEST(Errors, DuplicateKeyKeepsTheIndexAndNotTheValue) {
  EXPECT_EQ(without_quotes(11000, "E11000 duplicate key error collection: a.b index: x_1 dup key: { x: \"secret\" }"),
            "E11000 duplicate key error collection: a.b index: x_1");
  EXPECT_EQ(without_quotes(2, "bad value { a: 1 }"), "bad value ...");
}

TEST(Errors, ATakenOverSessionIsNotRepeated) {
  EXPECT_EQ(command_error(Side::kDestination, {"insert", "a.b"}, refusal(225, "older")).code, ErrorCode::kWrongState);
}

TEST(Errors, ACertificateThatIsRefusedIsNoAddressProblem) {
  const auto refused = driver_error(Side::kSource, {"isMaster", "admin"}, DriverFailure::kSelection,
                                    "TLS handshake failed: certificate verify failed (20): unable to get local issuer certificate", "h:1", false);
  EXPECT_EQ(refused.code, ErrorCode::kSource);
  EXPECT_NE(refused.message.find("tlsCAFile=FILE"), std::string::npos) << refused.message;
  EXPECT_EQ(refused.message.find("host names and ports"), std::string::npos);
}

TEST(Errors, SilenceIsAnAddressProblemOnlyBeforeTheFirstAnswer) {
  const Doing doing{"isMaster", "admin"};
  const auto never = driver_error(Side::kSource, doing, DriverFailure::kSelection, "refused", "h:1", false);
  EXPECT_EQ(never.code, ErrorCode::kSource);
  EXPECT_NE(never.message.find("h:1"), std::string::npos);
  EXPECT_EQ(driver_error(Side::kSource, doing, DriverFailure::kSelection, "refused", "h:1", true).code, ErrorCode::kTemporary);
  EXPECT_EQ(driver_error(Side::kSource, doing, DriverFailure::kNetwork, "reset", "h:1", true).code, ErrorCode::kTemporary);
  EXPECT_EQ(driver_error(Side::kDestination, doing, DriverFailure::kAuthentication, "x", "h:1", false).code,
            ErrorCode::kDestination);
}

}  // namespace
}  // namespace drover::cluster
