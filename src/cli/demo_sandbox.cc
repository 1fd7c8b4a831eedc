#include "cli/demo_sandbox.h"

#include <fstream>

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/mongo_deployment.h"

namespace drover::cli {
namespace {

constexpr auto kStartPatience = std::chrono::seconds(60);
constexpr auto kPollEvery = std::chrono::milliseconds(20);

std::string uri_of(const std::string& user, const std::string& password, const std::string& host, const std::string& set) {
  return fmt::format("mongodb://{}:{}@{}/?replicaSet={}&authSource=admin", user, password, host, set);
}

Result<int> wait_for_port(ChildProcess& process, const std::string& port_file, const std::string& log, Runtime& runtime,
                          const std::stop_token& stop) {
  const auto deadline = runtime.now() + kStartPatience;
  while (runtime.now() < deadline) {
    int port = 0;
    if (std::ifstream(port_file) >> port && port > 0) return port;
    if (!process.running()) {
      std::ifstream text(log);
      std::string line, last;
      while (std::getline(text, line)) last = line;
      return fail(ErrorCode::kFailure, fmt::format("an embedded server ended with {}: {}", process.exit_code().value_or(-1), last));
    }
    if (!runtime.sleep(kPollEvery, stop)) return fail(ErrorCode::kInterrupted, "stopped");
  }
  return fail(ErrorCode::kTimedOut, "an embedded server did not accept connections within a minute");
}

Status create_user(cluster::Deployment& deployment, const std::string& user, const std::string& password,
                   std::initializer_list<const char*> roles) {
  bson::Builder command;
  command.append("createUser", user).append("pwd", password);
  {
    auto array = command.open_array("roles");
    for (const char* role : roles) array.append(bson::make_document({{"role", role}, {"db", "admin"}}));
  }
  const auto document = std::move(command).finish();
  TRY_WITH(deployment.run_command("admin", document), fmt::format("creating the user \"{}\"", user));
  return {};
}

}  // namespace

Result<DemoSandbox> DemoSandbox::start(const DemoDirectory& directory, const std::string& name, const std::string& version,
                                       Runtime& runtime, const std::stop_token& stop, const std::string& program) {
  const auto port_file = directory.file(name + ".port"), log = directory.file(name + ".log");
  const ChildOptions options{.arguments = {program, "sandbox", "--auth", "--port", "0", "--port-file", port_file, "--dbpath",
                                           directory.file(name), "--repl-set", name, "--server-version", version},
                             .output = directory.file(name + ".out"),
                             .errors = log};
  DemoSandbox sandbox(TRY(ChildProcess::start(options)), log);
  const auto port = TRY_WITH(wait_for_port(sandbox.process_, port_file, log, runtime, stop), fmt::format("starting \"{}\"", name));
  TRY(sandbox.create_users(runtime, fmt::format("127.0.0.1:{}", port), name, stop));
  return sandbox;
}

// The first user by the localhost exception, the others by the first.
Status DemoSandbox::create_users(Runtime& runtime, const std::string& host, const std::string& set, const std::stop_token& stop) {
  const auto password = [&] { return Uuid::random(runtime).to_string(); };
  const auto engine_password = password(), workload_password = password();
  engine_uri_ = uri_of("engine", engine_password, host, set);
  workload_uri_ = uri_of("application", workload_password, host, set);
  const auto side = cluster::Side::kSource;
  const auto first = TRY(cluster::connect({fmt::format("mongodb://{}/?replicaSet={}", host, set), side}, runtime, stop));
  TRY(create_user(*first, "engine", engine_password, {"root"}));
  const auto second = TRY(cluster::connect({engine_uri_, side}, runtime, stop));
  return create_user(*second, "application", workload_password, {"readWriteAnyDatabase", "dbAdminAnyDatabase"});
}

}  // namespace drover::cli
