// One server cursor, read strictly: it ends only where the server says so (id 0), every failure is an error, and one that is
// left early is killed. All its commands are in one server session, as the server demands. Belongs to one thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "bson/document.h"
#include "cluster/deployment.h"
#include "cluster/pool.h"

namespace drover::cluster {

class ServerCursor {
 public:
  struct Options {
    std::string db;
    std::string on;                                     // for messages
    int batch_documents = 0;                            // of later replies; 0: as many as fit into 16 MB
    std::stop_token stop{};
    bool timed = false;                                 // each reply says its time, or is refused
  };
  // Sends `command`; its first batch is what next() gives first.
  static Result<std::unique_ptr<ServerCursor>> open(Pool& pool, bson::View command, Options options);
  ~ServerCursor();

  // `wait` is for tailable cursors: an empty batch after it. After `last` no further call.
  Result<DocumentBatch> next(const std::stop_token& stop, std::optional<std::chrono::milliseconds> wait = std::nullopt);
  bool at_end() const { return id_ == 0 && !first_; }

 private:
  ServerCursor(Pool& pool, Options options) : pool_(pool), options_(std::move(options)) {}
  Result<DocumentBatch> take(const Reply& reply, std::string_view command, std::string_view batch_field);

  Pool& pool_;
  Options options_;
  Uuid session_;
  std::string collection_;
  std::int64_t id_ = 0;
  std::optional<DocumentBatch> first_;
};

inline constexpr std::size_t kMaxReadAllBytes = std::size_t{256} << 20;
inline constexpr int kMaxEmptyBatches = 1000;  // one after another, of a cursor that does not wait

// All documents of a command's cursor; for results that are known to be small (catalogs, samples). What answers more than kMaxReadAllBytes, or
// kMaxEmptyBatches times nothing, is refused: no server does, and what stands in its place would go on for ever.
Result<std::vector<bson::Document>> read_all(Pool& pool, bson::View command, ServerCursor::Options options);

}  // namespace drover::cluster
