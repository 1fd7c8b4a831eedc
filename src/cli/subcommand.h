// One process of Drover each: `drover migrate`, `drover sandbox`, … A subcommand file is a composition root: it declares
// its options, makes the parts, wires them, runs them, and turns what happened into an exit code. It holds no algorithm.
//
// To add one: write src/cli/<name>_command.cc with a `make_<name>_command()`, declare that in commands.h, list it in
// commands.cc and in CMakeLists.txt.
#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "cli/options.h"

namespace drover::cli {

class Subcommand {
 public:
  virtual ~Subcommand() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // one line in the list of `drover --help`, no full stop
  // Binds options to members, which therefore hold their defaults. Called once, before run().
  virtual void configure(OptionSet& options) = 0;
  // The process's exit code. Called on the main thread with SIGPIPE ignored; see signals.h for Ctrl-C.
  virtual int run() = 0;
  // What ends standard output with --json when the command line is wrong, so that run() is not called; null without that flag.
  virtual Json failure_json(const Error&) const { return {}; }
};

// Prints "drover <command>: <message>" on standard error, and answers the exit code of the error.
int report(std::string_view command, const Error& error);
// {"exitCode", "message"}: an "error" in the output of --json.
Json to_json(const Error& error);

}  // namespace drover::cli
