// Every known limitation as a typed check, before anything is written. Reads both deployments and judges; changes nothing.
//
// A refusal's exit code says who has to act: 3 (kUnsupported) for what this version does not carry or run against, 5 and 6
// (kSource, kDestination) for missing privileges and for a destination that is not empty, 4 (kWrongState) for a destination
// that holds another migration. A deployment that does not answer is an error of check() itself, with its side's code.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "cluster/deployment.h"
#include "model/namespace_filter.h"

namespace drover::preflight {

enum class Side { kSource, kDestination };
enum class Severity { kRefuse, kWarn };

struct Finding {
  std::string id;  // stable: "source-standalone", "destination-not-empty", ...; docs/operations/checks.md
  Side side = Side::kSource;
  Severity severity = Severity::kRefuse;
  ErrorCode code = ErrorCode::kUnsupported;
  std::string what;    // a sentence that names the thing
  std::string remedy;  // what the operator can do
};

struct Report {
  std::vector<Finding> findings;
  bool resuming = false;  // the destination holds an unfinished migration of this source

  bool refused() const;
  // Nothing, or one error that lists every refusal with its remedy; its code is the first one's.
  Status verdict() const;
};

struct Options {
  NamespaceFilter filter;
};

Result<Report> check(cluster::Deployment& source, cluster::Deployment& destination, const Options& options);

const char* side_name(Side side);

}  // namespace drover::preflight
