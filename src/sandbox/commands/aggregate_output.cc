#include "sandbox/commands/aggregate_output.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/scan.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/stage_memory.h"
#include "sandbox/query/update.h"

namespace drover::sandbox {

namespace {

using Output = query::PipelineOutput;

constexpr int kCommandFailed = 125;

Namespace target_of(const Namespace& source, const Output& output) {
  return {output.db.empty() ? source.db : output.db, output.collection};
}

// Documents of one write unit. Large ones are counted: they are kept while a transaction is waited for.
Result<std::vector<bson::Document>> next_group(CommandContext& context, query::DocumentSource& documents, query::StageMemory& memory) {
  std::vector<bson::Document> group;
  std::size_t bytes = 0;
  while (group.size() < kMaxUnitOperations && bytes < kMaxUnitBytes) {
    auto document = TRY(documents.next());
    if (!document) break;
    bytes += document->size();
    group.push_back(std::move(*document));
  }
  if (bytes > 2 * kMaxUnitBytes) TRY(memory.hold(bytes));
  TRY(check_interrupt(context));
  return group;
}

class OutWriter {
 public:
  OutWriter(CommandContext& context, Namespace target) : context_(context), target_(std::move(target)), memory_(&context.services.memory.work) {
    const auto work = Uuid::random(context.services.runtime);
    temporary_ = {target_.db, std::string(kUnfinishedOutput) + work.to_string()};
    carried_ = context.engine().carry_on(work);
  }

  Status run(query::DocumentSource& documents) {
    auto written = create().and_then([&] { return fill(documents); }).and_then([&] { return replace(); });
    if (!written) discard();
    return written;
  }

 private:
  // With the target's options and indexes.
  Status create() {
    return in_write_unit(context_, [&](WriteUnit& unit) -> Status {
      TRY(check_write_allowed(context_, unit, target_));
      const auto existing = unit.catalog().find(target_);
      options_ = existing ? existing->options : bson::Document();
      indexes_ = existing ? specs_of(*existing) : std::vector<bson::Document>();
      bson::Builder options;
      options.append_all(options_).append("temp", true);
      const auto created = TRY(unit.create_collection(temporary_, std::move(options).finish(), default_id_index(existing ? existing->collator.get() : nullptr)));
      if (!indexes_.empty()) TRY(unit.create_indexes(created, indexes_));
      return {};
    });
  }

  // Those of builds too: by the end they are ready, or the target is not what it was.
  static std::vector<bson::Document> specs_of(const CollectionInfo& collection) {
    std::vector<bson::Document> specs;
    for (const auto& index : collection.indexes) {
      if (!index->is_id()) specs.push_back(index->spec);
    }
    return specs;
  }

  Status fill(query::DocumentSource& documents) {
    for (;;) {
      const auto group = TRY(next_group(context_, documents, memory_));
      if (group.empty()) return {};
      TRY(in_write_unit(context_, [&](WriteUnit& unit) -> Status {
        const auto collection = unit.catalog().find(temporary_);
        if (!collection) return server_error(code::kNamespaceNotFound, "the temporary collection of $out was dropped");
        for (const auto& document : group) TRY(insert(unit, collection, document));
        return {};
      }));
    }
  }

  Status insert(WriteUnit& unit, const CollectionPtr& collection, const bson::Document& document) {
    TRY(query::check_insertable(document, context_.settings().version));
    const auto fixed = fix_document(context_, document, unit);
    const auto stored = fixed ? fixed->view() : document.view();
    TRY(check_document(context_, *collection, stored, nullptr));
    return unit.insert(collection, stored).map([](RecordId) {});
  }

  Status replace() {
    return in_write_unit(context_, [&](WriteUnit& unit) -> Status {
      const auto collection = unit.catalog().find(temporary_);
      if (!collection) return server_error(code::kNamespaceNotFound, "the temporary collection of $out was dropped");
      TRY(check_target(unit));
      return unit.rename_collection(collection, target_).map([](const CollectionPtr&) {});
    });
  }

  // What was made of it meanwhile would be gone without a word.
  Status check_target(const WriteUnit& unit) const {
    const auto now = unit.catalog().find(target_);
    if (now && now->is_view()) return server_error(code::kCommandNotSupportedOnView, fmt::format("Namespace {} is a view, not a collection", target_.to_string()));
    const auto options = now ? now->options : bson::Document();
    if (options != options_) {
      return server_error(kCommandFailed, fmt::format("collection options of target collection {} changed during processing. Original options: {}, new options: {}",
                                                      target_.to_string(), bson::to_shell(options_), bson::to_shell(options)));
    }
    auto before = indexes_, indexes = now ? specs_of(*now) : std::vector<bson::Document>();
    const auto by_name = [](const bson::Document& index) { return index["name"].string_value(); };
    std::ranges::sort(before, {}, by_name);
    std::ranges::sort(indexes, {}, by_name);
    if (before == indexes) return {};
    return server_error(kCommandFailed, fmt::format("indexes of target collection {} changed while processing.", target_.to_string()));
  }

  // What cannot be dropped now, because it is no longer primary or the disk is full, is dropped when nobody carries it on.
  void discard() {
    auto context = tidying(context_);
    (void)in_write_unit(context, [&](WriteUnit& unit) -> Status {
      const auto collection = unit.catalog().find(temporary_);
      return collection ? unit.drop_collection(collection) : Status();
    });
  }

  CommandContext& context_;
  const Namespace target_;
  Namespace temporary_;
  std::unique_ptr<CarriedWork> carried_;
  bson::Document options_;                // the target's, when it began
  std::vector<bson::Document> indexes_;
  query::StageMemory memory_;
};

class MergeWriter {
 public:
  MergeWriter(CommandContext& context, Namespace target, const Output& output, std::shared_ptr<const bson::Collator> collator)
      : context_(context), target_(std::move(target)), output_(output), collator_(std::move(collator)), by_id_(output.on.size() == 1 && output.on[0] == "_id"),
        memory_(&context.services.memory.work) {}

  Status run(query::DocumentSource& documents) {
    TRY(check_unique_index());
    for (;;) {
      const auto group = TRY(next_group(context_, documents, memory_));
      if (group.empty()) return {};
      for (std::size_t done = 0; done < group.size();) {
        std::size_t next = done;
        TRY(in_write_unit(context_, [&](WriteUnit& unit) -> Status {
          const auto collection = TRY(collection_for_write(context_, unit, target_, true));
          const auto began = context_.services.runtime.now();
          for (next = done; next < group.size() && (next == done || context_.services.runtime.now() - began <= kLongInUnit); ++next) TRY(merge(unit, collection, group[next]));
          return {};
        }));
        done = next;
      }
    }
  }

 private:
  // Whoever is found by the `on` fields must be the only one, as the aggregation compares. Of fields that are only supposed nobody asks.
  Status check_unique_index() {
    if (!output_.on_given) return {};
    const auto collection = context_.engine().view()->catalog->find(target_);
    if (!collection && by_id_) return {};
    const std::set<std::string> wanted(output_.on.begin(), output_.on.end());
    if (collection) {
      for (const auto& index : collection->indexes) {
        std::set<std::string> fields;
        for (const auto& field : index->fields) fields.insert(field.path);
        const bool unique = index->unique || index->is_id();
        if (!index->ready || !unique || index->partial_filter || fields != wanted || !bson::same_collation(index->collator.get(), collator_.get())) continue;
        index_name_ = index->name;
        return {};
      }
    }
    return server_error(51183, "Cannot find index to verify that join fields will be unique");
  }

  Status merge(WriteUnit& unit, const CollectionPtr& collection, const bson::Document& given) {
    const auto fixed = fix_document(context_, given, unit);
    const auto document = fixed ? fixed->view() : given.view();
    const auto existing = TRY(find(unit, collection, document));
    if (!existing) return not_matched(unit, collection, document);
    if (output_.when_matched == "keepExisting") return {};
    if (output_.when_matched == "fail") {
      return already_there(document);
    }
    const auto applied = TRY(apply(*collection, document, existing->document));
    if (!applied.modified) return {};
    TRY(check_document(context_, *collection, applied.document, nullptr));
    return unit.update(collection, existing->id, existing->document, applied.document, applied.oplog_object);
  }

  // What the insert would have met.
  Status already_there(bson::View document) {
    bson::Builder pattern, value;
    for (const auto& path : output_.on) {
      pattern.append(path, 1);
      value.append(path, document.at_path(path));
    }
    const auto key = std::move(value).finish();
    bson::Builder extra;
    extra.append("keyPattern", std::move(pattern).finish()).append("keyValue", key);
    context_.error_extra = std::move(extra).finish();
    return tl::unexpected(caused_by("$merge with whenMatched: fail found an existing document with the same values for the 'on' fields",
                                    {ErrorCode::kFailure, fmt::format("E11000 duplicate key error collection: {} index: {} dup key: {}", target_.to_string(),
                                                                      index_name_, bson::to_shell(key)), code::kDuplicateKey, {}}));
  }

  Result<std::optional<Record>> find(WriteUnit& unit, const CollectionPtr& collection, bson::View document) {
    bson::Builder filter;
    for (const auto& path : output_.on) {
      const auto value = document.at_path(path);
      if (!value || value.is_null() || value.is_array() || value.type() == bson::Type::kUndefined) {
        return server_error(51132, "$merge write error: 'on' field cannot be missing, null, undefined or an array");
      }
      filter.open_document(path).append("$eq", value);
    }
    if (by_id_ && bson::same_collation(collection->collator.get(), collator_.get())) return unit.find_by_id(*collection, document["_id"]);
    auto matcher = TRY(query::Matcher::parse(std::move(filter).finish(), collator_, context_.settings().version));
    auto plan = TRY(make_plan(*collection, {.rules = plan_rules(context_), .filter = &matcher, .collator = collator_}));
    // The unit outlives the scan.
    Scan scan(std::shared_ptr<const Reader>(std::shared_ptr<void>(), &unit), collection, std::move(plan), std::move(matcher), context_.services.memory.work);
    const auto found = TRY(scan.next());
    if (!found) return std::optional<Record>();
    return std::optional(Record{scan.record_id(), bson::Document(*found)});
  }

  Result<query::Applied> apply(const CollectionInfo& collection, bson::View document, const bson::Document& existing) const {
    query::UpdateOptions options{.version = context_.settings().version, .collator = collection.collator, .context = evaluation_context(context_, {}, collection.collator)};
    bson::Builder statement;
    bson::Document constants;
    if (output_.when_matched == "replace") {
      statement.append("u", document);
    } else if (output_.when_matched == "merge") {
      constants = bson::make_document({{"new", document}});
      auto stages = statement.open_array("u");
      auto stage = stages.open_document();
      auto merged = stage.open_document("$replaceWith");
      auto objects = merged.open_array("$mergeObjects");
      objects.append("$$ROOT").append("$$new");
    } else {
      constants = TRY(variables(document, *options.context));
      statement.append("u", bson::ArrayView{output_.when_matched_pipeline});
    }
    if (!constants.empty()) options.constants = constants.view();
    const auto built = std::move(statement).finish();
    const auto update = TRY(query::Update::parse(built["u"], options));
    return update.apply(existing, {.now = options.context->now, .cluster_time = options.context->cluster_time});
  }

  // The values of `let` over the new document; {new: <document>} without one.
  Result<bson::Document> variables(bson::View document, const query::EvaluationContext& evaluation) const {
    if (output_.let.empty()) return bson::make_document({{"new", document}});
    const query::Scope scope(evaluation);
    query::Variables values(document, evaluation);
    bson::Builder out;
    for (const auto& field : output_.let) {
      const auto expression = TRY(query::parse_expression(field, scope));
      TRY(expression->evaluate(values)).append_to(out, field.key());
    }
    return std::move(out).finish();
  }

  Status not_matched(WriteUnit& unit, const CollectionPtr& collection, bson::View document) {
    if (output_.when_not_matched == "discard") return {};
    if (output_.when_not_matched == "fail") {
      return server_error(13113, "$merge could not find a matching document in the target collection for at least one document in the source "
                                 "collection");
    }
    TRY(query::check_storable(document, context_.settings().version));
    TRY(check_document(context_, *collection, document, nullptr));
    return unit.insert(collection, document).map([](RecordId) {});
  }

  CommandContext& context_;
  const Namespace target_;
  const Output& output_;
  const std::shared_ptr<const bson::Collator> collator_;  // the aggregation's
  const bool by_id_;
  query::StageMemory memory_;
  std::string index_name_ = "_id_";
};

}  // namespace

Status check_output(CommandContext& context, const Namespace& source, const Output& output) {
  const bool out = output.kind == Output::Kind::kOut;
  const auto name = out ? "$out" : "$merge";
  if (context.transaction) {
    return server_error(263, fmt::format("Operation not permitted in transaction :: caused by :: {} cannot be used in a transaction", name));
  }
  const auto target = target_of(source, output);
  TRY(check_collection_name(context, target));
  if (target.collection.find('$') != std::string::npos) {
    return server_error(code::kInvalidNamespace, fmt::format("Invalid {} target namespace, {}", name, target.to_string()));
  }
  if (target.collection.starts_with("system.")) {
    return server_error(out ? 17385 : 31319, fmt::format("Can't {} to special collection: {}", name, target.collection));
  }
  if (target.db == "local" || target.db == "admin" || target.db == "config") {
    return server_error(31321, fmt::format("Can't {} to internal database: {}", name, target.db));
  }
  const auto existing = context.engine().view()->catalog->find(target);
  if (existing && existing->is_view()) {
    return server_error(code::kCommandNotSupportedOnView, fmt::format("Namespace {} is a view, not a collection", target.to_string()));
  }
  if (existing && existing->capped && out) {
    return server_error(17152, fmt::format("namespace '{}' is capped so it can't be used for $out", target.to_string()));
  }
  return {};
}

Status write_output(CommandContext& context, const Namespace& source, const Output& output, query::DocumentSource& documents,
                    std::shared_ptr<const bson::Collator> collator) {
  const auto target = target_of(source, output);
  if (output.kind == Output::Kind::kOut) return OutWriter(context, target).run(documents);
  return MergeWriter(context, target, output, std::move(collator)).run(documents);
}

}  // namespace drover::sandbox
