// What every handler needs: strict fields, the collection that a command names, the state that it reads, and write units
// that wait for transactions in their way.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/query/expression.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

struct PlanRules;  // plan.h

inline constexpr std::size_t kMaxNamespaceBytes = 255;

namespace code {
inline constexpr int kBadValue = 2;
inline constexpr int kFailedToParse = 9;
inline constexpr int kUnauthorized = 13;
inline constexpr int kTypeMismatch = 14;
inline constexpr int kIllegalOperation = 20;
inline constexpr int kNamespaceNotFound = 26;
inline constexpr int kIndexNotFound = 27;
inline constexpr int kInvalidOptions = 72;
inline constexpr int kInvalidNamespace = 73;
inline constexpr int kCannotCreateIndex = 67;
inline constexpr int kIndexOptionsConflict = 85;
inline constexpr int kIndexKeySpecsConflict = 86;
inline constexpr int kDocumentValidationFailure = 121;
inline constexpr int kCommandNotSupportedOnView = 166;
inline constexpr int kInvalidPipelineOperator = 168;
inline constexpr int kSystemWriteInTransaction = 50791;
inline constexpr int kSystemModifyInTransaction = 50781;  // by findAndModify
inline constexpr int kOperationNotSupportedInTransaction = 263;
inline constexpr int kUnknownField = 40415;
inline constexpr int kMissingField = 40414;
inline constexpr int kCollectionUuidMismatch = 361;
}  // namespace code

// Fields that any command may have: $db, lsid, maxTimeMS, comment, ...
bool is_generic_field(std::string_view name);
// 40415 for a field that is neither known nor generic.
Status check_fields(const CommandContext& context, std::initializer_list<std::string_view> known);

// The boolean, number or document of an optional field; 14 TypeMismatch as IDL commands word it.
// What write commands know from 5.0 on: `let`, and bypassEmptyTsReplacement, which the last releases of each version have.
Status check_newer_fields(const CommandContext& context);
// Before 5.0 a comment of count and distinct is a string.
Status check_comment(const CommandContext& context);
// Of a collation that is an object: 40415 for what no collation has, 40414, 14 and 2 for the others, since 5.0.
Status check_collation_fields(const CommandContext& context, const bson::Element& given);
// 14: the field is there, and no object.
Status check_object_field(const CommandContext& context, std::string_view name);
Result<bool> bool_field(const CommandContext& context, std::string_view name, bool otherwise = false);

// The namespace named by the command's first field, which is a string: 73 for what no collection can be called, 2 or 73 for what is no name.
Result<Namespace> named_collection(const CommandContext& context);
// Of commands that name a collection with its database: no string is 2 before 5.0, 14 since then.
Status check_full_name(const CommandContext& context);
// Of some reads also by UUID (binary subtype 4): 26 when there is none. And `collectionUUID` (6.0+): 361 when it is another's.
struct Target {
  Namespace ns;
  CollectionPtr collection;  // null: does not exist
};
// 361 where `collectionUUID` (6.0+) is that of no collection, or of another than `found`, with what is told of it in error_extra.
Status check_collection_uuid(CommandContext& context, const Catalog& catalog, const Namespace& ns, const CollectionInfo* found);
Result<Target> target_collection(CommandContext& context, const Catalog& catalog);
Status check_collection_name(const CommandContext& context, const Namespace& ns);
bool is_valid_database(std::string_view db);
// Whether there can be such a collection: of names that commands carry elsewhere than in their first field.
bool is_valid_namespace(const Namespace& ns);
// What may be created, and what may be written, whoever asks: 73 InvalidNamespace for names with $ and names of the system's, 2 where those are in the middle.
Status check_creatable(const CommandContext& context, const Namespace& ns);
Status check_writable(const CommandContext& context, const Namespace& ns);

// The state that a read sees: the transaction's, the one at atClusterTime, or the newest. `at` is set for snapshot reads.
struct ReadScope {
  std::shared_ptr<const Reader> reader;
  std::optional<bson::Timestamp> at;
  bson::Timestamp time;  // of the state
};
Result<ReadScope> read_scope(CommandContext& context);

// 11601 when killed, 50 when out of time.
Status check_interrupt(const CommandContext& context);
// Those two, and a primary that stepped down: they end the command, and are no write's error.
bool is_interruption(const Error& error);
// The same of a command whose wait was ended by one of them.
tl::unexpected<Error> interrupted_wait(const CommandContext& context);

// Until one more than `ended` transactions have ended, or for a moment, or until the command's time is over: with its place free.
void wait_for_transaction(CommandContext& context, std::uint64_t ended);

// The next unit of a command's writes: 11601 and 50 when its wait for others' is cut short, 11602 when the term is no longer that of its first.
Result<std::unique_ptr<WriteUnit>> begin_unit(CommandContext& context);
// The same command where it puts in order what it has begun: neither killed nor out of time, but when the server stops.
CommandContext tidying(const CommandContext& context);

// Who changes many documents ends a unit after this time and begins another one: others wait for it, and calls of scripts in it have an end.
inline constexpr std::chrono::seconds kLongInUnit{1};

// Runs `body` in a write unit and commits it. Met a document that a transaction holds (112), the unit is dropped and, outside
// transactions, made again after a transaction has ended: `body` runs from the start. Inside a transaction the error stands.
// `committed` sees the unit once it is committed. `waits` is called before each wait: whoever waits keeps no documents, for there may be
// as many such as there are clients, and nobody counts what they have.
Status in_write_unit(CommandContext& context, const std::function<Status(WriteUnit&)>& body,
                     const std::function<void(const WriteUnit&)>& committed = {}, const std::function<void()>& waits = {});
// The collection of that name in the unit's newest state, created when it is missing (as an insert does). 166 for views.
Result<CollectionPtr> collection_for_write(CommandContext& context, WriteUnit& unit, const Namespace& ns, bool create);
// `found` by that name, or null. 182 InvalidViewDefinition for what is no collection, where a document of the database's system.views defines no view:
// servers of 4.4 answer nothing then that may be about a view.
Status check_views(const Catalog& catalog, const Namespace& ns, const CollectionPtr& found);
// 263 for a capped collection inside a transaction. `collection` may be null.
Status check_transactional(const CommandContext& context, const CollectionPtr& collection);
// {v: 2, key: {_id: 1}, name: "_id_", collation?}
bson::Document default_id_index(const bson::Collator* collator);

// Refuses user writes while they are blocked (setUserWriteBlockMode) and the user may not bypass it.
Status check_write_allowed(const CommandContext& context, const Reader& state, const Namespace& ns);

// Of a skip and a limit: the greatest number there is, where there is no such sum.
std::int64_t saturating_sum(std::int64_t a, std::int64_t b);

// `cursor: {batchSize}` of a command whose lists fit into one reply: how many documents that is to have. 14 and 51024 for what says no number.
Result<std::int64_t> first_batch_size(const CommandContext& context);

// notablescan and apiStrict, for plans.
PlanRules plan_rules(const CommandContext& context);
// "8.0"; of a server whose own has not been set, its version's.
Result<std::string> feature_compatibility_version(const Reader& reader, ServerVersion version);

// For $$NOW and the rest of expressions.
std::shared_ptr<const query::EvaluationContext> evaluation_context(CommandContext& context, bson::View let = {},
                                                                   std::shared_ptr<const bson::Collator> collator = nullptr);
// For a collection's validator, which calls no functions of clients.
std::shared_ptr<const query::EvaluationContext> validator_context(const CommandContext& context);
// The command's collation, or the collection's default. {} counts as none.
Result<std::shared_ptr<const bson::Collator>> effective_collation(bson::View statement, const CollectionInfo* collection);

// "errmsg" of 11000 goes with keyPattern and keyValue.
void append_duplicate(bson::Builder& out, const DuplicateKey& duplicate);

std::int64_t wall_millis(Runtime& runtime);
bson::ObjectId new_object_id(Runtime& runtime);

}  // namespace drover::sandbox
