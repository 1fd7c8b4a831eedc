// The commands that are sent, as pure values: what the rules of blueprint section 3 need word for word. No connection here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/uuid.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "cluster/deployment.h"

namespace drover::cluster {

// Appends {readConcern: {level: "majority", afterClusterTime: after}}; without a time just the level.
void append_majority(bson::Builder& command, ClusterTime after);
void append_read_at(bson::Builder& command, const ReadAt& at);
// Appends {writeConcern: {w: "majority"}}.
void append_majority_write(bson::Builder& command);

bson::Document find_range(const RangeRead& range);

// A filter that matches exactly these _ids by value. $in takes a regex as a pattern and refuses documents that begin with a
// dollar name, so that those stand in an $or of $eq.
bson::Document id_filter(std::span<const bson::Value> ids);
// {find: uuid, filter: ids, ...}; the caller adds what time it reads at.
bson::Builder find_by_ids(const Uuid& uuid, std::span<const bson::Value> ids);
// How many of `ids` fit into one command (at least one).
std::size_t ids_per_command(std::span<const bson::Value> ids);

// Fields of a document that the server would change on insert and replacement, or take for operators: top-level
// Timestamp(0,0) other than _id, and (replacements only) top-level names beginning with a dollar.
bool has_zero_timestamp(bson::View document);
bool has_dollar_field(bson::View document);

// How a command stands to its session: alone and retryable under its number, or a statement of a transaction of that number.
enum class WriteMode { kRetryable, kFirstOfTransaction, kInTransaction };
// Appends txnNumber, and the write concern or the transaction's fields.
void append_write_mode(bson::Builder& command, const WriteContext& context, WriteMode mode);

bson::Document insert_command(const WriteContext& context, const std::string& collection, bson::View documents,
                              WriteMode mode = WriteMode::kRetryable);
bson::Document replace_command(const WriteContext& context, const std::string& collection,
                               std::span<const bson::View> documents);
bson::Document remove_command(const WriteContext& context, const std::string& collection, std::span<const bson::Value> ids,
                              WriteMode mode = WriteMode::kRetryable);

// Of the migration's state: only documents whose epoch is `epoch` at most.
bson::Document remove_state_command(const WriteContext& context, const std::string& collection,
                                    std::span<const bson::Value> ids, std::int64_t epoch);

// Replaces or inserts one document of the migration's state, if the one there has an epoch that satisfies the condition. All
// bytes are kept, a Timestamp(0,0) at the top too, which a plain replacement would turn into the server's time.
bson::Document save_command(const WriteContext& context, const std::string& collection, bson::View document,
                            StateCondition condition);

// The cursor of a reply to a read: borrows from it.
struct CursorReply {
  std::int64_t id = 0;          // 0: there is no more
  std::string_view collection;  // behind a UUID: what a getMore names
  bson::View batch;             // documents
};
// `batch` is "firstBatch" or "nextBatch". Nothing when any of it is missing or something else: an id that is taken for 0 would be the
// end of what is read.
std::optional<CursorReply> parse_cursor(bson::View reply, std::string_view batch);

// Nothing when it is not an answer to writes: errors that are passed over would be documents that are not there.
std::optional<WriteReply> parse_write_reply(bson::View reply);
// That the errors are of operations which were sent: whoever takes them for indexes may do so. kDestination: what answers is no server that can be
// relied on.
Status check_errors(const WriteReply& reply, std::size_t operations);

// The query for documents whose keys in the unique index `index` meet those of `document`, its own _id left out. Nothing
// when the index does not hold `document` at all (sparse).
std::optional<bson::Document> holders_filter(bson::View index, bson::View document);

}  // namespace drover::cluster
