// readConcern and writeConcern: parsing with the server's refusals, waiting, and what a reply says when one cannot be met.
#pragma once

#include <optional>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

Result<ReadConcern> parse_read_concern(bson::View body);
Result<WriteConcern> parse_write_concern(bson::View body, ServerVersion version);
// The value of a readConcern or writeConcern.
Result<ReadConcern> read_concern_of(bson::View document);
Result<WriteConcern> write_concern_of(bson::View document, ServerVersion version);

enum class TransactionStep { kNone, kFirst, kLater };
// 72 for a level that the command, its pipeline or the version does not take, or a transaction cannot begin with.
Status check_read_concern(const CommandContext& context, TransactionStep step);
// An aggregate with a stage that has a level of its own ($changeStream, $currentOp): default concerns are not for it.
bool is_read_at_one_level(const CommandContext& context);
// 72 for a writeConcern, whatever it says, where the command takes none.
Status check_takes_write_concern(const CommandContext& context);
// 79 or 100 for a write concern that this set of one member cannot satisfy.
Status check_satisfiable(const WriteConcern& concern);

// Refuses an afterClusterTime or atClusterTime that the set's clock has not reached, and waits for one that nothing was committed at yet.
Status apply_read_concern(CommandContext& context);
// Makes what was committed as durable as asked for. The writeConcernError when it cannot be satisfied.
Result<std::optional<bson::Document>> apply_write_concern(CommandContext& context);

}  // namespace drover::sandbox
