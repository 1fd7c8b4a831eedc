// `automation-agent.config` of the MongoDB Agent (spec/control-plane.md 2.6): lines of `key=value`, comments with # or ;. An
// existing file can be used as it is. A key is one that is done here, one that has nothing to do here (said by name), one that
// is refused because leaving it out would change what happens, or unknown, which is refused by name as well.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log.h"

namespace drover::agent {

struct Config {
  std::string group_id;     // mmsGroupId
  std::string api_key;      // mmsApiKey, or what mmsApiKeyExec printed
  std::string api_key_exec;
  std::string base_url;     // mmsBaseUrl
  bool cloud_migration = false;     // agentFeatureCloudMigrationEnabled
  std::string oplog_path;           // cloudMigrationOplogPath
  std::string log_file = "/var/log/mongodb-mms-automation/automation-agent.log";
  LogLevel log_level = LogLevel::kInfo;
  std::chrono::seconds dial_timeout{40};
  std::chrono::seconds server_selection_timeout{10};
  std::string https_ca_file;
  std::string client_certificate;   // tlsMMSServerClientCertificate: PEM with certificate and key
  bool verify_certificate = true;   // tlsRequireValidMMSServerCertificates
  std::string http_proxy;           // httpProxy: "http://host:port"; deployments are reached directly
  std::vector<std::string> without_effect;  // keys of the file that have nothing to do here
};

// Of a file's text; runs nothing. Errors are kUsage and kUnsupported, name every key that is wrong, and quote no value.
Result<Config> parse_config(std::string_view text);
// Reads the file. One that holds mmsApiKey and that everybody may read is refused. Then runs mmsApiKeyExec, if there is one,
// in a shell, for at most kKeyCommandLimit; the first line that it prints is the key.
// A stop ends it while a pipe's writer or that command is waited for (kInterrupted).
Result<Config> read_config(const std::string& path, const std::stop_token& stop);

inline constexpr std::chrono::seconds kKeyCommandLimit{30};
inline constexpr std::size_t kMaxConfigBytes = 1 << 20;

}  // namespace drover::agent
