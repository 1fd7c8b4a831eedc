// Turns oplog entries (replica set, servers 4.4 to 8.0) into change events. Pure: no I/O.
//
// Facts: `op` is i, u, d, c or n; `ui` is the collection's UUID; a replacement is an `o` with an _id of its own, any other
// `u` is an update whatever its format ($v:1, $v:2), applied by state. A transaction is one or more `applyOps` linked by
// `prevOpTime`; all but the last carry partialTxn. Sources: server's oplog_entry.idl, corpus oplog/crud.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/error.h"
#include "model/change_event.h"

namespace drover::engine {

struct ParsedEntry {
  ClusterTime ts;
  std::vector<ChangeEvent> events;  // last_of_ts is set on the last; none when the entry only moves the position
  // Set on the last entry of a transaction whose earlier part is in other entries: they come first, oldest first, and all
  // their events carry this entry's ts.
  std::optional<ClusterTime> earlier_part;
};

// `is_part` parses an earlier part of a transaction (which is skipped when met in the stream, and read again from its end).
Result<ParsedEntry> parse_oplog_entry(bson::View entry, bool is_part = false);

// The same in two steps, for entries that hold more events than memory should: what kind it is, and its events one by one.
struct EntryHead {
  ClusterTime ts;
  std::optional<ClusterTime> earlier_part;  // as in ParsedEntry
  bool has_events = false;
};
Result<EntryHead> parse_oplog_head(bson::View entry, bool is_part = false);
using EventSink = std::function<Status(ChangeEvent)>;  // ts, txn_index and last_of_ts are the caller's to set
Status parse_oplog_events(bson::View entry, const EventSink& sink);

// The previous link of an earlier part, if any: to before the entry itself, so that whoever follows links comes to an end.
Result<std::optional<ClusterTime>> previous_link(bson::View entry);

}  // namespace drover::engine
