// readConcern and writeConcern: parsing with the server's refusals, waiting, and what a reply says when one cannot be met.
#pragma once

#include <optional>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

Result<ReadConcern> parse_read_concern(bson::View body);
Result<WriteConcern> parse_write_concern(bson::View body);
// The value of a readConcern or writeConcern.
Result<ReadConcern> read_concern_of(bson::View document);
Result<WriteConcern> write_concern_of(bson::View document);
// 79 or 100 for a write concern that this set of one member cannot satisfy.
Status check_satisfiable(const WriteConcern& concern);

// Refuses what this command, version or transaction state does not take, and waits for afterClusterTime and
// atClusterTime.
Status apply_read_concern(CommandContext& context);
// Makes what was committed as durable as asked for. The writeConcernError when it cannot be satisfied.
Result<std::optional<bson::Document>> apply_write_concern(CommandContext& context);

}  // namespace drover::sandbox
