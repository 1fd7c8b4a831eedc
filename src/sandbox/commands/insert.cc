// insert. Facts: corpus insert/*.
#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "bson/validate.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/measurements.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/update.h"

namespace drover::sandbox {

namespace {

// Nothing of it is ever refused or changed before it is stored, in any version: _id comes first, once, and is a plain value, no
// name begins with $, and no time is to be filled in. So are nearly all documents; one look decides.
bool is_ordinary(bson::View document) {
  bool first = true;
  for (const auto& field : document) {
    const auto name = field.key();
    if (name == "_id") {
      if (!std::exchange(first, false)) return false;
      switch (field.type()) {
        case bson::Type::kObjectId: case bson::Type::kString: case bson::Type::kInt32: case bson::Type::kInt64: case bson::Type::kDouble:
        case bson::Type::kDateTime: case bson::Type::kBinary: continue;
        default: return false;
      }
    }
    if (first || name.starts_with('$') || field.type() == bson::Type::kTimestamp) return false;
  }
  return !first && !bson::exceeds_levels(document, bson::kMaxStoredLevels);
}

// One insert command under way. A batch is written in several units; what a unit committed stays, whatever comes after.
class Insertion {
 public:
  Insertion(CommandContext& context, Namespace ns, std::vector<bson::View> documents, bool ordered)
      : context_(context), ns_(std::move(ns)), documents_(std::move(documents)), ordered_(ordered), retries_(context) {}

  Result<bson::Document> run() {
    while (at_ < documents_.size() && !stopped_) {
      TRY(check_interrupt(context_));
      const auto ended = context_.engine().transactions_ended();
      const bool met_lock = TRY(run_unit());
      if (met_lock) wait_for_transaction(context_, ended);
    }
    note_system_write(context_, ns_);
    bson::Builder reply;
    append_count(reply, "n", inserted_);
    errors_.append_to(reply);
    retries_.append_to(reply);
    return std::move(reply).finish();
  }

 private:
  // True when it stopped at a document whose key a transaction holds.
  Result<bool> run_unit() {
    auto unit = TRY(begin_unit(context_));
    retries_.enter(*unit);
    if (const auto view = unit->catalog().find(ns_); view && view->is_timeseries()) return run_measurements(*unit, *view);
    auto collection = collection_for_write(context_, *unit, ns_, true);
    if (collection) {
      if (auto fits = check_transactional(context_, *collection); !fits) collection = tl::unexpected(std::move(fits).error());
    }
    if (!collection) {
      // Nothing can be inserted: every statement fails alike.
      static constexpr int kOfStatements[] = {code::kCommandNotSupportedOnView, code::kInvalidNamespace, code::kOperationNotSupportedInTransaction, code::kDatabaseDifferCase,
                                             code::kCollectionUuidMismatch};
      if (std::ranges::find(kOfStatements, collection.error().server_code) == std::end(kOfStatements)) return tl::unexpected(collection.error());
      fail_statement(collection.error(), {});
      return false;
    }
    bool met_lock = false;
    std::int64_t inserted = 0;
    const auto limit = unit->bytes() + kMaxUnitBytes;
    unit->expect_inserts(*collection, std::span(documents_).subspan(at_, std::min(documents_.size() - at_, kMaxUnitOperations)));
    while (at_ < documents_.size() && !stopped_ && unit->operations() < kMaxUnitOperations && unit->bytes() < limit) {
      if (TRY(retries_.done(at_))) {
        retries_.repeated(at_);
        ++inserted;
        ++at_;
        continue;
      }
      const auto result = insert_one(*unit, *collection);
      if (result) {
        retries_.wrote(*unit, at_++);
        ++inserted;
      } else if (is_conflict(result.error())) {
        if (context_.transaction) return tl::unexpected(result.error());
        met_lock = true;
        break;
      } else {
        fail_statement(result.error(), unit->duplicate());
      }
    }
    if (context_.retryable && unit->operations() > 0) TRY(hit_transactional_write(context_));
    TRY(unit->commit());
    if (!unit->last_entry().is_zero()) context_.last_op = unit->last_entry();
    retries_.committed(*unit);
    inserted_ += inserted;
    return met_lock;
  }

  // As run_unit, for a time-series collection.
  Result<bool> run_measurements(WriteUnit& unit, const CollectionInfo& view) {
    TRY(check_write_allowed(context_, unit, ns_));
    if (context_.transaction) {
      return server_error(263, fmt::format("Cannot insert into a time-series collection in a multi-document transaction: {}", ns_.to_string()));
    }
    const auto buckets = unit.catalog().find(Namespace{ns_.db, view.view_on});
    if (!buckets || !buckets->options["timeseries"].is_document()) {
      return server_error(code::kNamespaceNotFound, fmt::format("the buckets of the time-series collection {} are gone", ns_.to_string()));
    }
    MeasurementWriter writer(context_, unit, buckets);
    std::int64_t inserted = 0;
    std::size_t bytes = 0;
    for (std::size_t n = 0; at_ < documents_.size() && !stopped_ && n < kMaxUnitOperations && bytes < kMaxUnitBytes; ++n) {
      auto document = documents_[at_];
      if (TRY(retries_.done(at_))) {
        retries_.repeated(at_);
      } else {
        const auto fixed = fix_document(context_, document, unit);
        if (fixed) document = *fixed;
        bytes += document.size();
        if (const auto added = writer.add(document, at_, retries_.statement(at_)); !added) {
          fail_statement(added.error(), {});
          continue;
        }
      }
      ++inserted;
      ++at_;
    }
    const auto flushed = writer.flush([&](const std::vector<std::size_t>& statements) {
      for (const auto statement : statements) retries_.wrote(unit, statement);
    });
    TRY(flushed);
    TRY(unit.commit());
    writer.committed();
    if (!unit.last_entry().is_zero()) context_.last_op = unit.last_entry();
    retries_.committed(unit);
    inserted_ += inserted;
    return false;
  }

  Status insert_one(WriteUnit& unit, const CollectionPtr& collection) {
    auto document = documents_[at_];
    std::optional<bson::Document> fixed;
    if (!is_ordinary(document)) {
      TRY(query::check_insertable(document, context_.settings().version));
      fixed = fix_document(context_, document, unit);
      if (fixed) document = *fixed;
    }
    TRY(check_document(context_, *collection, document, nullptr));
    TRY(unit.insert(collection, document, retries_.statement(at_)));
    return {};
  }

  void fail_statement(const Error& error, const std::optional<DuplicateKey>& duplicate) {
    errors_.add(context_, at_++, error, duplicate);
    if (ordered_ || context_.transaction) stopped_ = true;
    if (context_.transaction) context_.abort_transaction = true;
  }

  CommandContext& context_;
  const Namespace ns_;
  const std::vector<bson::View> documents_;
  const bool ordered_;
  Retries retries_;
  std::size_t at_ = 0;
  std::int64_t inserted_ = 0;
  bool stopped_ = false;
  WriteErrors errors_;
};

Result<bson::Document> insert(CommandContext& context) {
  TRY(check_fields(context, {"documents", "ordered", "bypassDocumentValidation", "collectionUUID", "encryptionInformation", "bypassEmptyTsReplacement"}));
  TRY(bool_field(context, "bypassDocumentValidation"));
  TRY(check_newer_fields(context));
  auto documents = TRY(batch_items(context, "documents"));
  auto ns = TRY(named_collection(context));
  TRY(check_writable(context, ns));
  if (auto refused = TRY(refuse_other_collection(context, ns, documents.size()))) return std::move(*refused);
  const bool ordered = TRY(bool_field(context, "ordered", true));
  return Insertion(context, std::move(ns), std::move(documents), ordered).run();
}

}  // namespace

std::span<const Command> insert_commands() {
  static const Command kRows[] = {
      {.name = "insert", .flags = kWrite | kInTransaction | kRetryable | kUserBlocked, .resource = ResourceKind::kCollection, .action = "insert", .also = authorize_insert, .handler = insert, .help = "adds documents"},
  };
  return kRows;
}

}  // namespace drover::sandbox
