// Deployment over libmongoc, raw commands only.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/runtime.h"
#include "cluster/deployment.h"

namespace drover::cluster {

// Which exit code and word its errors carry. The last two: it is not known yet which way a migration will go; they count as
// source and destination. kStore is the control plane's own: a failure to reach it is temporary, any other kFailure.
enum class Side { kSource, kDestination, kCluster0, kCluster1, kStore };

struct MongoOptions {
  std::string uri;          // mongodb:// or mongodb+srv://; never logged with its password
  Side side = Side::kSource;
  std::string app_name = "drover";  // what servers show for these connections; an appName in the connection string does not count
  int max_connections = 64;
  // Of who has somebody waiting: they hold whatever the connection string says. Without them its own time-outs do, and run_command waits
  // two days for a reply.
  std::optional<std::chrono::milliseconds> selection_limit{};  // to find the primary, and to connect
  std::optional<std::chrono::milliseconds> reply_limit{};      // of any command
};

// Parses the URI only: the first call connects. Bad URIs are kUsage errors naming what is wrong, without the password.
Result<std::unique_ptr<Deployment>> connect(const MongoOptions& options, Runtime& runtime, std::stop_token stop);

// The URI without credentials, for messages.
std::string redact(const std::string& uri);

}  // namespace drover::cluster
