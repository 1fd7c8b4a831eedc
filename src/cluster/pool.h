// Connections to one deployment, and the one way a command gets there: raw, once, within limits, in a session of ours when
// one is given. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "base/runtime.h"
#include "base/uuid.h"
#include "bson/document.h"
#include "cluster/mongo_deployment.h"
#include "cluster/uri.h"

typedef struct _mongoc_client_pool_t mongoc_client_pool_t;
typedef struct _mongoc_client_t mongoc_client_t;

namespace drover::cluster {

class Monitors;

// Index builds and the like: the connection's keep-alive is what finds a dead server.
inline constexpr auto kLongReply = std::chrono::hours(48);

struct Call {
  std::string_view db;
  bson::View command;
  std::string_view on;               // what it concerns, for messages
  const Uuid* session = nullptr;     // ours; without one the driver picks one
  std::stop_token stop{};            // besides the deployment's own
  // A reply that takes longer counts as lost: a half-open connection ends here. Without one the connection string's
  // socketTimeoutMS (60 s when it has none).
  std::optional<std::chrono::milliseconds> reply_limit{};
  bool once = false;                 // no second look for a primary: for cleaning up
};

// A reply's bytes as the driver left them, one document whose structure was checked as it came in (reply_frame.h); copies share them.
class Reply {
 public:
  Reply() = default;
  explicit Reply(std::shared_ptr<const std::uint8_t> bytes) : bytes_(std::move(bytes)) {}

  bson::View view() const { return bytes_ ? bson::View(bytes_.get()) : bson::View(); }
  operator bson::View() const { return view(); }
  bson::Element operator[](std::string_view key) const { return view()[key]; }
  const std::shared_ptr<const std::uint8_t>& bytes() const { return bytes_; }

 private:
  std::shared_ptr<const std::uint8_t> bytes_;
};

class Pool {
 public:
  static Result<std::unique_ptr<Pool>> open(const MongoOptions& options, Runtime& runtime, std::stop_token stop);
  ~Pool();

  // The reply of a command that succeeded, its write concern met. Write errors of single operations are the caller's to read.
  // A command is sent at most once. What cannot be read as a reply ends its connection, and is kTemporary, as a connection that is
  // lost: another one may be better, and whoever repeats a call does so for a limited time. A reply that does not say whether it was
  // done (`ok`) has its side's code: it is of something else than a server.
  Result<Reply> run(const Call& call);

  // Deployment::warm_connections.
  void warm(int count, const std::stop_token& stop);

  // Sessions for reading, used again and again so that the server holds few.
  Uuid take_read_session();
  void return_read_session(const Uuid& session);

  Side side() const { return side_; }
  Runtime& runtime() { return runtime_; }
  const std::stop_token& stop() const { return stop_; }
  const std::string& hosts() const { return hosts_; }
  // To the one member that the connection string names, whatever it is; else the driver looks for the primary.
  bool is_direct() const;

 private:
  struct Attempt;
  struct ReadSessions;
  Pool(const MongoOptions& options, Runtime& runtime, std::stop_token stop, Uri uri, mongoc_client_pool_t* pool,
       std::unique_ptr<Monitors> monitors);
  Attempt attempt(const Call& call, mongoc_client_t* client);

  const Side side_;
  Runtime& runtime_;
  const std::stop_token stop_;
  const Uri uri_;
  const std::string hosts_;
  const std::unique_ptr<Monitors> monitors_;
  mongoc_client_pool_t* const pool_;
  std::atomic<bool> reached_ = false;
  std::unique_ptr<ReadSessions> read_sessions_;
};

}  // namespace drover::cluster
