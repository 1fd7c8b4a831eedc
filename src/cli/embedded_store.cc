#include "cli/embedded_store.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/mongo_deployment.h"
#include "control/store.h"

namespace drover::cli {
namespace {

constexpr const char* kUser = "control-plane";
constexpr const char* kSecretName = "embedded store";
constexpr std::size_t kStoreMemory = 128 << 20;
constexpr std::uint64_t kStoreOplog = 256 << 20;

Result<std::unique_ptr<cluster::Deployment>> connect(const std::string& uri, Runtime& runtime, const std::stop_token& stop) {
  return cluster::connect({.uri = uri, .side = cluster::Side::kStore, .app_name = "drover server",
                           .selection_limit = control::kStoreReplyLimit, .reply_limit = control::kStoreReplyLimit}, runtime, stop);
}

// The first user, by the localhost exception; afterwards there is one, and the password is the sealed one.
Status create_user(const std::string& plain_uri, const std::string& password, Runtime& runtime, const std::stop_token& stop) {
  const auto first = TRY(connect(plain_uri, runtime, stop));
  bson::Builder command;
  command.append("createUser", kUser).append("pwd", password);
  command.open_array("roles").append(bson::make_document({{"role", "root"}, {"db", "admin"}}));
  TRY_WITH(first->run_command("admin", std::move(command).finish()), "creating the store's user");
  return {};
}

Result<std::string> password_in(const std::string& path, const control::SealedKeys& keys) {
  std::ifstream file(path);
  std::string sealed;
  if (!std::getline(file, sealed)) return std::string();
  return keys.unseal(kSecretName, sealed);
}

Status keep_password(const std::string& path, const control::SealedKeys& keys, const std::string& password) {
  std::ofstream file(path, std::ios::trunc);
  file << keys.seal(kSecretName, password) << '\n';
  file.close();
  if (!file) return fail(ErrorCode::kUnsupported, fmt::format("writing {} failed", path));
  return {};
}

}  // namespace

Result<EmbeddedStore> EmbeddedStore::open(const std::string& directory, const std::string& uri, const control::SealedKeys& keys,
                                          Runtime& runtime, Log& log, const std::stop_token& stop) {
  EmbeddedStore store;
  if (!uri.empty()) {
    store.deployment_ = TRY(connect(uri, runtime, stop));
    return store;
  }
  const auto path = directory + "/store";
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) return fail(ErrorCode::kUnsupported, fmt::format("creating {}: {}", path, failed.message()));
  store.sandbox_ = TRY_WITH(sandbox::Sandbox::start({.dbpath = path,
                                                     .port = 0,
                                                     .repl_set = "store",
                                                     .auth = true,
                                                     .version = *sandbox::sandbox_version("8.0"),
                                                     .memory_bytes = kStoreMemory,
                                                     .oplog_bytes = kStoreOplog},
                                                    runtime, log),
                            "starting the embedded store");
  const auto host = fmt::format("127.0.0.1:{}", store.sandbox_->port());
  const auto secret_file = directory + "/store.secret";
  auto password = TRY(password_in(secret_file, keys));
  const bool first = password.empty();
  if (first) {
    // Kept before the user is made: a crash in between leaves a password without a user, which the next start makes.
    password = Uuid::random(runtime).to_string();
    TRY(keep_password(secret_file, keys, password));
  }
  const auto own = fmt::format("mongodb://{}:{}@{}/?directConnection=true&authSource=admin", kUser, password, host);
  store.deployment_ = TRY(connect(own, runtime, stop));
  if (first || !store.deployment_->run_command("admin", bson::make_document({{"connectionStatus", 1}}))) {
    TRY(create_user(fmt::format("mongodb://{}/?directConnection=true", host), password, runtime, stop));
    store.deployment_ = TRY(connect(own, runtime, stop));
  }
  return store;
}

}  // namespace drover::cli
