#include "cli/sync_settings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/input_file.h"
#include "cli/plain_http.h"
#include "cli/uri_argument.h"
#include "cluster/mongo_deployment.h"

namespace drover::cli {
namespace {

// What mongosync knows besides: refused by name, for none of it may be lost silently.
constexpr std::array<std::string_view, 8> kNotDone{"createIndexesBatchSize", "enableCappedCollectionHandling", "hotDocIDs",
                                                   "id", "metricsLoggingFilepath", "metricsLogPath", "migrationName",
                                                   "oplogRolloverResilienceIntervalSeconds"};
// Asks for what is so anyway.
constexpr std::array<std::string_view, 3> kNothingToDo{"disableTelemetry", "disableMetricsLogging", "disableVerification"};

constexpr std::size_t kMaxConfigBytes = 1 << 20;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

Result<std::int64_t> whole_number(const std::string& key, const std::string& text, std::int64_t low, std::int64_t high) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value < low || value > high)
    return fail(ErrorCode::kUsage, fmt::format("{} must be a whole number from {} to {}, not \"{}\"", key, low, high, text));
  return value;
}

Result<bool> truth(const std::string& key, const std::string& text) {
  const auto word = lower(text);
  if (word == "true" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "no" || word == "off") return false;
  return fail(ErrorCode::kUsage, fmt::format("{} must be true or false, not \"{}\"", key, text));
}

Result<LogLevel> level(const std::string& text) {
  const auto word = lower(text);
  if (word == "trace" || word == "debug" || word == "1" || word == "2") return LogLevel::kDebug;
  if (word == "info" || word == "0") return LogLevel::kInfo;
  if (word == "warn") return LogLevel::kWarn;
  if (word == "error") return LogLevel::kError;
  if (word == "fatal" || word == "panic") return LogLevel::kFatal;
  return fail(ErrorCode::kUsage,
              fmt::format("verbosity must be one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, PANIC, not \"{}\"", text));
}

}  // namespace

void SyncSettings::declare(OptionSet& options) {
  const auto text = [&](const char* key, const char* placeholder, const char* help) {
    options.string(std::string("--") + key, given_[key], help).placeholder(placeholder);
  };
  options.path("--config", config_, "YAML file with any of these options as keys; the command line wins").placeholder("FILE");
  text("cluster0", "URI", "Connection string of the first cluster; @FILE and env:NAME keep it off the command line");
  text("cluster1", "URI", "Connection string of the second cluster");
  text("port", "NUMBER", "Port of the HTTP API (27182)");
  text("bindIp", "ADDRESSES", "Addresses of the HTTP API (localhost). It is plain HTTP without authentication: beyond loopback only with --insecurePlainHttp");
  text("logPath", "DIR", "Directory for mongosync.log; without it the log goes to standard output");
  text("verbosity", "LEVEL", "TRACE, DEBUG, INFO, WARN, ERROR, FATAL or PANIC (DEBUG)");
  text("loadLevel", "1..4", "How hard to work both sides (3)");
  options.flag("--acceptDisclaimer", accept_flag_, "Do not ask whether to go on");
  options.flag("--insecurePlainHttp", plain_http_flag_, "Listen beyond loopback all the same: whoever reaches the API may start, commit and read");
  options.flag("--disableTelemetry", telemetry_flag_, "Accepted for mongosync's scripts: nothing is ever sent anywhere");
}

Status SyncSettings::finish(const std::stop_token& stop) {
  std::erase_if(given_, [](const auto& entry) { return entry.second.empty(); });
  if (accept_flag_) given_["acceptDisclaimer"] = "true";
  if (plain_http_flag_) given_["insecurePlainHttp"] = "true";
  if (!config_.empty()) TRY(read_file(stop));
  for (const auto& [key, value] : from_file_)
    if (!given_.contains(key)) TRY_WITH(apply(key, value), "in " + config_);
  for (const auto& [key, value] : given_) TRY(apply(key, value));
  if (!insecure_plain_http)
    TRY(check_loopback("bindIp", bind_ip, "and this API has neither TLS nor authentication: whoever reaches it could start, commit and read. Keep it on loopback, behind a "
                                          "proxy that has both, or give --insecurePlainHttp"));
  for (const auto& [name, uri] : {std::pair{"cluster0", &cluster0}, std::pair{"cluster1", &cluster1}}) {
    if (uri->empty()) return fail(ErrorCode::kUsage, fmt::format("{} is missing: give --{} or the key in --config", name, name));
    *uri = TRY(resolve_uri_argument(*uri, stop));
    TRY(check_sync_uri(name, *uri));
  }
  return {};
}

Status SyncSettings::read_file(const std::stop_token& stop) {
  const auto what = fmt::format("cannot read the configuration file {}", config_);
  auto input = TRY_WITH(InputFile::open(config_), what);
  const auto text = TRY_WITH(input.read(kMaxConfigBytes, stop), what);
  try {
    const auto file = YAML::Load(text);
    if (!file.IsMap()) return fail(ErrorCode::kUsage, fmt::format("{} must hold lines of the form key: value", config_));
    for (const auto& entry : file) {
      const auto key = entry.first.as<std::string>();
      if (!entry.second.IsScalar())
        return fail(ErrorCode::kUsage, fmt::format("{} in {} must be a single value", key, config_));
      if (!from_file_.emplace(key, entry.second.as<std::string>()).second)
        return fail(ErrorCode::kUsage, fmt::format("{} stands twice in {}", key, config_));
    }
  } catch (const YAML::Exception& error) {
    // Without its text, which quotes the file: there may be passwords in it.
    return fail(ErrorCode::kUsage, fmt::format("{} is not YAML: line {}, column {}", config_, error.mark.line + 1,
                                               error.mark.column + 1));
  }
  return {};
}

Status SyncSettings::apply(const std::string& key, const std::string& value) {
  if (key == "cluster0") cluster0 = value;
  else if (key == "cluster1") cluster1 = value;
  else if (key == "bindIp") bind_ip = value;
  else if (key == "logPath") log_path = value;
  else if (key == "port") port = TRY(whole_number(key, value, 0, 65535));
  else if (key == "loadLevel") load_level = static_cast<int>(TRY(whole_number(key, value, 1, 4)));
  else if (key == "verbosity") verbosity = TRY(level(value));
  else if (key == "acceptDisclaimer") accept_disclaimer = TRY(truth(key, value));
  else if (key == "insecurePlainHttp") insecure_plain_http = TRY(truth(key, value));
  else if (std::find(kNothingToDo.begin(), kNothingToDo.end(), key) != kNothingToDo.end()) TRY(truth(key, value));
  else if (std::find(kNotDone.begin(), kNotDone.end(), key) != kNotDone.end())
    return fail(ErrorCode::kUnsupported, fmt::format("the option {} of mongosync is not supported by this version; leave it out", key));
  else return fail(ErrorCode::kUsage, fmt::format("unknown option {}", key));
  return {};
}

Status check_sync_uri(std::string_view which, const std::string& uri) {
  const auto refuse = [&](std::string_view why) { return fail(ErrorCode::kUsage, fmt::format("{}: {}", which, why)); };
  const auto mark = uri.find('?');
  std::string_view query = mark == std::string::npos ? std::string_view() : std::string_view(uri).substr(mark + 1);
  while (!query.empty()) {
    const auto end = query.find_first_of("&;");
    const auto option = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    const auto equals = option.find('=');
    const auto name = lower(option.substr(0, equals));
    const auto value = lower(equals == std::string_view::npos ? "" : option.substr(equals + 1));
    if (name == "readconcernlevel" && value != "majority") return refuse("Invalid URI option, read concern must be majority");
    if (name == "w" && value != "majority") return refuse("Invalid URI option, write concern must be majority");
    if (name == "readpreference" && value != "primary") return refuse("Invalid URI option, read preference must be primary");
    if (name == "sockettimeoutms") return refuse("Invalid URI option, socketTimeoutMS is not allowed; timeouts are the engine's");
  }
  return {};
}

std::string first_host(const std::string& uri) {
  const auto redacted = cluster::redact(uri);
  const auto scheme = redacted.find("://");
  auto rest = std::string_view(redacted).substr(scheme == std::string::npos ? 0 : scheme + 3);
  rest = rest.substr(0, rest.find_first_of("/?,"));
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) rest = rest.substr(at + 1);
  const bool has_port = rest.find(':', rest.starts_with('[') ? rest.find(']') : 0) != std::string_view::npos;
  return has_port ? std::string(rest) : fmt::format("{}:27017", rest);
}

}  // namespace drover::cli
