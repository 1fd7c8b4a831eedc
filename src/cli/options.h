// The options of a subcommand, declared as data: names, help and the variables they set. The command-line library stays
// behind options.cc, because including it costs seconds per file.
//
//   void configure(OptionSet& options) override {
//     options.uri("--source", source_, "The deployment to read").required();
//     options.integer("--load-level", level_, "How hard to work the clusters").range(1, 4);
//     options.flag("--yes", yes_, "Answer yes to every question");
//     options.example("drover migrate --source @source.uri --destination @destination.uri");
//   }
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace drover::cli {

// A handle to what was just declared. Every method answers *this.
class Option {
 public:
  explicit Option(void* option) : option_(option) {}
  Option& required();
  Option& range(std::int64_t low, std::int64_t high);  // numbers, both ends included
  Option& one_of(std::vector<std::string> values);
  Option& not_empty();  // an empty value is a variable that a script forgot to set
  Option& placeholder(const std::string& name);  // in the help: --port NUMBER
  Option& needs(const Option& other);
  Option& excludes(const Option& other);
  Option& group(const std::string& title);  // its own section of the help

 private:
  void* option_;
};

class OptionSet {
 public:
  explicit OptionSet(void* app);
  ~OptionSet();
  OptionSet(OptionSet&&) noexcept;

  // `name` may list aliases: "-p,--port". The value found in the variable is the default and is shown in the help.
  Option string(const std::string& name, std::string& value, const std::string& help);
  Option path(const std::string& name, std::string& value, const std::string& help);
  Option integer(const std::string& name, std::int64_t& value, const std::string& help);
  Option number(const std::string& name, double& value, const std::string& help);
  Option flag(const std::string& name, bool& value, const std::string& help);
  Option repeated(const std::string& name, std::vector<std::string>& values, const std::string& help);
  // 64KB, 1GB, 512 (bytes).
  Option bytes(const std::string& name, std::int64_t& value, const std::string& help);
  // A connection string, which may carry a secret and so need not stand on the command line: "@path" is read from a file,
  // "env:NAME" from the environment. The variable receives the connection string itself.
  Option uri(const std::string& name, std::string& value, const std::string& help);

  // A command below this one: `drover org list`. `chosen` is called when it is the one. One of them must be given.
  OptionSet verb(const std::string& name, const std::string& summary, std::function<void()> chosen);

  // Paragraphs, parted by empty lines, below the options in --help. Examples are what most readers came for: give at least one.
  void description(const std::string& text);
  void example(const std::string& command, const std::string& comment = "");

 private:
  struct State;
  std::unique_ptr<State> state_;
  friend class CommandLine;
};

class Subcommand;

// Parses argv, runs the chosen subcommand and answers its exit code; 0 after --help and --version, 2 on a usage error.
int run_command_line(int argc, char** argv, const std::vector<std::unique_ptr<Subcommand>>& commands);

}  // namespace drover::cli
