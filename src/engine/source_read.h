// Reads of a collection of the source that may be gone. The primary says so (26) of a drop that no majority has yet and that an
// election may undo, in majority reads too: it is believed when it still says so after a note that a majority has.
#pragma once

#include "bson/builder.h"
#include "cluster/deployment.h"
#include "engine/retry.h"
#include "engine/server_codes.h"

namespace drover::engine {

// What was seen on the primary before this has a majority after it.
inline Status await_majority(cluster::Deployment& source, Runtime& runtime, const std::stop_token& stop) {
  const auto note = bson::make_document({{"drover", "a collection is gone"}});
  TRY(retry_temporary(runtime, stop, [&] { return source.append_note(note); }));
  return {};
}

template <typename F>
auto read_or_gone(cluster::Deployment& source, Runtime& runtime, const std::stop_token& stop, F&& read) -> decltype(read()) {
  auto result = read();
  if (result || result.error().server_code != kServerNamespaceNotFound) return result;
  TRY(await_majority(source, runtime, stop));
  return read();
}

}  // namespace drover::engine
