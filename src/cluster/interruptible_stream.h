// Waiting for a reply that a stop request or a deadline of the call ends. The driver blocks in reads with one time limit per
// client; this puts a stream of ours over each of its connections that waits in slices and looks at the calling thread's
// scope. A connection that is given up is closed by the driver, as after any failed read.
#pragma once

#include <chrono>
#include <stop_token>

#include "cluster/thread_stop.h"

typedef struct _mongoc_client_t mongoc_client_t;

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
  static const CallScope* current();

 private:
  std::stop_token first_, second_;
  std::chrono::milliseconds reply_limit_;
  const CallScope* outer_;
};

// Every connection that this client opens from now on can be interrupted. Idempotent.
void make_interruptible(mongoc_client_t* client);

}  // namespace drover::cluster
