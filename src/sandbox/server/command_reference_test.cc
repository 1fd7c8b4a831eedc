// docs/design/sandbox.md lists every command, from the table that serves them. After a change of the table:
// DROVER_UPDATE_DOCS=1 sandbox_server_test --gtest_filter='CommandReference.*'
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/runtime.h"
#include "sandbox/server/sandbox.h"
#include "sandbox/server/server_state.h"

namespace drover::sandbox {
namespace {

constexpr std::string_view kBegin = "<!-- generated from the command table -->\n";
constexpr std::string_view kEnd = "<!-- end of the generated table -->\n";

std::string versions_of(const Command& command) {
  const auto text = [](ServerVersion version) { return fmt::format("{}.{}", version.major, version.minor); };
  const bool from = command.since >= ServerVersion{4, 4, 2};
  const bool until = command.removed.major < 999;
  if (from && until) return fmt::format("{} – before {}", text(command.since), text(command.removed));
  if (from) return "from " + (command.since.major == 4 ? std::string("5.0") : text(command.since));
  return until ? "before " + text(command.removed) : "all";
}

std::string notes_of(const Command& command) {
  std::string notes;
  const auto add = [&](std::uint32_t flag, std::string_view text) {
    if ((command.flags & flag) != 0) notes += (notes.empty() ? "" : ", ") + std::string(text);
  };
  add(kAdminOnly, "on `admin`");
  add(kInTransaction, "in transactions");
  add(kRetryable, "retryable");
  add(kNoAuth, "before authentication");
  add(kTestOnly, "for tests");
  return notes;
}

std::string reference(const CommandTable& table) {
  std::string text = "| command | versions | what it does | |\n|---|---|---|---|\n";
  for (const auto& [name, command] : table.all()) {
    if (name != command->name) continue;
    text += fmt::format("| `{}` | {} | {} | {} |\n", name, versions_of(*command), command->help, notes_of(*command));
  }
  return text;
}

TEST(CommandReference, IsInTheDocument) {
  const auto runtime = make_real_runtime();
  const auto log = make_null_log();

  auto sandbox = Sandbox::start({.version = {8, 0, 4}, .listen = false}, *runtime, *log);
  ASSERT_TRUE(sandbox) << sandbox.error().message;
  const auto& table = (*sandbox)->state().services.commands;

  std::ifstream in(DROVER_SANDBOX_DOC);
  std::stringstream content;
  content << in.rdbuf();
  auto document = content.str();
  const auto begin = document.find(kBegin);
  const auto end = document.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const auto at = begin + kBegin.size();
  if (std::getenv("DROVER_UPDATE_DOCS") != nullptr) {
    document.replace(at, end - at, reference(table));
    std::ofstream(DROVER_SANDBOX_DOC) << document;
    return;
  }
  EXPECT_EQ(document.substr(at, end - at), reference(table)) << "DROVER_UPDATE_DOCS=1 writes it";

  // What the document names as not served is not.
  const auto absent = document.find("Not served");
  ASSERT_NE(absent, std::string::npos);
  std::istringstream names(document.substr(absent, document.find("\n\n", absent) - absent));
  int named = 0;
  for (std::string word; std::getline(names, word, '`');) {
    if (!std::getline(names, word, '`')) break;
    EXPECT_EQ(table.all().count(word), 0u) << word;
    ++named;
  }
  EXPECT_GT(named, 5);
}

TEST(CommandReference, EveryCommandIsDescribed) {
  const auto runtime = make_real_runtime();
  const auto log = make_null_log();

  auto sandbox = Sandbox::start({.listen = false}, *runtime, *log);
  ASSERT_TRUE(sandbox);
  for (const auto& [name, command] : (*sandbox)->state().services.commands.all()) EXPECT_FALSE(command->help.empty()) << name;
}

}  // namespace
}  // namespace drover::sandbox
