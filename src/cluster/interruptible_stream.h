// Waiting for a reply that a stop request or a deadline of the call ends, and looking at what comes before the driver does. The
// driver blocks in reads with one time limit per client, and believes servers; this puts a stream of ours over each of its
// connections that waits in slices, looks at the calling thread's scope, and hands on only replies that can be read
// (reply_frame.h). A connection that is given up is closed by the driver, as after any failed read.
#pragma once

#include <chrono>
#include <map>
#include <stop_token>
#include <string>
#include <utility>

#include "base/guarded.h"

#include "cluster/thread_stop.h"

typedef struct _mongoc_client_t mongoc_client_t;
typedef struct _mongoc_client_pool_t mongoc_client_pool_t;

namespace drover::cluster {

// The limits of the call that this thread is in.
class CallScope {
 public:
  CallScope(std::stop_token first, std::stop_token second, std::chrono::milliseconds reply_limit);
  ~CallScope();
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

  bool stopped() const { return first_.stop_requested() || second_.stop_requested() || ThreadStop::requested(); }
  std::chrono::milliseconds reply_limit() const { return reply_limit_; }
  static CallScope* current();

  // What a server sent to this call that is no reply: "host:port sent ...". Empty as long as there is nothing of the kind.
  const std::string& refusal() const { return refusal_; }
  void refused(std::string what) { refusal_ = std::move(what); }

 private:
  std::stop_token first_, second_;
  std::chrono::milliseconds reply_limit_;
  std::string refusal_;
  CallScope* outer_;
};

// The connections by which the driver watches a pool's servers, on threads of its own. This outlives the pool. Thread-safe.
class Monitors {
 public:
  // `model` is a client of the pool's connection string, which becomes this one's and never connects.
  explicit Monitors(mongoc_client_t* model) : model_(model) {}
  ~Monitors();
  // Before the pool gives out its first client.
  void watch(mongoc_client_pool_t* pool);
  Monitors(const Monitors&) = delete;
  Monitors& operator=(const Monitors&) = delete;

  // What servers sent to the driver's last look at them that is no reply, as of CallScope.
  std::string refusals() const;

 private:
  friend struct MonitorStream;
  mongoc_client_t* const model_;  // holds the TLS settings, as the driver keeps them
  Guarded<std::map<std::string, std::string>> refusals_;  // by host
};

// Every connection that this client opens from now on can be interrupted. Idempotent.
void make_interruptible(mongoc_client_t* client);

}  // namespace drover::cluster
