#include "cluster/pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include "base/check.h"
#include "base/guarded.h"
#include "base/process_memory.h"
#include "bson/builder.h"
#include "cluster/errors.h"
#include "cluster/interruptible_stream.h"
#include "cluster/own_session.h"

namespace drover::cluster {
namespace {

constexpr auto kFarewellReply = std::chrono::seconds(2);

struct ClientSessionDeleter {
  void operator()(mongoc_client_session_t* session) const { mongoc_client_session_destroy(session); }
};
using ClientSession = std::unique_ptr<mongoc_client_session_t, ClientSessionDeleter>;

// The driver's counters are nobody's. Its library puts them into shared memory as soon as it is loaded; under a name there they
// would outlive a process that is killed.
[[maybe_unused]] const int unnamed_counters = ::shm_unlink(fmt::format("/mongoc-{}", ::getpid()).c_str());

// The driver's own log goes to standard error otherwise; what matters in it comes back as errors. Its library begins to log in its
// constructor, before any code of this program: but for what the loader calls first.
void silence_driver(int, char**, char**) { mongoc_log_set_handler(nullptr, nullptr); }
[[gnu::section(".preinit_array"), gnu::used]] void (*const call_first)(int, char**, char**) = silence_driver;

void start_driver() {
  static const bool started = [] {
    ::setenv("MONGOC_DISABLE_SHM", "1", 0);  // for children; here the library was loaded before
    mongoc_init();
    // Replies and commands of megabytes come and go on many threads: large ones go back to the system at once instead of
    // staying in each thread's heap, those of ordinary batches are used again.
    bound_allocator();
    return true;
  }();
  static_cast<void>(started);
}

// The driver calls every failure while it logs in an authentication failure, a cut connection included.
DriverFailure login_failure_of(std::string_view message) {
  for (const auto* word : {"socket", "timeout", "Failed to send", "Failed to read", "Failed to buffer", "shut down", "shutdown",
                           "not master", "not primary"}) {
    if (message.find(word) != std::string_view::npos) return DriverFailure::kNetwork;
  }
  return DriverFailure::kAuthentication;
}

DriverFailure failure_of(const bson_error_t& error) {
  switch (error.domain) {
    case MONGOC_ERROR_STREAM:
    case MONGOC_ERROR_PROTOCOL: return DriverFailure::kNetwork;
    case MONGOC_ERROR_SERVER_SELECTION: return DriverFailure::kSelection;
    case MONGOC_ERROR_SASL:
    case MONGOC_ERROR_SCRAM: return login_failure_of(error.message);
    case MONGOC_ERROR_CLIENT:
      return error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE ? login_failure_of(error.message) : DriverFailure::kOther;
    // The server was lost between its selection and the sending.
    case MONGOC_ERROR_COMMAND:
      return std::string_view(error.message).find("invalidated server") != std::string_view::npos ? DriverFailure::kNetwork
                                                                                                   : DriverFailure::kOther;
    default: return DriverFailure::kOther;
  }
}

// "No suitable servers found: `serverSelectionTimeoutMS` expired: [connection refused calling hello on 'h:1']" → the inside.
// "Failed to send ... command ...: Failed to read 4 bytes: socket error or timeout" is said of a reply that did not come.
std::string_view reason_of(std::string_view message) {
  if (message.find("Failed to read") != std::string_view::npos) return "no reply: the connection was lost, or it took too long";
  const auto open = message.find('[');
  const auto close = message.rfind(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return message;
  return message.substr(open + 1, close - open - 1);
}

std::string_view command_name(bson::View command) { return command.first().key(); }

// Without a copy: replies are up to 16 MB.
Reply take(bson_t& reply) {
  std::uint32_t size = 0;
  return Reply(std::shared_ptr<const std::uint8_t>(bson_destroy_with_steal(&reply, true, &size),
                                                   [](const std::uint8_t* bytes) { bson_free(const_cast<std::uint8_t*>(bytes)); }));
}

}  // namespace

struct Pool::ReadSessions {
  Guarded<std::vector<Uuid>> idle;
};

struct Pool::Attempt {
  bool ok = false;
  Reply reply;
  bson_error_t error{};
};

Result<std::unique_ptr<Pool>> Pool::open(const MongoOptions& options, Runtime& runtime, std::stop_token stop) {
  start_driver();
  auto uri = TRY(parse_uri(options));
  bson_error_t error;
  auto* model = mongoc_client_new_from_uri_with_error(uri.driver.get(), &error);
  auto monitors = model == nullptr ? nullptr : std::make_unique<Monitors>(model);
  auto* pool = model == nullptr ? nullptr : mongoc_client_pool_new_with_error(uri.driver.get(), &error);
  if (pool == nullptr) {
    return fail(ErrorCode::kUsage, fmt::format("{} connection string {}: {}", side_word(options.side), redact(options.uri),
                                               error.message));
  }
  monitors->watch(pool);
  mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
  mongoc_client_pool_max_size(pool, static_cast<std::uint32_t>(options.max_connections));
  return std::unique_ptr<Pool>(new Pool(options, runtime, std::move(stop), std::move(uri), pool, std::move(monitors)));
}

Pool::Pool(const MongoOptions& options, Runtime& runtime, std::stop_token stop, Uri uri, mongoc_client_pool_t* pool,
           std::unique_ptr<Monitors> monitors)
    : side_(options.side),
      runtime_(runtime),
      stop_(std::move(stop)),
      uri_(std::move(uri)),
      hosts_(hosts_of(uri_.driver.get())),
      monitors_(std::move(monitors)),
      pool_(pool),
      read_sessions_(std::make_unique<ReadSessions>()) {}

Pool::~Pool() {
  const CallScope scope({}, {}, kFarewellReply);  // the driver ends its sessions
  mongoc_client_pool_destroy(pool_);
}

Result<Reply> Pool::run(const Call& call) {
  const Doing doing{command_name(call.command), call.on};
  const CallScope scope(stop_, call.stop, call.reply_limit.value_or(uri_.reply_limit));
  const auto deadline = runtime_.now() + uri_.selection_limit;
  for (;;) {
    if (scope.stopped()) {
      return fail(ErrorCode::kInterrupted, fmt::format("{}: {} on {}: stopped", side_word(side_), doing.command, doing.on));
    }
    auto* client = mongoc_client_pool_pop(pool_);
    if (client == nullptr) {
      return tl::unexpected(driver_error(side_, doing, DriverFailure::kPool, "all connections are in use", hosts_, reached_));
    }
    make_interruptible(client);
    auto attempt = this->attempt(call, client);
    mongoc_client_pool_push(pool_, client);
    // The driver takes a reply that tells of no error for a success.
    const auto ok = attempt.reply["ok"];
    if (attempt.ok && !ok.is_number() && ok.type() != bson::Type::kBool) {
      return tl::unexpected(malformed_reply(side_, doing, hosts_, "does not say whether it was done (ok)"));
    }
    if (attempt.ok && ok.is_truthy()) {
      reached_ = true;
      if (const auto concern = attempt.reply["writeConcernError"].to_document()) {
        return tl::unexpected(write_concern_error(side_, doing, *concern));
      }
      return std::move(attempt.reply);
    }
    if (scope.stopped()) continue;
    if (attempt.ok || (attempt.error.domain == MONGOC_ERROR_SERVER && ok.exists())) {
      reached_ = true;
      return tl::unexpected(command_error(side_, doing, attempt.reply));
    }
    if (!scope.refusal().empty()) {
      return tl::unexpected(driver_error(side_, doing, DriverFailure::kNetwork, scope.refusal(), hosts_, reached_));
    }
    const auto failure = failure_of(attempt.error);
    // Nothing was sent yet, so looking again is not repeating.
    if (failure == DriverFailure::kSelection && !call.once && runtime_.now() < deadline) continue;
    const auto seen = failure == DriverFailure::kSelection ? monitors_->refusals() : std::string();
    return tl::unexpected(driver_error(side_, doing, failure, seen.empty() ? reason_of(attempt.error.message) : seen, hosts_, reached_));
  }
}

Pool::Attempt Pool::attempt(const Call& call, mongoc_client_t* client) {
  Attempt result;
  bson_t command;
  bson_t reply;
  bson_t opts = BSON_INITIALIZER;
  CHECK(bson_init_static(&command, call.command.data(), call.command.size()), "a command is a document");
  ClientSession session;
  std::optional<OwnSession> own;
  if (call.session != nullptr) {
    auto* session_opts = mongoc_session_opts_new();
    mongoc_session_opts_set_causal_consistency(session_opts, false);  // the times of reads are ours
    session.reset(mongoc_client_start_session(client, session_opts, &result.error));
    mongoc_session_opts_destroy(session_opts);
    if (!session || !mongoc_client_session_append(session.get(), &opts, &result.error)) {
      bson_destroy(&opts);
      return result;
    }
    own.emplace(session.get(), *call.session);
  }
  const std::string db(call.db);
  result.ok = mongoc_client_command_with_opts(client, db.c_str(), &command, nullptr, &opts, &reply, &result.error);
  result.reply = take(reply);
  bson_destroy(&opts);
  return result;
}

// All are held until each has answered, so that they are different ones. The pool gives out those first that came back last.
void Pool::warm(int count, const std::stop_token& stop) {
  std::vector<mongoc_client_t*> clients;
  std::vector<std::unique_ptr<Runtime::Thread>> threads;
  while (static_cast<int>(clients.size()) < count) {
    auto* client = mongoc_client_pool_try_pop(pool_);
    if (client == nullptr) break;
    make_interruptible(client);
    clients.push_back(client);
    threads.push_back(runtime_.spawn("connecting", [this, client, stop](std::stop_token) {
      const auto ping = bson::make_document({{"ping", 1}});
      const CallScope scope(stop_, stop, uri_.reply_limit);  // as whoever would open it otherwise: the driver drops all when one fails
      (void)attempt({.db = "admin", .command = ping, .on = "admin"}, client);
    }));
  }
  for (auto& thread : threads) thread->join();
  for (auto* client : clients) mongoc_client_pool_push(pool_, client);
}

bool Pool::is_direct() const { return mongoc_uri_get_option_as_bool(uri_.driver.get(), MONGOC_URI_DIRECTCONNECTION, false); }

Uuid Pool::take_read_session() {
  const auto idle = read_sessions_->idle.with([](auto& sessions) -> std::optional<Uuid> {
    if (sessions.empty()) return std::nullopt;
    const auto session = sessions.back();
    sessions.pop_back();
    return session;
  });
  return idle ? *idle : Uuid::random(runtime_);
}

void Pool::return_read_session(const Uuid& session) {
  read_sessions_->idle.with([&](auto& sessions) { sessions.push_back(session); });
}

}  // namespace drover::cluster
