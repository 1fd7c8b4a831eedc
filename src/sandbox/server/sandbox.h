// The whole embedded server: storage, commands, users and the listener, made in order and stopped in reverse. What
// `drover sandbox`, the demo and the tests start.
//
//   auto sandbox = TRY(Sandbox::start({.dbpath = path, .port = 0}, runtime, log));
//   connect to sandbox->uri()
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/process_memory.h"
#include "base/runtime.h"
#include "model/server_version.h"
#include "net/wire_server.h"

namespace drover::sandbox {

class Dispatcher;
struct ServerState;

struct SandboxOptions {
  std::string dbpath;
  std::string bind_ip = "127.0.0.1";
  int port = 27017;                       // 0: the system chooses
  std::string repl_set = "rs0";
  std::string host;                       // as the replica set's configuration names this member; empty: the first bind_ip
  int member_port = 0;                    // and its port there; 0: the one that it listens on
  bool auth = false;
  ServerVersion version{4, 4, 1};
  std::size_t memory_bytes = 256 << 20;
  // Of a process that is this server and nothing else: what is granted to clients depends on what is resident of it, too. It outlives the server.
  ResidentLimit* process_memory = nullptr;
  std::uint64_t oplog_bytes = 1ull << 30;
  std::string tls_certificate_key_file;   // empty: no TLS
  std::string tls_ca_file;                // whose clients' certificates are believed; without it none is asked for
  bool tls_allow_without_certificate = false;  // with it: clients may have none
  std::string tls_mode = "requireTLS";    // "preferTLS", "allowTLS": plain connections on the same port too
  std::function<void()> on_shutdown;      // a client has asked for the server's end; empty: no client can
  std::function<Status()> reopen_log;     // opens the log's file anew; empty: it has none
  // Which is started anew to run JavaScript (script/host_main.h); empty: JavaScript is switched off.
  std::string script_program;
  bool listen = true;                     // false: in-process use through dispatcher()
  std::vector<std::string> arguments;     // for getCmdLineOpts
};

class Sandbox {
 public:
  static Result<std::unique_ptr<Sandbox>> start(const SandboxOptions& options, Runtime& runtime, Log& log);
  ~Sandbox();

  int port() const;
  std::string uri() const;  // mongodb://127.0.0.1:27017/?replicaSet=rs0
  // Refuses new work, ends connections, makes what was committed durable. Idempotent.
  void stop();

  Dispatcher& dispatcher();
  ServerState& state();

 private:
  struct Parts;
  explicit Sandbox(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// "4.4", "5.0", "6.0", "7.0", "8.0" to the release that is reported; nothing for others.
std::optional<ServerVersion> sandbox_version(std::string_view text);

}  // namespace drover::sandbox
