// The clusters that this server runs itself: a `drover sandbox` for each, in a directory of its own below the data directory,
// with authorization. Started again when one ends, and at the next start of the server on the port that it had.
//
// What a crash leaves: the processes end with the server (the kernel sees to it); the documents say what there is to be.
#pragma once

#include <map>
#include <stop_token>
#include <string>

#include "base/log.h"
#include "base/runtime.h"
#include "cli/child_process.h"
#include "control/clusters.h"
#include "control/sealed_keys.h"

namespace drover::cli {

inline constexpr std::size_t kMaxLocalClusters = 8;

class LocalClusters {
 public:
  struct Options {
    std::string directory;
    std::string host_id;
  };
  LocalClusters(control::Clusters& clusters, const control::SealedKeys& keys, Runtime& runtime, Log& log, Options options)
      : clusters_(clusters), keys_(keys), runtime_(runtime), log_(log), options_(std::move(options)) {}

  // On one thread, from beginning to end: the processes are this thread's. They are stopped when it returns.
  void run(const std::stop_token& stop);

  // The id of this directory's server, made at the first call.
  static Result<std::string> host_id(const std::string& directory, Runtime& runtime);

 private:
  Status step();
  Status ensure_running(const control::Cluster& cluster);
  Status start(const control::Cluster& cluster);
  Status announce(const control::Cluster& cluster, int port);
  Status remove(const control::Cluster& cluster);
  std::string directory_of(const control::Cluster& cluster) const { return options_.directory + "/clusters/" + cluster.id; }

  struct Running {
    ChildProcess process;
    bool announced = false;
  };
  control::Clusters& clusters_;
  const control::SealedKeys& keys_;
  Runtime& runtime_;
  Log& log_;
  const Options options_;
  std::map<std::string, Running> running_;  // by the cluster's id
};

}  // namespace drover::cli
