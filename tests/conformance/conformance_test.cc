// Replays the corpus, what a real server answered (and written/, what one would answer), against the dispatcher, and compares every reply field by field. A
// difference must be listed in accepted_differences.txt with its reason; and what is listed must still differ, so that the
// list stays true and can only shrink. The format of scenarios: corpus/README.md.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/log.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "expectation.h"
#include "extended_json.h"
#include "sandbox/script/host_for_tests.h"
#include "sandbox/server/dispatcher.h"
#include "sandbox/server/sandbox.h"

namespace drover::conformance {
namespace {

using sandbox::ClientConnection;
using sandbox::Dispatcher;
using sandbox::Sandbox;

const std::filesystem::path kRoot = DROVER_CONFORMANCE_DIR;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// "find/sort-order" is a recording, of corpus/; "written/find/operators" is not, and says so.
std::filesystem::path file_of(const std::string& name) {
  return name.starts_with("written/") ? kRoot / (name + ".json") : kRoot / "corpus" / (name + ".json");
}

// "scenario#step reason", one per line; # at the beginning of a line is a comment.
std::map<std::string, std::string> read_accepted() {
  std::map<std::string, std::string> accepted;
  std::ifstream file(kRoot / "accepted_differences.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const auto space = line.find(' ');
    accepted[line.substr(0, space)] = space == std::string::npos ? "" : line.substr(space + 1);
  }
  return accepted;
}

// One server for all scenarios, as the corpus was recorded.
class Server {
 public:
  Server() : runtime_(make_real_runtime()), log_(make_null_log()) {
    auto started = Sandbox::start({.port = 27017, .host = "localhost", .script_program = "/proc/self/exe", .listen = false}, *runtime_, *log_);
    if (!started) throw std::runtime_error(started.error().message);
    sandbox_ = std::move(*started);
  }
  std::unique_ptr<ClientConnection> connect() {
    auto connection = std::make_unique<ClientConnection>(sandbox_->state(), true);
    connection->id = ++connections_;
    connection->remote = fmt::format("127.0.0.1:{}", 40000 + connections_);
    return connection;
  }
  Dispatcher::Outcome run(ClientConnection& connection, bson::View command) {
    return sandbox_->dispatcher().run(connection, {.body = command, .sequences = {}});
  }
  Runtime& runtime() { return *runtime_; }

 private:
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Sandbox> sandbox_;
  int connections_ = 0;
};

bson::Document with_db(const bson::Document& command, std::string_view db) {
  bson::Builder out;
  out.append_all(command).append("$db", db);
  return std::move(out).finish();
}

class Scenario {
 public:
  Scenario(Server& server, std::string name) : server_(server), name_(std::move(name)) {}

  // Step "name#n" to how it differed.
  std::map<std::string, std::string> replay() {
    const auto json = Json::parse(read_file(file_of(name_)));
    if (!json) return {{name_ + "#0", json.error().message}};
    clean();
    connection_ = server_.connect();
    std::map<std::string, std::string> differences;
    int number = 0;
    for (const auto& step : *json->find("steps")->as_array()) {
      ++number;
      if (auto found = run_step(step)) differences[fmt::format("{}#{}", name_, number)] = *found;
    }
    return differences;
  }
  static inline int steps = 0;

 private:
  void clean() {
    const auto connection = server_.connect();
    for (const char* db : {"corpus", "corpus2", "corpus3"}) {
      for (const char* command : {"dropAllUsersFromDatabase", "dropAllRolesFromDatabase", "dropDatabase"}) {
        server_.run(*connection, bson::make_document({{command, 1}, {"$db", db}}));
      }
    }
  }

  std::optional<std::string> run_step(const Json& step) {
    ++steps;
    const auto named = [this](const std::string& kind, const std::string& name) { return value_of(kind, name); };
    const auto command = with_db(to_document(*step.find("command")->as_object(), named), *step.find("db")->as_string());
    const auto outcome = server_.run(*connection_, command);
    if (const auto* save = step.find("save"); save && save->as_object()) {
      for (const auto& [name, path] : *save->as_object()) {
        bson::Builder value;
        const auto element = outcome.reply.view().at_path(*path.as_string());
        if (!element) return fmt::format("no {} to save in {}", *path.as_string(), bson_text(outcome.reply));
        value.append("", element);
        saved_[name] = std::move(value).finish();
      }
    }
    const auto* closes = step.find("closes");
    const bool should_close = closes && closes->as_bool() && *closes->as_bool();
    if (outcome.close != should_close) return std::string(should_close ? "the connection stays open" : "the connection is closed");
    if (outcome.close) return std::nullopt;
    const auto* unordered = step.find("unordered");
    auto found = difference(*step.find("reply")->as_object(), outcome.reply,
                            unordered && unordered->as_string() ? *unordered->as_string() : "");
    if (found && !outcome.reply["ok"].is_truthy()) *found += fmt::format("  [{}]", outcome.reply["errmsg"].to_string_view().value_or(""));
    return found;
  }

  static std::string bson_text(const bson::Document& reply) {
    return std::string(reply["errmsg"].to_string_view().value_or("the reply"));
  }

  bson::Document value_of(const std::string& kind, const std::string& name) {
    if (kind == "uuid") {
      const auto [at, added] = uuids_.try_emplace(name);
      if (added) at->second = Uuid::random(server_.runtime());
      return bson::make_document({{"", at->second}});
    }
    const auto found = saved_.find(name);
    return found == saved_.end() ? bson::make_document({{"", bson::Null()}}) : found->second;
  }

  Server& server_;
  std::string name_;
  std::unique_ptr<ClientConnection> connection_;
  std::map<std::string, bson::Document> saved_;
  std::map<std::string, Uuid> uuids_;
};

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const char* kind : {"corpus", "written"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / kind)) {
      if (entry.path().extension() != ".json") continue;
      auto name = std::filesystem::relative(entry.path(), kind == std::string_view("corpus") ? kRoot / kind : kRoot);
      names.push_back(name.replace_extension().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Corpus, EveryScenarioIsAnsweredAsRecorded) {
  Server server;
  auto accepted = read_accepted();
  const char* only = std::getenv("DROVER_SCENARIO");
  std::set<std::string> failed_scenarios;
  int passed = 0, failed = 0, listed = 0;
  for (const auto& name : scenario_names()) {
    if (only && name.find(only) == std::string::npos) continue;
    const auto differences = Scenario(server, name).replay();
    (differences.empty() ? passed : failed) += 1;
    for (const auto& [step, what] : differences) {
      if (accepted.erase(step) > 0) {
        ++listed;
        continue;
      }
      ADD_FAILURE() << step << ": " << what;
    }
  }
  std::cout << fmt::format("conformance: {} scenarios passed, {} differ; {} steps, {} accepted differences\n", passed, failed,
                           Scenario::steps, listed);
  if (only) return;
  for (const auto& [step, reason] : accepted) {
    ADD_FAILURE() << step << " is listed in accepted_differences.txt but does not differ: remove it (" << reason << ")";
  }
}

}  // namespace
}  // namespace drover::conformance
