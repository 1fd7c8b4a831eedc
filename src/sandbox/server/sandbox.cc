#include "sandbox/server/sandbox.h"

#include <filesystem>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/auth/connection_auth.h"
#include "sandbox/changestream/change_stream.h"
#include "sandbox/commands/activity.h"
#include "sandbox/commands/concern_defaults.h"
#include "sandbox/commands/expired_images.h"
#include "sandbox/commands/fail_points.h"
#include "sandbox/commands/local_records.h"
#include "sandbox/commands/member.h"
#include "sandbox/commands/parameters.h"
#include "sandbox/commands/profiler.h"
#include "sandbox/commands/recent_log.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/ttl.h"
#include "sandbox/server/cluster_time.h"
#include "sandbox/server/cursor_registry.h"
#include "sandbox/script/hosts.h"
#include "sandbox/server/dispatcher.h"
#include "sandbox/server/memory_plan.h"
#include "sandbox/server/running_operations.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

constexpr Duration kMaintenance = std::chrono::seconds(1);
// As the server does, so that streams and readers of an idle set see its time move on.
constexpr Duration kNoopInterval = std::chrono::seconds(10);
constexpr Duration kNoopPatience = std::chrono::seconds(1);

bson::ObjectId new_process_id(Runtime& runtime) {
  bson::ObjectId id;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(runtime.wall_time().time_since_epoch()).count();
  for (int i = 0; i < 4; ++i) id.bytes[i] = static_cast<std::uint8_t>(seconds >> (24 - 8 * i));
  const auto random = runtime.random();
  for (int i = 0; i < 8; ++i) id.bytes[4 + i] = static_cast<std::uint8_t>(random >> (8 * i));
  return id;
}

std::string first_address(const std::string& bind_ip) {
  const auto first = bind_ip.substr(0, bind_ip.find(','));
  if (first == "0.0.0.0" || first == "::") return "localhost";
  return first.find(':') == std::string::npos ? first : "[" + first + "]";
}

ServerSettings make_settings(const SandboxOptions& options) {
  return {.version = options.version,
          .repl_set = options.repl_set,
          .host = options.host.empty() ? first_address(options.bind_ip) : options.host,
          .port = options.port,
          .auth = options.auth,
          .dbpath = options.dbpath,
          .arguments = options.arguments,
          .tls = {.mode = options.tls_certificate_key_file.empty() ? "" : options.tls_mode,
                  .certificate_key_file = options.tls_certificate_key_file,
                  .ca_file = options.tls_ca_file,
                  .allow_without_certificate = options.tls_allow_without_certificate},
          .memory_bytes = options.memory_bytes,
          .max_connections = plan_memory(options.memory_bytes).connections};
}

Status make_directory(const std::string& path) {
  if (path.empty()) return {};
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  return failed ? Status(fail(ErrorCode::kUnsupported, fmt::format("creating --dbpath {}: {}", path, failed.message()))) : Status();
}

CommandTable make_table() {
  CommandTable table;
  add_storage_commands(table);
  auth::add_auth_commands(table);
  add_server_commands(table);
  return table;
}

}  // namespace

// In the order in which they are made; destroyed in reverse.
struct Sandbox::Parts {
  Parts(const SandboxOptions& options_in, Runtime& runtime_in, std::unique_ptr<RecentLog> log_in, std::unique_ptr<Engine> engine_in, SteadyTime started)
      : options(options_in), runtime(runtime_in), recent_log(std::move(log_in)), log(*recent_log), settings(make_settings(options)), table(make_table()),
        memory(plan_memory(options.memory_bytes).pools, options.process_memory),
        scripts({.most = plan_memory(options.memory_bytes).script_processes, .program = options.script_program, .process = options.process_memory, .log = &log}, runtime), engine(std::move(engine_in)), cursors(runtime), operations(runtime, settings), sessions(runtime),
        services{.engine = *engine,
                 .runtime = runtime,
                 .log = log,
                 .settings = settings,
                 .cursors = cursors,
                 .operations = operations,
                 .sessions = sessions,
                 .fail_points = fail_points,
                 .commands = table,
                 .memory = memory,
                 .concern_defaults = concern_defaults,
                 .profiler = profiler,
                 .member = member,
                 .activity = activity,
                 .parameters = parameters,
                 .recent_log = *recent_log,
                 .scripts = options.script_program.empty() ? nullptr : &scripts,
                 .started = started,
                 .open_change_stream = changestream::open_change_stream,
                 .auth_data_changed = [this] { users.changed(); },
                 .shut_down = options.on_shutdown,
                 .reopen_log = options.reopen_log},
        users(options.version), cluster_time(services), state{.services = services, .users = users, .cluster_time = cluster_time, .process_id = new_process_id(runtime)},
        dispatcher(state, operations) {
    users.attach(services);
  }

  void maintain(const std::stop_token& stop);

  const SandboxOptions options;
  Runtime& runtime;
  const std::unique_ptr<RecentLog> recent_log;
  Log& log;
  ServerSettings settings;
  const CommandTable table;
  MemoryPools memory;
  script::Hosts scripts;
  std::unique_ptr<Engine> engine;
  OpenCursors cursors;
  RunningOperations operations;
  Sessions sessions;
  FailPoints fail_points;
  ConcernDefaults concern_defaults;
  Profiler profiler;
  Member member;
  Activity activity;
  Parameters parameters{settings.tls.mode};
  Services services;
  auth::UserDirectory users;
  ClusterTime cluster_time;
  ServerState state;
  Dispatcher dispatcher;
  std::unique_ptr<Runtime::Thread> maintenance;
  std::unique_ptr<net::WireServer> server;
  bool stopped = false;
};

// What happens without a client: cursors and sessions age, clients go away, time moves on.
void Sandbox::Parts::maintain(const std::stop_token& stop) {
  auto last_time = engine->last_committed();
  auto last_change = runtime.now();
  auto last_expiry = runtime.now();
  auto last_image_expiry = runtime.now();
  while (runtime.sleep(kMaintenance, stop)) {
    operations.kill_abandoned();
    cursors.expire(parameters.cursor_timeout());
    sessions.reap(parameters.transaction_lifetime());
    scripts.expire();
    if (const auto elected = member.stand(services); !elected) log.warn("the election failed", {{"reason", elected.error().message}});
    if (!engine->is_primary() || engine->write_locks() > 0) continue;  // deletes and writes nothing by itself
    if (const auto tidied = engine->tidy_abandoned(); !tidied) log.warn("what commands have left behind could not be put in order", {{"reason", tidied.error().message}});
    if (const auto provided = cluster_time.provide_keys(); !provided) log.warn("no key to sign the cluster time with could be stored", {{"reason", provided.error().message}});
    if (parameters.expires_documents() && runtime.now() - last_expiry >= parameters.expiry_interval()) {
      const auto expired = delete_expired(services, stop);
      if (!expired) log.warn("expired documents could not be deleted", {{"reason", expired.error().message}});
      last_expiry = runtime.now();
    }
    if (runtime.now() - last_image_expiry >= kPreImageRemovalInterval) {
      const auto expired = delete_expired_images(services, stop);
      if (!expired) log.warn("expired pre-images could not be deleted", {{"reason", expired.error().message}});
      last_image_expiry = runtime.now();
    }
    const auto time = engine->last_committed();
    if (time != last_time) {
      last_time = time;
      last_change = runtime.now();
    } else if (runtime.now() - last_change >= kNoopInterval) {
      // Not for long: what locks writes meanwhile keeps neither this thread nor its end waiting.
      const auto noted = engine->append_note(bson::make_document({{"msg", "periodic noop"}}), {.timeout = kNoopPatience, .stop = stop});
      if (!noted && engine->write_locks() == 0) log.warn("the periodic no-op could not be written", {{"reason", noted.error().message}});
      if (noted) last_change = runtime.now();
    }
  }
}

Sandbox::Sandbox(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Sandbox::~Sandbox() { stop(); }

Result<std::unique_ptr<Sandbox>> Sandbox::start(const SandboxOptions& options, Runtime& runtime, Log& given_log) {
  auto recent_log = std::make_unique<RecentLog>(given_log, runtime);
  Log& log = *recent_log;
  const auto started = runtime.now();
  const auto plan = plan_memory(options.memory_bytes);
  net::WireServer::Options listen{.bind_ip = options.bind_ip, .port = options.port, .max_connections = plan.connections};
  if (!options.tls_certificate_key_file.empty()) {
    listen.tls = TRY(net::TlsContext::open({.certificate_key_file = options.tls_certificate_key_file,
                                             .ca_file = options.tls_ca_file,
                                             .require_client_certificate = !options.tls_ca_file.empty() && !options.tls_allow_without_certificate}));
    listen.tls_required = options.tls_mode == "requireTLS";
  }
  // Before anything is made on the disk: a busy port leaves nothing behind.
  std::vector<net::Listener> listeners;
  if (options.listen) listeners = TRY(net::listen_on(listen.bind_ip, listen.port));
  TRY(make_directory(options.dbpath));
  auto engine = TRY_WITH(Engine::open({.dbpath = options.dbpath,
                                       .memory_bytes = plan.store_bytes,
                                       .in_memory = options.dbpath.empty(),
                                       .version = options.version,
                                       .oplog_bytes = options.oplog_bytes},
                                      runtime, log),
                         fmt::format("opening the database in {}", options.dbpath));
  auto parts = std::make_unique<Parts>(options, runtime, std::move(recent_log), std::move(engine), started);
  auto& self = *parts;
  if (listen.tls) {
    const auto own = listen.tls->own_certificate();
    self.settings.tls.subject = own.subject;
    self.settings.tls.expires_millis = own.expires * 1000;
  }
  TRY(self.concern_defaults.load(*self.engine, runtime));
  if (const auto provided = self.cluster_time.provide_keys(); !provided) log.warn("no key to sign the cluster time with could be stored", {{"reason", provided.error().message}});
  if (options.listen) {
    listen.request_memory = &self.memory.requests;
    listen.reply_memory = &self.memory.replies;
    self.server = net::WireServer::start(
        listen, [&self](net::ConnectionInfo info) { return self.dispatcher.accept(std::move(info)); }, log, std::move(listeners));
    // A client may already be connecting: it sees port 0 in hello for a moment only if the system chose the port.
    self.settings.port = self.options.member_port != 0 ? self.options.member_port : self.server->port();
  }
  log.info("the server has started", {{"version", options.version.to_string()}, {"port", self.settings.port}, {"dbpath", options.dbpath}, {"auth", options.auth}});
  self.recent_log->started();
  if (const auto recorded = self.member.stand(self.services); !recorded) log.warn("the set's configuration could not be recorded", {{"reason", recorded.error().message}});
  if (const auto recorded = record_start(self.services); !recorded) log.warn("the start could not be recorded", {{"reason", recorded.error().message}});
  self.maintenance = runtime.spawn("sandbox", [&self](std::stop_token stop) { self.maintain(stop); });
  return std::unique_ptr<Sandbox>(new Sandbox(std::move(parts)));
}

void Sandbox::stop() {
  if (parts_->stopped) return;
  parts_->stopped = true;
  if (parts_->server) parts_->server->stop();
  parts_->maintenance.reset();
  parts_->cursors.clear();
  parts_->sessions.kill_all();
  if (const auto durable = parts_->engine->make_durable(); !durable) {
    parts_->log.error("the last writes could not be made durable", {{"reason", durable.error().message}});
  }
}

int Sandbox::port() const { return parts_->server ? parts_->server->port() : parts_->settings.port; }

std::string Sandbox::uri() const {
  return fmt::format("mongodb://{}:{}/?replicaSet={}", parts_->settings.host, parts_->settings.port, parts_->settings.repl_set);
}

Dispatcher& Sandbox::dispatcher() { return parts_->dispatcher; }
ServerState& Sandbox::state() { return parts_->state; }

std::optional<ServerVersion> sandbox_version(std::string_view text) {
  static constexpr struct {
    std::string_view name;
    ServerVersion version;
  } kVersions[] = {{"4.4", {4, 4, 1}}, {"5.0", {5, 0, 31}}, {"6.0", {6, 0, 20}}, {"7.0", {7, 0, 16}}, {"8.0", {8, 0, 4}}};
  for (const auto& [name, version] : kVersions) {
    if (name == text) return version;
  }
  return std::nullopt;
}

}  // namespace drover::sandbox
