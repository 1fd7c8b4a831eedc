#include <cstdlib>
#include <filesystem>
#include <unistd.h>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands.h"
#include "cli/help_text.h"
#include "cli/options.h"
#include "cli/spool_directory.h"
#include "cli/uri_argument.h"
#include "terminal/format.h"

namespace drover::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Values {
  std::string uri;
  std::string name = "as it was";
  std::int64_t port = 27017;
  std::int64_t memory = 1024;
  double factor = 1;
  bool yes = false;
  std::vector<std::string> include;
  int runs = 0;
};

class Probe : public Subcommand {
 public:
  explicit Probe(Values& values) : values_(values) {}
  std::string_view name() const override { return "probe"; }
  std::string_view summary() const override { return "Takes one option of each kind"; }
  void configure(OptionSet& options) override {
    options.uri("--source", values_.uri, "The source").required();
    options.string("--mode", values_.name, "A mode").one_of({"fast", "slow"});
    options.integer("-p,--port", values_.port, "A port").range(0, 65535);
    options.bytes("--memory", values_.memory, "A cap");
    options.number("--factor", values_.factor, "A factor");
    options.flag("--yes", values_.yes, "Yes");
    options.repeated("--include", values_.include, "A namespace");
    options.example("drover probe --source @file", "teaches");
  }
  int run() override {
    ++values_.runs;
    return 42;
  }

 private:
  Values& values_;
};

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Outcome run(Values& values, std::vector<std::string> words) {
  std::vector<std::unique_ptr<Subcommand>> commands;
  commands.push_back(std::make_unique<Probe>(values));
  words.insert(words.begin(), "drover");
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int code = run_command_line(static_cast<int>(argv.size()), argv.data(), commands);
  return {code, ::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr()};
}

TEST(CommandLine, BindsEveryKindOfOption) {
  Values values;
  const auto outcome = run(values, {"probe", "--source", "mongodb://a", "--mode", "fast", "-p", "0", "--memory", "2GB",
                                    "--yes", "--include", "a.b", "--include=c.d"});
  EXPECT_EQ(outcome.code, 42) << outcome.err;
  EXPECT_EQ(values.uri, "mongodb://a");
  EXPECT_EQ(values.name, "fast");
  EXPECT_EQ(values.port, 0);
  EXPECT_EQ(values.memory, std::int64_t{2} << 30);
  EXPECT_TRUE(values.yes);
  EXPECT_THAT(values.include, ElementsAre("a.b", "c.d"));
}

TEST(CommandLine, KeepsDefaultsOfWhatIsNotGiven) {
  Values values;
  EXPECT_EQ(run(values, {"probe", "--source", "x"}).code, 42);
  EXPECT_EQ(values.name, "as it was");
  EXPECT_EQ(values.port, 27017);
  EXPECT_EQ(values.memory, 1024);
}

TEST(CommandLine, UsageErrorsExitWithTwoAndPointToHelp) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"nothing-like-it"},
      {"probe"},
      {"probe", "--source"},
      {"probe", "--source", "x", "--no-such-option"},
      {"probe", "--source", "x", "--mode", "other"},
      {"probe", "--source", "x", "--port", "70000"},
      {"probe", "--source", "x", "--port", "12x"},
      {"probe", "--source", "x", "--port", "-1"},
      {"probe", "--source", "x", "--memory", "lots"},
      {"probe", "--source", "x", "stray"},
  };
  for (const auto& words : wrong) {
    Values values;
    const auto outcome = run(values, words);
    EXPECT_EQ(outcome.code, 2) << ::testing::PrintToString(words);
    EXPECT_THAT(outcome.err, HasSubstr("--help`"));
    EXPECT_EQ(values.runs, 0);
  }
}

TEST(CommandLine, AWrongValueIsToldWhatItMayBe) {
  Values values;
  EXPECT_THAT(run(values, {"probe", "--source", "x", "--memory", "lots"}).err, HasSubstr("--memory: lots is not a size, such as 512MB or 2GB\n"));
  EXPECT_THAT(run(values, {"probe", "--source", "x", "--port", "12x"}).err, HasSubstr("--port: 12x is not a whole number from 0 to 65535\n"));
  EXPECT_THAT(run(values, {"probe", "--source", "x", "--factor", "small"}).err, HasSubstr("--factor: small is not a number, such as 2 or 0.1\n"));
  EXPECT_EQ(run(values, {"probe", "--source", "x", "--memory", "2KB", "--factor", "0.5"}).code, 42);
  EXPECT_EQ(values.memory, 2048);
  EXPECT_EQ(values.factor, 0.5);
}

TEST(CommandLine, AMistypedOptionIsNamedRatherThanTheOneThatIsMissing) {
  Values values;
  EXPECT_THAT(run(values, {"probe", "--sorce", "mongodb://a"}).err, HasSubstr("no such option --sorce; did you mean `--source`?\n"));
  EXPECT_THAT(run(values, {"probe", "--sorce=mongodb://a"}).err, HasSubstr("no such option --sorce; did you mean `--source`?\n"));
  EXPECT_THAT(run(values, {"probe", "-source", "mongodb://a"}).err, HasSubstr("no such option -source; did you mean `--source`?\n"));
  EXPECT_THAT(run(values, {"probe", "--mode", "fast", "-p80", "--quiet"}).err, HasSubstr("no such option --quiet\n"));
  EXPECT_THAT(run(values, {"probe", "--yes"}).err, HasSubstr("--source is required"));
  EXPECT_THAT(run(values, {"probe", "-p", "80", "--mode=slow", "--memory", "2KB"}).err, HasSubstr("--source is required"));
}

TEST(CommandLine, HelpTeachesWithExamples) {
  Values values;
  const auto one = run(values, {"probe", "--help"});
  EXPECT_EQ(one.code, 0);
  EXPECT_THAT(one.out, HasSubstr("drover probe --source @file"));
  EXPECT_THAT(one.out, HasSubstr("27017"));
  const auto all = run(values, {"--help"});
  EXPECT_EQ(all.code, 0);
  EXPECT_THAT(all.out, HasSubstr("Takes one option of each kind"));
  EXPECT_EQ(values.runs, 0);
}

TEST(CommandLine, VersionIsPrinted) {
  Values values;
  const auto outcome = run(values, {"--version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("drover "));
}

TEST(CommandLine, EveryCommandOfTheProgramHasAnExample) {
  for (const auto& command : make_commands()) {
    Values values;
    std::vector<std::unique_ptr<Subcommand>> all = make_commands();
    std::string program = "drover", name(command->name()), help = "--help";
    std::vector<char*> argv = {program.data(), name.data(), help.data()};
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(run_command_line(3, argv.data(), all), 0);
    const auto shown = ::testing::internal::GetCapturedStdout();
    EXPECT_THAT(shown, HasSubstr("drover " + name)) << name;
    std::istringstream lines(shown);
    for (std::string line; std::getline(lines, line);) {
      const bool one_word = line.find("://") != std::string::npos || line.find(' ', line.find_first_not_of(' ')) == std::string::npos;
      EXPECT_TRUE(one_word || terminal::columns(line) <= kHelpColumns) << name << ": " << line;
    }
  }
}

TEST(CommandLine, TheSandboxsHelpSaysTheLeastMemory) {
  std::vector<std::unique_ptr<Subcommand>> all = make_commands();
  std::string program = "drover", name = "sandbox", help = "--help";
  std::vector<char*> argv = {program.data(), name.data(), help.data()};
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_command_line(3, argv.data(), all), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("512MB"));
}

TEST(HelpText, IsForEightyColumns) {
  EXPECT_EQ(wrapped("one two three", 7), "one two\nthree");
  EXPECT_EQ(wrapped("one  two\nthree", 9, 2), "one two\n  three");
  EXPECT_EQ(wrapped("a-word-that-is-longer than", 7), "a-word-that-is-longer\nthan");
  EXPECT_EQ(wrapped_command("drover x --short", 2), "drover x --short");
  EXPECT_EQ(wrapped_command("drover x --first " + std::string(40, 'a') + " --second \"with -- in it\"", 2),
            "drover x --first " + std::string(40, 'a') + " \\\n      --second \"with -- in it\"");
  EXPECT_EQ(allowed_values("8..200"), "8 to 200");
  EXPECT_EQ(allowed_values("0..100000000"), "from 0");
  EXPECT_EQ(allowed_values("{a,b,c}"), "a, b or c");
  EXPECT_EQ(size_text("805306368"), "768MB");
  EXPECT_EQ(size_text("1000"), "1000");
}

TEST(SpoolDirectory, IsOneThatIsThere) {
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TMPDIR", "/var/tmp", 1);
  EXPECT_EQ(spool_directory().value(), "/var/tmp");
  ::setenv("TMPDIR", "/dev/null", 1);
  EXPECT_FALSE(spool_directory());
  ::setenv("TMPDIR", "/no/such", 1);
  const auto wrong = spool_directory();
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kUsage);
  EXPECT_THAT(wrong.error().message, HasSubstr("/no/such ($TMPDIR)"));
  const auto log = make_null_log();
  EXPECT_EQ(spool_directory_or_tmp(*log), "/tmp");
  if (before == nullptr) ::unsetenv("TMPDIR");
  else ::setenv("TMPDIR", kept.c_str(), 1);
}

class UriArgument : public ::testing::Test {
 protected:
  // A path with a space, as people have.
  const std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / ("drover cli test " + std::to_string(::getpid()));
  void SetUp() override { std::filesystem::create_directories(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }
};

TEST_F(UriArgument, ComesFromAFile) {
  std::ofstream(directory_ / "source uri") << "  mongodb://u:p@h/?replicaSet=rs \nsecond line\n";
  EXPECT_EQ(resolve_uri_argument("@" + (directory_ / "source uri").string()).value(), "mongodb://u:p@h/?replicaSet=rs");
}

TEST_F(UriArgument, ComesFromTheEnvironment) {
  ::setenv("DROVER_CLI_TEST_URI", "mongodb://e", 1);
  EXPECT_EQ(resolve_uri_argument("env:DROVER_CLI_TEST_URI").value(), "mongodb://e");
  ::unsetenv("DROVER_CLI_TEST_URI");
}

TEST_F(UriArgument, ErrorsNameTheFileOrVariable) {
  EXPECT_THAT(resolve_uri_argument("@/no/such").error().message, HasSubstr("/no/such"));
  EXPECT_THAT(resolve_uri_argument("env:DROVER_NONE").error().message, HasSubstr("DROVER_NONE"));
  std::ofstream(directory_ / "empty") << "\n";
  const auto error = resolve_uri_argument("@" + (directory_ / "empty").string()).error();
  EXPECT_EQ(error.code, ErrorCode::kUsage);
}

TEST_F(UriArgument, ErrorsOfTheCommandLineDoNotRepeatThePassword) {
  Values values;
  const auto outcome = run(values, {"probe", "--source", "mongodb://u:secret@h", "--mode", "other"});
  EXPECT_THAT(outcome.err, Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace drover::cli
