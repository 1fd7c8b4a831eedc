// The commands of the control plane on the command line: every row of the table is there, teaches, and takes what its example says.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands.h"
#include "cli/help_text.h"
#include "cli/options.h"
#include "remote/verb.h"

namespace drover::cli {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Not;
using ::testing::HasSubstr;

struct Outcome {
  int code;
  std::string out, err;
};

Outcome run(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int code = run_command_line(static_cast<int>(argv.size()), argv.data(), make_commands());
  return {code, ::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr()};
}

// As a shell parts them, for what examples are made of.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    else if (c == ' ' && !quoted) words.emplace_back();
    else words.back() += c;
  }
  return words;
}

class RemoteCommands : public ::testing::Test {
 protected:
  RemoteCommands() {
    std::filesystem::create_directories(directory_);
    std::ofstream(directory_ / "destination.uri") << "mongodb://h/";
    std::filesystem::current_path(directory_);
    for (const char* name : {"DROVER_SITE", "DROVER_CREDENTIALS", "DROVER_ATLAS_CREDENTIALS", "DROVER_MANAGER_CREDENTIALS"}) ::unsetenv(name);
  }
  ~RemoteCommands() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(directory_);
  }
  const std::filesystem::path before_ = std::filesystem::current_path();
  const std::filesystem::path directory_ = std::filesystem::temp_directory_path() / ("drover remote command test " + std::to_string(::getpid()));
};

TEST_F(RemoteCommands, EachTeachesWhatItTakes) {
  for (const auto& verb : remote::verbs()) {
    const auto shown = run({"drover", std::string(verb.group), std::string(verb.name), "--help"});
    EXPECT_EQ(shown.code, 0) << shown.err;
    // A shell joins what the backslashes part.
    const auto joined = std::regex_replace(shown.out, std::regex(R"( \\\n +)"), " ");
    EXPECT_THAT(joined, HasSubstr(std::string(verb.examples.front().command)));
    std::istringstream lines(shown.out);
    for (std::string line; std::getline(lines, line);) {
      const bool one_word = line.find(' ', line.find_first_not_of(' ')) == std::string::npos;
      EXPECT_TRUE(one_word || line.size() <= kHelpColumns) << verb.group << " " << verb.name << ": " << line;
    }
    for (const auto& argument : verb.arguments) EXPECT_THAT(shown.out, HasSubstr(std::string(argument.name))) << verb.group << " " << verb.name;
  }
}

TEST_F(RemoteCommands, EachTakesItsExamples) {
  for (const auto& verb : remote::verbs()) {
    for (const auto& example : verb.examples) {
      const std::string line(example.command);
      if (line.find('|') != std::string::npos || !line.starts_with(std::string("drover ") + std::string(verb.group))) continue;
      const auto outcome = run(words_of(line));
      // It was understood; only where to is not known here.
      EXPECT_THAT(outcome.err, AnyOf(HasSubstr("which site?"), HasSubstr("shop.json"))) << line;
    }
  }
}

// The same line, with another verb.
TEST_F(RemoteCommands, AValidationTakesTheOptionsOfAStart) {
  for (const char* verb : {"validate", "start"}) {
    const auto ended = run({"drover", "migration", verb, "--cluster", "c", "--source-project", "p", "--source-cluster", "s", "--host", "h", "--drop-destination-data", "--yes"});
    EXPECT_THAT(ended.err, AllOf(Not(HasSubstr("--yes")), HasSubstr("which site?"))) << verb;
  }
}

TEST_F(RemoteCommands, WhatIsWrongIsSaidOfTheVerb) {
  const auto missing = run({"drover", "project", "create"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("drover project create: "));
  EXPECT_THAT(missing.err, HasSubstr("See `drover project create --help`."));
  for (const auto& words : std::vector<std::vector<std::string>>{{"drover", "project"}, {"drover", "project", "creat", "x"}, {"drover", "project", "create", "x", "y"},
                                                                 {"drover", "project", "delete", "", "--yes"}, {"drover", "project", "list", "--org", ""},
                                                                 {"drover", "migration", "extend", "x", "--hours", "721"}, {"drover", "key", "create", "--role", "R"}}) {
    EXPECT_EQ(run(words).code, 2) << ::testing::PrintToString(words);
  }
  EXPECT_THAT(run({"drover", "migration", "strat", "--cluster", "c"}).err, HasSubstr("drover migration: no such verb `strat`; did you mean `start`?\nSee `drover migration --help`."));
  EXPECT_THAT(run({"drover", "migrations", "list"}).err, HasSubstr("drover: no such command `migrations`; did you mean `migration`?"));
  EXPECT_THAT(run({"drover", "migration", "zebra"}).err, HasSubstr("no such verb `zebra`\n"));
  EXPECT_THAT(run({"drover", "project", "list", "--ogr", "x"}).err, HasSubstr("no such option --ogr; did you mean `--org`?"));
  EXPECT_THAT(run({"drover", "migration", "strat", "--json"}).out, HasSubstr(R"("message":"no such verb `strat`; did you mean `start`?")"));
  EXPECT_THAT(run({"drover", "project", "create", "--json"}).out, HasSubstr(R"({"error":{"exitCode":2,"message":)"));
}

}  // namespace
}  // namespace drover::cli
