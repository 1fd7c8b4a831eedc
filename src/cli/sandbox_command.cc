// drover sandbox
#include <cstdio>

#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <regex>
#include <utility>
#include <fmt/core.h>

#include "base/log.h"
#include "base/process_memory.h"
#include "base/runtime.h"
#include "cli/commands.h"
#include "cli/port_file.h"
#include "cli/signals.h"
#include "sandbox/server/memory_plan.h"
#include "sandbox/server/sandbox.h"

namespace drover::cli {
namespace {

// Besides whenever much is granted to clients.
constexpr auto kLookAtMemory = std::chrono::milliseconds(50);
constexpr std::int64_t kMinOplog = 1 << 20;
constexpr std::size_t kShownBytes = 80;  // of a name that is refused

// A log whose file may be moved away: what is written from reopen() on stands in a new one. Thread-safe.
class ReopenableLog final : public Log {
 public:
  static Result<std::unique_ptr<ReopenableLog>> open(std::string path, LogLevel level) {
    std::unique_ptr<ReopenableLog> log(new ReopenableLog(std::move(path), level));
    TRY(log->reopen());
    return log;
  }
  Status reopen() {
    std::shared_ptr<Log> fresh = TRY(open_log(path_, level_));
    std::lock_guard lock(mutex_);
    log_ = std::move(fresh);
    return {};
  }
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override { current()->write(level, message, fields); }

 private:
  ReopenableLog(std::string path, LogLevel level) : path_(std::move(path)), level_(level) {}
  std::shared_ptr<Log> current() {
    std::lock_guard lock(mutex_);
    return log_;
  }

  const std::string path_;
  const LogLevel level_;
  std::mutex mutex_;
  std::shared_ptr<Log> log_;
};

class SandboxCommand : public Subcommand {
 public:
  std::string_view name() const override { return "sandbox"; }
  std::string_view summary() const override { return "Serve an embedded one-member replica set, for rehearsals and tests"; }

  void configure(OptionSet& options) override {
    options.path("--dbpath", dbpath_, "Directory of the data; created when it is missing");
    options.integer("--port", port_, "Port to listen on; 0 lets the system choose").range(0, 65535);
    options.string("--bind-ip,--bind_ip", bind_ip_, "Addresses to listen on, with commas");
    options.path("--port-file", port_file_, "Write the port to this file once connections are accepted");
    options.string("--repl-set,--replSet", repl_set_, "Name of the replica set");
    options.string("--host", host_, "Name of this member in the replica set's configuration, with :PORT where clients reach it by another port");
    options.flag("--auth", auth_, "Require authentication and enforce roles");
    options.string("--server-version", version_, "Server version to behave as").one_of({"4.4", "5.0", "6.0", "7.0", "8.0"});
    options.bytes("--memory", memory_, fmt::format("Memory of the whole process, at least {}MB", sandbox::kMinServerMemory >> 20));
    options.bytes("--oplog-size", oplog_size_, fmt::format("Size of the oplog, at least {}MB", kMinOplog >> 20));
    const auto certificate = options.path("--tls-cert-key-file,--tlsCertificateKeyFile", tls_file_, "PEM file with certificate and key: serve TLS");
    const auto authorities = options.path("--tls-ca-file,--tlsCAFile", tls_ca_file_, "PEM file of the authorities that clients' certificates are verified by").needs(certificate);
    options.flag("--tls-allow-connections-without-certificates,--tlsAllowConnectionsWithoutCertificates", tls_without_certificate_,
                 "With --tls-ca-file: clients may do without a certificate").needs(authorities);
    options.string("--tls-mode,--tlsMode", tls_mode_, "Whether plain connections are served too")
        .one_of({"disabled", "allowTLS", "preferTLS", "requireTLS"});
    options.flag("--no-scripting,--noscripting", no_scripting_, "Refuse JavaScript: $where, $function, $accumulator and mapReduce");
    options.path("--log", log_, "Write the log to this file; - is standard error");
    options.description(
        "An embedded server that speaks MongoDB's wire protocol, for rehearsals, tests and the demo. It is a replica set of "
        "one member that is primary at once. It is not offered as a production database.\n\n"
        "Prints one line on standard output when it accepts connections. SIGTERM stops it cleanly.\n\n"
        "With --auth the first user is made from this machine without a login, by createUser in the database admin; from then on everybody logs in. "
        "docs/operations/rehearsal.md has the command, with and without mongosh.");
    options.example("drover sandbox --dbpath ./data");
    options.example("drover sandbox --port 0 --port-file port --server-version 8.0 --auth");
  }

  int run() override {
    const auto stop = stop_on_signals();
    if (auto result = serve(stop); !result) return report("sandbox", result.error());
    return 0;
  }

 private:
  // HOST, HOST:PORT, [IPv6] or [IPv6]:PORT; the port is 0 where none is said.
  static Result<std::pair<std::string, int>> member_of(const std::string& text) {
    static const std::regex form(R"(([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?)");
    if (text.empty()) return std::pair<std::string, int>{};
    std::smatch parts;
    const bool matches = std::regex_match(text, parts, form);
    const int port = matches && parts[2].matched ? std::stoi(parts[2]) : 0;
    if (!matches || port > 65535 || (parts[2].matched && port == 0))
      return fail(ErrorCode::kUsage, fmt::format("--host '{}' is neither a host name nor HOST:PORT; an IPv6 address stands in brackets", text));
    return std::pair(parts[1].str(), port);
  }

  // What may stand in a connection string and in front of the slash of "name/host:port", at a length that people can read.
  static Status check_set_name(const std::string& name) {
    static const std::regex form("[A-Za-z0-9._-]{1,64}");
    if (std::regex_match(name, form)) return {};
    return fail(ErrorCode::kUsage, fmt::format("--repl-set '{}': the name of a replica set is 1 to 64 letters, digits, dots, dashes and underscores",
                                               name.size() > kShownBytes ? name.substr(0, kShownBytes) + "..." : name));
  }

  Status serve(const std::stop_token& stop) {
    const auto least = static_cast<std::int64_t>(sandbox::kMinServerMemory);
    if (memory_ < least) {
      return fail(ErrorCode::kUsage, fmt::format("--memory must be at least {}MB: one message and one reply of the largest size, and what is there "
                                                 "without any client, take so much", least >> 20));
    }
    bound_allocator();
    if (oplog_size_ < kMinOplog) return fail(ErrorCode::kUsage, "--oplog-size must be at least 1MB");
    const bool tls = tls_mode_ != "disabled" && !tls_file_.empty();
    if (!tls && !tls_mode_.empty() && tls_mode_ != "disabled") return fail(ErrorCode::kUsage, fmt::format("--tls-mode {} needs --tls-cert-key-file", tls_mode_));
    TRY(check_set_name(repl_set_));
    const auto member = TRY(member_of(host_));
    const auto runtime = make_real_runtime();
    // A log may lie beside the data.
    std::error_code ignored;
    if (const auto directory = std::filesystem::path(log_).parent_path(); !directory.empty()) std::filesystem::create_directories(directory, ignored);
    const auto log = TRY(log_.empty() ? ReopenableLog::open("-", LogLevel::kWarn) : ReopenableLog::open(log_, LogLevel::kInfo));
    const auto version = *sandbox::sandbox_version(version_);
    std::stop_source ends;  // by a signal, or by a client's shutdown
    const std::stop_callback signalled(stop, [&ends] { ends.request_stop(); });
    ResidentLimit process_memory(static_cast<std::size_t>(memory_));
    const auto sandbox = TRY(sandbox::Sandbox::start({.dbpath = dbpath_,
                                                      .bind_ip = bind_ip_,
                                                      .port = static_cast<int>(port_),
                                                      .repl_set = repl_set_,
                                                      .host = member.first,
                                                      .member_port = member.second,
                                                      .auth = auth_,
                                                      .version = version,
                                                      .memory_bytes = static_cast<std::size_t>(memory_),
                                                      .process_memory = &process_memory,
                                                      .oplog_bytes = static_cast<std::uint64_t>(oplog_size_),
                                                      .tls_certificate_key_file = tls ? tls_file_ : std::string(),
                                                      .tls_ca_file = tls_ca_file_,
                                                      .tls_allow_without_certificate = tls_without_certificate_,
                                                      .tls_mode = tls_mode_.empty() ? "requireTLS" : tls_mode_,
                                                      .on_shutdown = [&ends] { ends.request_stop(); },
                                                      .reopen_log = [&log] { return log->reopen(); },
                                                      .script_program = no_scripting_ ? "" : "/proc/self/exe",
                                                      .arguments = {"drover", "sandbox", "--dbpath", dbpath_}},
                                                     *runtime, *log));
    TRY(write_port_file(port_file_, sandbox->port(), "--port-file"));
    std::puts(fmt::format("drover sandbox {}: ready on {}", version.to_string(), sandbox->uri()).c_str());
    std::fflush(stdout);
    while (runtime->sleep(kLookAtMemory, ends.get_token())) process_memory.look();
    sandbox->stop();
    return {};
  }

  std::string dbpath_ = "./drover-sandbox";
  std::int64_t port_ = 27017;
  std::string bind_ip_ = "127.0.0.1";
  std::string port_file_;
  std::string repl_set_ = "rs0";
  std::string host_;
  bool auth_ = false;
  std::string version_ = "4.4";
  std::int64_t memory_ = 768 << 20;
  std::int64_t oplog_size_ = 1 << 30;
  std::string tls_file_;
  std::string tls_ca_file_;
  bool tls_without_certificate_ = false;
  std::string tls_mode_;  // with a certificate: requireTLS
  bool no_scripting_ = false;
  std::string log_;
};

}  // namespace

std::unique_ptr<Subcommand> make_sandbox_command() { return std::make_unique<SandboxCommand>(); }

}  // namespace drover::cli
