// How much is logged of which part of the server, as logComponentVerbosity and logLevel say it: kept and told, for the log of this server has one level.
// Thread-safe. Facts: MongoDB's log_component.h and parse_log_component_settings.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/error.h"
#include "base/guarded.h"
#include "bson/document.h"
#include "model/server_version.h"

namespace drover::sandbox {

class LogVerbosity {
 public:
  // {verbosity: 0, accessControl: {verbosity: -1}, ..., replication: {verbosity: -1, election: {verbosity: -1}, ...}}: the parts that a server of
  // the version has; -1 where it is as the whole.
  bson::Document shown(ServerVersion version) const;
  // {verbosity: 1, query: {verbosity: 2}, write: 1}: all of it or, when a part is unknown (2) or what is said of it no number, nothing.
  Status set(bson::View settings, ServerVersion version);
  // `verbosity` of the whole.
  std::int32_t level() const;
  void set_level(std::int32_t level);

 private:
  using Levels = std::map<std::string, std::int32_t, std::less<>>;  // by path; "" the whole
  Guarded<Levels> levels_;
};

}  // namespace drover::sandbox
