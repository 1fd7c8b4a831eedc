// What insert, update, delete and findAndModify share: batches and their replies, retryable statements, the document that a
// statement is about, and the rules that a document must keep to be stored.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/commands/plan.h"
#include "sandbox/commands/scan.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

// One write unit carries at most so much of a batch, so that others get their turn.
inline constexpr std::size_t kMaxUnitOperations = 2000;
inline constexpr std::size_t kMaxUnitBytes = 2 << 20;

// The statements of a batch: from the section named `name`, or the body's array. 40414 when missing, 16 for 0 or >100000.
Result<std::vector<bson::View>> batch_items(const CommandContext& context, std::string_view name);

// A number as replies have it: int32 when it fits.
// Fields of one statement of a write command: `where` is "update.updates", "delete.deletes".
Result<bool> statement_flag(std::string_view where, const bson::Element& field);
Result<bson::View> statement_document(std::string_view where, const bson::Element& field);
Result<bson::Element> statement_hint(const bson::Element& field);

void append_count(bson::Builder& out, std::string_view key, std::int64_t value);

class WriteErrors {
 public:
  // What the error's statement has left in context.error_extra goes with it.
  void add(CommandContext& context, std::size_t index, const Error& error, const std::optional<DuplicateKey>& duplicate = {});
  bool empty() const { return errors_.empty(); }
  void append_to(bson::Builder& out) const;

 private:
  std::vector<bson::Document> errors_;
};

// The reply where `collectionUUID` is another collection's, and so none of the statements is done; nothing where it is this one's, or is not given.
Result<std::optional<bson::Document>> refuse_other_collection(CommandContext& context, const Namespace& ns, std::size_t statements);

// The fail point of writes that are remembered by their number, before their unit is committed.
Status hit_transactional_write(CommandContext& context);

// Statement numbers of a retryable command, and what was done under them before.
class Retries {
 public:
  explicit Retries(CommandContext& context);
  std::int32_t statement(std::size_t index) const;
  // The entry that this statement wrote when it was first run.
  Result<std::optional<bson::Document>> done(std::size_t index) const;
  void enter(WriteUnit& unit);                          // before the unit's first write
  void wrote(const WriteUnit& unit, std::size_t index);  // after a statement's write
  void committed(const WriteUnit& unit);                // after commit
  void repeated(std::size_t index);                     // a statement was answered by what it had done before
  // 5.0+: retriedStmtIds, when there are some.
  void append_to(bson::Builder& out) const;

 private:
  CommandContext& context_;
  std::vector<std::int32_t> numbers_;
  std::vector<std::pair<std::int32_t, bson::Timestamp>> pending_;
  std::vector<std::int32_t> repeated_;
};
// An entry of the oplog by its time.
Result<std::optional<bson::Document>> oplog_entry_at(Engine& engine, bson::Timestamp ts);

// The document that a single update, delete or findAndModify is about: the first in the order of `sort`.
struct Found {
  RecordId id = 0;
  bson::Document document;
  query::MatchDetails details;
};
// What is found in a unit by still_there all the same.
inline void forget_document(std::optional<Found>& found) {
  if (found) found->document = bson::Document();
}
void forget_documents(std::vector<Found>& found);
struct FindOne {
  const query::Matcher* filter = nullptr;
  const query::SortPattern* sort = nullptr;
  std::shared_ptr<const bson::Collator> collator;
  bson::Element hint;
  bson::View sort_spec = {}, projection = {};  // of the query's shape
  std::string_view failing = {};  // what errors of the search itself are said to come from
};
Result<std::optional<Found>> find_one(CommandContext& context, const Reader& reader, const CollectionPtr& collection, const FindOne& request);
// The same document in a unit: as it is now, if it still matches. Its bytes may have been forgotten meanwhile.
Result<std::optional<Found>> still_there(const WriteUnit& unit, const CollectionPtr& collection, const query::Matcher& filter, Found found);

// Validator (121; from 5.0 on with its reasons in context.error_extra), size (10334). `before` is null for inserts.
Status check_document(CommandContext& context, const CollectionInfo& collection, bson::View document, const bson::View* before);
// _id first (generated when missing), empty top-level timestamps filled in. Nothing when the document is good as it is.
std::optional<bson::Document> fix_document(CommandContext& context, bson::View document, const WriteUnit& unit);

// In a transaction a conflict ends the command; other refusals end the transaction and are reported as write errors.
bool is_conflict(const Error& error);
// Caches over admin.system.* learn of a write.
void note_system_write(const CommandContext& context, const Namespace& ns);

}  // namespace drover::sandbox
