#include "engine/change_reader.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/log.h"
#include "bson/builder.h"
#include "cluster/testing/stub_deployment.h"
#include "engine/testing/impatient_runtime.h"

namespace drover::engine {
namespace {

class Silence final : public Log {
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

// An oplog of no-ops at the given times, in one batch.
class Source final : public cluster::StubDeployment {
 public:
  std::vector<ClusterTime> times;
  Result<std::unique_ptr<cluster::OplogCursor>> tail_oplog(ClusterTime) override {
    class Cursor final : public cluster::OplogCursor {
     public:
      explicit Cursor(const std::vector<ClusterTime>& times) {
        for (const auto ts : times) entries_.push_back(bson::make_document({{"ts", ts}, {"op", "n"}, {"ns", ""}, {"o", bson::Document()}}));
      }
      Result<std::vector<bson::View>> next(std::chrono::milliseconds, const std::stop_token&) override {
        if (std::exchange(given_, true)) return fail(ErrorCode::kSource, "the end");
        return std::vector<bson::View>(entries_.begin(), entries_.end());
      }

     private:
      std::vector<bson::Document> entries_;
      bool given_ = false;
    };
    return std::make_unique<Cursor>(times);
  }
};

std::string end_of(const std::vector<ClusterTime>& times) {
  ImpatientRuntime runtime;
  Silence log;
  Source source;
  source.times = times;
  ByteBudget budget(runtime, 1 << 20);
  BoundedQueue<ChangeBatch> out(runtime, 8);
  return ChangeReader(source, runtime, log, budget, out).run(ClusterTime{5, 1}, {}).message;
}

// An entry that is taken for a known one is lost.
TEST(ChangeReader, an_oplog_that_goes_back_is_an_error) {
  EXPECT_NE(end_of({{5, 1}, {5, 2}, {6, 1}}).find("the end"), std::string::npos);
  EXPECT_NE(end_of({{4, 9}, {5, 1}, {6, 1}}).find("the end"), std::string::npos) << "before the position it may begin";
  for (const std::vector<ClusterTime>& times : {std::vector<ClusterTime>{{5, 1}, {6, 2}, {6, 1}}, {{5, 1}, {6, 1}, {6, 1}}, {{5, 1}, {7, 1}, {5, 1}}}) {
    const auto message = end_of(times);
    EXPECT_NE(message.find("does not come after the one before it"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace drover::engine
