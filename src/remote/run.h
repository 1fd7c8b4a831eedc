// A command from its arguments to what is printed and the exit code.
#pragma once

#include <string>

#include "remote/session.h"

namespace drover::remote {

// What goes to standard output: one line of JSON, or a table, fields, text.
std::string present(const Verb& verb, const Outcome& outcome, bool json);

struct RunOptions {
  SiteClient::Options client;
  std::string out;  // file for the secret that is shown once; empty: standard output
};
// The exit code. On an error nothing was printed but remarks.
Result<int> run_verb(const Verb& verb, const Values& values, const Login& login, const RunOptions& options, const Surroundings& around);

}  // namespace drover::remote
