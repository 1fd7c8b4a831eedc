// mongosync's flags and the same keys in its YAML file (spec/engine.md 1.1), read by one rule; the command line wins.
#pragma once

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "cli/options.h"

namespace drover::cli {

class SyncSettings {
 public:
  void declare(OptionSet& options);
  // Reads --config, then checks everything. Connection strings are resolved and obey mongosync's rules (1.2).
  Status finish(const std::stop_token& stop);

  std::string cluster0, cluster1;
  std::int64_t port = 27182;
  std::string bind_ip = "localhost";
  std::string log_path;
  LogLevel verbosity = LogLevel::kDebug;
  int load_level = 3;
  bool accept_disclaimer = false;
  bool insecure_plain_http = false;  // beyond loopback, too

 private:
  Status read_file(const std::stop_token& stop);
  Status apply(const std::string& key, const std::string& value);

  std::string config_;
  std::map<std::string, std::string> given_;  // by key, from the command line
  std::map<std::string, std::string> from_file_;
  bool accept_flag_ = false, telemetry_flag_ = false, plain_http_flag_ = false;
};

// mongosync's rules for connection strings: majority reads and writes, from the primary, no socket timeout.
Status check_sync_uri(std::string_view which, const std::string& uri);
// "host:port" of the first host of a connection string; port 27017 when it names none.
std::string first_host(const std::string& uri);

}  // namespace drover::cli
