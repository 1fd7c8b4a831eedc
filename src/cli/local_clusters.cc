#include "cli/local_clusters.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/mongo_deployment.h"

namespace drover::cli {
namespace {

constexpr std::chrono::seconds kStepInterval{1};
constexpr std::chrono::seconds kStopPatience{10};
constexpr const char* kUser = control::kLocalClusterUser;
constexpr const char* kMemory = "512MB";

// 0: there is none.
int port_in(const std::string& path) {
  std::ifstream file(path);
  int port = 0;
  file >> port;
  return file ? port : 0;
}

}  // namespace

Result<std::string> LocalClusters::host_id(const std::string& directory, Runtime& runtime) {
  const auto path = directory + "/host";
  std::string id;
  if (std::ifstream file(path); file >> id && control::is_id(id)) return id;
  id = control::new_id(runtime);
  std::ofstream file(path, std::ios::trunc);
  file << id << '\n';
  file.close();
  if (!file) return fail(ErrorCode::kUnsupported, fmt::format("writing {} failed", path));
  return id;
}

void LocalClusters::run(const std::stop_token& stop) {
  do {
    const auto done = step();
    if (!done) log_.warn("local clusters: a step failed, it is tried again", {{"error", done.error().message}});
  } while (runtime_.sleep(kStepInterval, stop));
  for (auto& [id, one] : running_) one.process.stop(kStopPatience);
  running_.clear();
}

Status LocalClusters::step() {
  for (const auto& cluster : TRY(clusters_.local_of(options_.host_id))) {
    const auto done = cluster.state == "DELETING" ? remove(cluster) : ensure_running(cluster);
    if (!done) log_.warn("local cluster: a step failed, it is tried again", {{"cluster", cluster.name}, {"error", done.error().message}});
  }
  return {};
}

Status LocalClusters::ensure_running(const control::Cluster& cluster) {
  auto found = running_.find(cluster.id);
  if (found != running_.end() && !found->second.process.running()) {
    log_.warn("local cluster: its process has ended, it is started again", {{"cluster", cluster.name}, {"exitCode", found->second.process.exit_code().value_or(-1)}});
    running_.erase(found);
    found = running_.end();
  }
  if (found == running_.end()) return start(cluster);
  if (found->second.announced) return {};
  const auto port = port_in(directory_of(cluster) + "/port");
  if (port == 0) return {};  // it is starting
  TRY(announce(cluster, port));
  found->second.announced = true;
  return {};
}

Status LocalClusters::start(const control::Cluster& cluster) {
  const auto directory = directory_of(cluster);
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) return fail(ErrorCode::kUnsupported, fmt::format("creating {}: {}", directory, failed.message()));
  // The port that it had, so that connection strings stay good.
  const int kept = port_in(directory + "/port");
  std::filesystem::remove(directory + "/port", failed);
  if (kept != 0) std::ofstream(directory + "/kept-port") << kept;
  const int port = kept != 0 ? kept : port_in(directory + "/kept-port");
  ChildOptions child;
  child.arguments = {own_program(), "sandbox", "--dbpath", directory + "/data", "--port", std::to_string(port), "--port-file", directory + "/port",
                     "--repl-set", "atlas-" + cluster.id.substr(18), "--server-version", cluster.version.substr(0, 3), "--auth", "--memory", kMemory,
                     "--log", directory + "/log"};
  child.output = "/dev/null";
  child.errors = directory + "/errors";
  auto process = TRY(ChildProcess::start(child));
  running_.emplace(cluster.id, Running{std::move(process), false});
  return {};
}

// The password is made of the key file and the cluster's id: there is nothing to lose between making the user and keeping it.
Status LocalClusters::announce(const control::Cluster& cluster, int port) {
  const auto password = keys_.hash("local cluster " + cluster.id);
  const auto set = "atlas-" + cluster.id.substr(18);
  const auto plain = fmt::format("mongodb://127.0.0.1:{}/?replicaSet={}", port, set);
  {
    bson::Builder command;
    command.append("createUser", kUser).append("pwd", password);
    command.open_array("roles").append(bson::make_document({{"role", "root"}, {"db", "admin"}}));
    const auto first = TRY(cluster::connect({.uri = plain, .side = cluster::Side::kDestination, .app_name = "drover server"}, runtime_, {}));
    // Refused when there is a user already: then it is this one.
    const auto made = first->run_command("admin", std::move(command).finish());
    if (!made && made.error().code == ErrorCode::kTemporary) return tl::unexpected(made.error());
  }
  const auto own = control::uri_for(TRY(control::split_uri(plain)), kUser, password);
  TRY_WITH(clusters_.now_running(cluster, own), "looking at the new cluster");
  log_.info("local cluster is running", {{"cluster", cluster.name}, {"port", port}});
  return {};
}

Status LocalClusters::remove(const control::Cluster& cluster) {
  if (const auto found = running_.find(cluster.id); found != running_.end()) {
    found->second.process.stop(kStopPatience);
    running_.erase(found);
  }
  std::error_code failed;
  std::filesystem::remove_all(directory_of(cluster), failed);
  if (failed) return fail(ErrorCode::kFailure, fmt::format("removing {}: {}", directory_of(cluster), failed.message()));
  return clusters_.forget(cluster);
}

}  // namespace drover::cli
