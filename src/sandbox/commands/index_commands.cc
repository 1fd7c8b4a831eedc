// createIndexes, dropIndexes, listIndexes. Facts: corpus catalog/indexes, insert/unique-index.
#include <algorithm>
#include <chrono>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "base/log.h"
#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/commands/fail_points.h"
#include "sandbox/commands/index_rules.h"
#include "sandbox/commands/index_spec.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/timeseries.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox {

namespace {

constexpr std::size_t kMaxIndexes = 64;
constexpr std::int64_t kMaxMembers = 50;  // of a replica set
constexpr int kUnknownReplWriteConcern = 79;
constexpr int kAmbiguousIndexKeyPattern = 181;
constexpr int kUnsatisfiableCommitQuorum = 278;
constexpr int kIndexBuildAlreadyInProgress = 285;
// Between two looks at what another command, or an election, brings about.
constexpr Duration kLookInterval = std::chrono::milliseconds(20);
// Entries that are added under one hold of the writer's lock while an index is built.
constexpr std::size_t kBuildStep = 1000;

// Since 4.2, for definitions that older servers took: what no server knows of them is left out.
Result<bool> ignores_unknown_options(const CommandContext& context) {
  const auto given = context.body["ignoreUnknownIndexOptions"];
  if (!given || context.settings().at_least(5, 0)) return bool_field(context, "ignoreUnknownIndexOptions");
  if (given.type() == bson::Type::kBool) return given.bool_value();
  return server_error(code::kTypeMismatch, fmt::format("The field 'ignoreUnknownIndexOptions' must be a boolean, but got {}", bson::type_name(given.type())));
}

// `kept` has what the definitions lie in, where that is not the command.
Result<std::vector<bson::View>> requested(const CommandContext& context, std::vector<bson::Document>& kept) {
  const auto list = context.body["indexes"];
  if (!context.settings().at_least(5, 0)) {  // parsed by hand then
    if (!list) return server_error(code::kFailedToParse, "The 'indexes' field is a required argument of the createIndexes command");
    if (!list.is_array()) return server_error(code::kTypeMismatch, fmt::format("The field 'indexes' must be an array, but got {}", bson::type_name(list.type())));
    for (const auto& item : list.document_value()) {
      if (item.is_document()) continue;
      return server_error(code::kTypeMismatch, fmt::format("The elements of the 'indexes' array must be objects, but got {}", bson::type_name(item.type())));
    }
  }
  if (!list) return server_error(code::kMissingField, "BSON field 'createIndexes.indexes' is missing but a required field");
  const auto array = list.to_array();
  if (!array) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'createIndexes.indexes' is the wrong type '{}', expected type 'array'",
                                                         bson::type_name(list.type())));
  }
  const bool only_known = TRY(ignores_unknown_options(context));
  std::vector<bson::View> specs;
  kept.reserve(array->field_count());
  for (const auto& item : *array) {
    if (!item.is_document()) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'createIndexes.indexes.{}' is the wrong type '{}', expected type 'object'",
                                                           item.key(), bson::type_name(item.type())));
    }
    if (only_known) kept.push_back(known_index_options(context, item.document_value()));
    specs.push_back(only_known ? kept.back().view() : item.document_value());
  }
  if (specs.empty()) return server_error(code::kBadValue, "Must specify at least one index to create");
  return specs;
}

struct Plan {
  CollectionPtr collection;
  std::vector<bson::Document> missing;
  bool created = false;
  std::int32_t before = 0;
  std::int32_t after = 0;
  std::optional<Uuid> build;  // goes on outside this unit
  std::unique_ptr<CarriedWork> carried;
};

// One definition against those before it in the same command.
Status check_among(const CommandContext& context, const Plan& plan, const Namespace& ns, bson::View spec) {
  const auto name = spec["name"].string_value();
  for (const auto& other : plan.missing) {
    if (other == bson::Document(spec)) {
      const bool builds = plan.collection->counters->copy().records > 0 && !context.transaction;
      if (builds) return server_error(96, "Cannot build two identical indexes. Try again without duplicate indexes.");
      return server_error(68, fmt::format("Identical index already exists: {}", name));
    }
  }
  TRY(compare_with_others(context, plan.missing, spec));
  if (plan.collection->indexes.size() + plan.missing.size() >= kMaxIndexes) {
    return server_error(code::kCannotCreateIndex, fmt::format("add index fails, too many indexes for {} key:{}", ns.to_string(), bson::to_shell(spec["key"].document_value())));
  }
  return {};
}

// How many members build an index before it is ready. Looked at when one is to be built on a collection that is there: of this set it
// cannot be more than one.
Status check_commit_quorum_form(const CommandContext& context) {
  const auto quorum = context.body["commitQuorum"];
  if (!quorum) return {};
  if (quorum.is_number()) {
    const auto members = quorum.to_int64().value_or(-1);
    if (members >= 0 && members <= kMaxMembers) return {};
    return server_error(code::kFailedToParse, fmt::format("commitQuorum has to be a non-negative number and not greater than {}", kMaxMembers));
  }
  if (!quorum.is_string()) return server_error(code::kFailedToParse, "commitQuorum has to be a number or a string");
  if (quorum.string_value().empty()) return server_error(code::kFailedToParse, "commitQuorum can't be an empty string");
  return {};
}

Status check_commit_quorum(const CommandContext& context) {
  const auto quorum = context.body["commitQuorum"];
  if (!quorum || (quorum.is_number() && quorum.to_int64().value_or(0) <= 1)) return {};
  const auto mode = quorum.to_string_view().value_or("");
  if (mode == "majority" || mode == "votingMembers") return {};
  if (mode.empty() || context.settings().version < ServerVersion{4, 4, 4}) {
    return server_error(kUnsatisfiableCommitQuorum, "Commit quorum cannot be satisfied with the current replica set configuration");
  }
  return server_error(kUnknownReplWriteConcern, fmt::format("No write concern mode named '{}' found in replica set configuration", mode));
}

// In a transaction only a collection that it has made itself gets indexes, while it is empty.
Status check_in_transaction(const CommandContext& context, const WriteUnit& unit, const CollectionInfo& collection) {
  const auto refused = [&](std::string_view which) {
    return server_error(code::kOperationNotSupportedInTransaction, fmt::format("Cannot create new indexes on {} collection {} in a multi-document transaction.", which,
                                                                               collection.ns.to_string()));
  };
  if (context.transaction->view()->catalog->find(collection.uuid)) return refused("existing");
  if (TRY(RecordCursor(unit, collection).next())) return refused("non-empty");
  return {};
}

// `clustered` names the index that a clustered collection was made with, and makes no other. `there`: null for a collection that is yet to be made.
Status check_clustered(const CollectionPtr& there, bson::View spec) {
  if (!spec["clustered"]) return {};
  if (!there) return server_error(6100900, "Cannot implicitly create a new collection with createIndex 'clustered' option");
  if (!spec["clustered"].is_truthy()) return {};
  const auto key = spec["key"].to_document().value_or(bson::View());
  const bool by_id = key.field_count() == 1 && key.first().key() == "_id" && key.first().to_double() == 1.0;
  if (!there->is_clustered() || !by_id) {
    return server_error(6243700, "Cannot create index with option 'clustered' that does not match an existing clustered index");
  }
  if (spec["unique"].is_truthy()) return {};
  return server_error(code::kCannotCreateIndex, fmt::format("Invalid index specification {}; the clustered index requires 'unique: true'", bson::to_shell(spec)));
}

Status plan_and_begin(CommandContext& context, WriteUnit& unit, const Namespace& ns, const std::vector<bson::View>& specs, Plan& plan) {
  plan = Plan{};
  TRY(check_writable(context, ns));
  TRY(target_collection(context, unit.catalog()));  // collectionUUID
  const auto there = unit.catalog().find(ns);
  if (there && there->is_view()) return server_error(code::kCommandNotSupportedOnView, "Cannot create indexes on a view");
  const bool existed = there != nullptr;
  std::vector<bson::Document> normal;
  for (const auto& spec : specs) {
    normal.push_back(TRY(normalize_index(context, spec, there.get())));
    TRY(check_clustered(there, normal.back()));
  }
  plan.collection = TRY(collection_for_write(context, unit, ns, true));
  if (!context.transaction) plan.collection = TRY(unit.abort_abandoned_builds(plan.collection));
  plan.created = !existed;
  plan.before = static_cast<std::int32_t>(plan.collection->indexes.size());
  for (auto& spec : normal) {
    const auto match = TRY(compare_with_existing(context, *plan.collection, spec));
    if (match == IndexMatch::kBuilding && !context.transaction) return server_error(kIndexBuildAlreadyInProgress, "Index build already in progress");
    if (match != IndexMatch::kExists) {  // a transaction is refused below
      TRY(check_among(context, plan, ns, spec));
      plan.missing.push_back(std::move(spec));
    }
  }
  plan.after = plan.before + static_cast<std::int32_t>(plan.missing.size());
  if (plan.missing.empty()) return {};
  if (existed) TRY(check_commit_quorum(context));
  if (context.transaction) TRY(check_in_transaction(context, unit, *plan.collection));
  if (context.transaction || plan.collection->counters->copy().records == 0) {
    TRY(unit.create_indexes(plan.collection, plan.missing));
    return {};
  }
  plan.build = Uuid::random(context.services.runtime);
  plan.carried = context.engine().carry_on(*plan.build);
  plan.collection = TRY(unit.start_index_build(plan.collection, *plan.build, plan.missing));
  return {};
}

// Who wants what another builds waits for that to be done, or to have failed.
Status begin(CommandContext& context, const Namespace& ns, const std::vector<bson::View>& specs, Plan& plan) {
  while (true) {
    auto begun = in_write_unit(context, [&](WriteUnit& unit) { return plan_and_begin(context, unit, ns, specs, plan); });
    if (begun || begun.error().server_code != kIndexBuildAlreadyInProgress) return begun;
    context.wait_aside(context.stop, [&] { return context.services.runtime.sleep(std::min(kLookInterval, context.patience()), context.stop); });
    TRY(check_interrupt(context));
  }
}

// The collection as it is now, or why the build is no more: its indexes or its collection were dropped meanwhile.
Result<CollectionPtr> now(const WriteUnit& unit, const Plan& plan) {
  auto collection = unit.catalog().find(plan.collection->uuid);
  if (collection && builds_of(*collection).contains(*plan.build)) return collection;
  if (auto cause = plan.carried->aborted()) return tl::unexpected(std::move(*cause));
  return server_error(code::kIndexBuildAborted, "the index build is gone");
}

// A secondary commits nothing, but goes on with its builds when it is elected. False: the server stops before that, or `gives_up` says so.
bool await_election(CommandContext& context, const std::stop_token& stop, const std::function<bool()>& gives_up) {
  return context.wait_aside(stop, [&] {
    while (!context.engine().is_primary()) {
      if (gives_up() || !context.services.runtime.sleep(kLookInterval, stop)) return false;
    }
    return true;
  });
}

// The commit or the abort of a build, by a member that may not be primary just now.
Status end_build(CommandContext& context, const std::stop_token& stop, const std::function<bool()>& gives_up, const std::function<Status(WriteUnit&)>& body) {
  while (true) {
    auto ended = in_write_unit(context, body);
    if (ended || ended.error().server_code != code::kInterruptedDueToReplStateChange) return ended;
    if (!await_election(context, stop, gives_up)) return ended;
  }
}

void hang_before_commit(CommandContext& context) {
  auto& point = context.services.fail_points.hang_index_build_before_commit;
  FailPoint::Stay stay;
  if (!point.hit({}, &stay)) return;
  context.wait_aside(context.stop, [&] {
    while (point.is_on() && context.services.runtime.sleep(kLookInterval, context.stop)) {}
    return true;
  });
}

Status build(CommandContext& context, const Plan& plan) {
  std::optional<RecordId> at;
  for (bool more = true; more;) {
    TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
      const auto collection = TRY(now(unit, plan));
      const auto next = TRY(unit.add_index_entries(collection, *plan.build, at, kBuildStep));
      more = next.has_value();
      if (next) at = next;
      return {};
    }));
    TRY(check_interrupt(context));
  }
  const auto interrupted = [&] { return !check_interrupt(context); };
  hang_before_commit(context);
  const auto built = end_build(context, context.stop, interrupted, [&](WriteUnit& unit) -> Status {
    const auto collection = TRY(now(unit, plan));
    const auto done = unit.commit_index_build(collection, *plan.build);
    if (done) return {};
    if (unit.duplicate()) {
      bson::Builder extra;
      append_duplicate(extra, *unit.duplicate());
      context.error_extra = std::move(extra).finish();
    }
    return tl::unexpected(done.error());
  });
  // Who was killed, or out of time, while it was no primary; not who has failed by himself.
  if (!built && built.error().server_code == code::kInterruptedDueToReplStateChange && interrupted()) return check_interrupt(context);
  return built;
}

// Killed, out of time, or shut down: not the build's own failure.
bool is_no_failure_of_its_own(const Error& error) {
  static constexpr int kCodes[] = {50, 91, 237, 262, 279, 290, 11600, 11601, 11602};
  return std::find(std::begin(kCodes), std::end(kCodes), error.server_code) != std::end(kCodes);
}

// Whatever has become of the command. When the server stops, the build is aborted at its next start.
Status give_up(CommandContext& given_up, const Plan& plan, const Error& cause) {
  auto context = tidying(given_up);
  return end_build(context, context.closing, [] { return false; }, [&](WriteUnit& unit) -> Status {
    const auto collection = unit.catalog().find(plan.collection->uuid);
    if (collection && builds_of(*collection).contains(*plan.build)) TRY(unit.abort_index_build(collection, *plan.build, cause));
    return {};
  });
}

// The same command on the buckets of a time-series collection.
Result<bson::Document> on_buckets(CommandContext& context, const CollectionInfo& view, bson::View changes, Result<bson::Document> (*handler)(CommandContext&)) {
  bson::Builder out;
  bool first = true;
  for (const auto& field : context.body) {
    if (std::exchange(first, false)) out.append(field.key(), view.view_on);
    else if (const auto change = changes[field.key()]; change.exists()) out.append(field.key(), change);
    else out.append_raw(field);
  }
  const auto body = std::move(out).finish();
  CommandContext sub = context;
  sub.body = body;
  auto reply = handler(sub);
  context.last_op = sub.last_op;
  context.error_extra = sub.error_extra;
  return reply;
}

// Nothing when the command does not name a time-series collection.
CollectionPtr named_timeseries(const CommandContext& context) {
  const auto name = context.body.first().to_string_view();
  auto found = name ? context.engine().view()->catalog->find({std::string(context.database), std::string(*name)}) : nullptr;
  return found && found->is_timeseries() ? found : nullptr;
}

Status check_create_fields(const CommandContext& context) {
  auto checked = check_fields(context, {"indexes", "ignoreUnknownIndexOptions", "commitQuorum", "collectionUUID"});
  if (checked || context.settings().at_least(5, 0)) return checked;
  const std::string& message = checked.error().message;  // BSON field 'createIndexes.name' is an unknown field.
  const auto from = message.find('.') + 1;
  return server_error(code::kBadValue, "Invalid field specified for createIndexes command: " + message.substr(from, message.find('\'', from) - from));
}

Result<bson::Document> create_indexes(CommandContext& context) {
  if (const auto view = named_timeseries(context)) {
    bson::Builder changes;
    {
      std::vector<bson::Document> kept;
      auto list = changes.open_array("indexes");
      for (const auto& spec : TRY(requested(context, kept))) list.append(TRY(bucket_index(context, TimeseriesOptions::of(view->timeseries), spec)));
    }
    return on_buckets(context, *view, std::move(changes).finish(), create_indexes);
  }
  TRY(check_create_fields(context));
  const auto ns = TRY(named_collection(context));
  if (ns == sessions_namespace() && !context.internal) return server_error(code::kIllegalOperation, fmt::format("not allowed to create index on {}", ns.to_string()));
  std::vector<bson::Document> kept;
  const auto specs = TRY(requested(context, kept));
  TRY(check_commit_quorum_form(context));
  Plan plan;
  TRY(begin(context, ns, specs, plan));
  if (plan.build) {
    context.outlives_elections = true;
    const Status built = build(context, plan);
    if (!built) {
      Error error = built.error();
      // What cannot be aborted now is aborted when nobody carries it on.
      if (const auto given_up = give_up(context, plan, error); !given_up) {
        context.services.log.warn("an index build could not be given up yet", {{"reason", given_up.error().message}});
      }
      if (is_no_failure_of_its_own(error)) return tl::unexpected(std::move(error));
      return tl::unexpected(caused_by(fmt::format("Index build failed: {}: Collection {} ( {} )", plan.build->to_string(), ns.to_string(),
                                                  plan.collection->uuid.to_string()), std::move(error)));
    }
  }
  const bool newer = context.settings().at_least(5, 0);
  bson::Builder reply;
  if (!newer && !plan.missing.empty()) reply.append("createdCollectionAutomatically", plan.created);
  reply.append("numIndexesBefore", plan.before).append("numIndexesAfter", plan.after);
  if (newer && !plan.missing.empty()) reply.append("createdCollectionAutomatically", plan.created);
  if (plan.missing.empty()) reply.append("note", "all indexes already exist");
  else if (plan.missing.size() < specs.size()) reply.append("note", "index already exists");
  if (!plan.missing.empty() && !context.transaction) {
    if (const auto quorum = context.body["commitQuorum"]) reply.append("commitQuorum", quorum);
    else reply.append("commitQuorum", "votingMembers");
  }
  return std::move(reply).finish();
}

Result<std::vector<std::string>> named_indexes(const CommandContext& context, const CollectionInfo& collection, const bson::Element& index) {
  std::vector<std::string> names;
  const auto one = [&](std::string_view name) -> Status {
    const auto* found = collection.index(name);
    if (!found) return server_error(code::kIndexNotFound, fmt::format("index not found with name [{}]", name));
    if (found->is_id() && collection.is_clustered()) return server_error(5979800, "It is illegal to drop the clusteredIndex");
    if (found->is_id()) return server_error(code::kInvalidOptions, "cannot drop _id index");
    names.emplace_back(name);
    return {};
  };
  if (index.is_string() && index.string_value() == "*") {
    for (const auto& each : collection.indexes)
      if (!each->is_id()) names.push_back(each->name);
  } else if (index.is_string()) {
    TRY(one(index.string_value()));
  } else if (index.is_array()) {
    const bson::View list = index.document_value();
    for (const auto& name : list) {
      if (!name.is_string()) return server_error(code::kTypeMismatch, fmt::format("dropIndexes {}: only names can be given in an array", collection.ns.to_string()));
      TRY(one(name.string_value()));
    }
  } else if (index.is_document()) {
    const auto key = index.document_value();
    std::vector<const IndexInfo*> found;
    for (const auto& each : collection.indexes) {
      if (bson::compare_documents(each->key_pattern(), key) == 0) found.push_back(each.get());
    }
    if (found.empty()) return server_error(code::kIndexNotFound, fmt::format("can't find index with key: {}", bson::to_shell(key)));
    if (found.size() > 1) {
      return server_error(kAmbiguousIndexKeyPattern, fmt::format("{} indexes found for key: {}, identify by name instead. Conflicting indexes: {}, {}", found.size(),
                                                                 bson::to_shell(key), bson::to_shell(found[0]->spec), bson::to_shell(found[1]->spec)));
    }
    TRY(one(found.front()->name));
  } else if (!context.settings().at_least(5, 0)) {
    return server_error(code::kIndexNotFound, "invalid index name spec");
  } else if (!index) {
    return server_error(code::kMissingField, fmt::format("BSON field '{}.index' is missing but a required field", context.command->name));
  } else {
    return server_error(code::kTypeMismatch, "BSON field 'dropIndexes.index' is the wrong type");
  }
  return names;
}

// As a server does it: a build is aborted when just what it builds is named, or everything; otherwise nothing is dropped while there is one,
// and from 5.2 on what is ready. True when a build was aborted, and nothing but a build was named. Facts: MongoDB's drop_indexes.cpp.
Result<bool> abort_named_builds(CommandContext& context, WriteUnit& unit, CollectionPtr& collection, const std::vector<std::string>& names, bool all) {
  const Error cause{ErrorCode::kFailure, "dropIndexes command", code::kIndexBuildAborted, {}};
  collection = TRY(unit.abort_abandoned_builds(collection));
  for (const auto& build : builds_of(*collection)) {
    std::set<std::string> built;
    for (const auto& index : collection->indexes) {
      if (!index->ready && index->build == build) built.insert(index->name);
    }
    const bool named = built == std::set<std::string>(names.begin(), names.end());
    if (!all && !named) continue;
    collection = TRY(unit.abort_index_build(collection, build, cause));
    if (!all) return true;
  }
  if (!context.settings().at_least(5, 2)) TRY(unit.check_no_build(*collection));
  for (const auto& name : names) {
    const auto* index = collection->index(name);
    if (index && !index->ready) return server_error(code::kIndexNotFound, fmt::format("can't drop unfinished index with name: {}", name));
  }
  return false;
}

Result<bson::Document> drop_indexes(CommandContext& context) {
  if (const auto view = named_timeseries(context)) {
    const auto index = context.body["index"];
    if (!index.is_document()) return on_buckets(context, *view, bson::View(), drop_indexes);
    const auto spec = bson::make_document({{"key", index.document_value()}});
    const auto changed = TRY(bucket_index(context, TimeseriesOptions::of(view->timeseries), spec));
    return on_buckets(context, *view, bson::make_document({{"index", changed["key"].document_value()}}), drop_indexes);
  }
  TRY(check_fields(context, {"index", "collectionUUID"}));
  bson::Document reply;
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto target = TRY(target_collection(context, unit.catalog()));
    if (!target.collection) return server_error(code::kNamespaceNotFound, fmt::format("ns not found {}", target.ns.to_string()));
    if (target.collection->is_view()) return server_error(code::kCommandNotSupportedOnView, fmt::format("Cannot drop indexes on view {}", target.ns.to_string()));
    TRY(check_write_allowed(context, unit, target.ns));
    const auto names = TRY(named_indexes(context, *target.collection, context.body["index"]));
    bson::Builder out;
    out.append("nIndexesWas", static_cast<std::int32_t>(target.collection->indexes.size()));
    const bool all = context.body["index"].to_string_view() == std::string_view("*");
    if (all) out.append("msg", "non-_id indexes dropped for collection");
    reply = std::move(out).finish();
    auto collection = target.collection;
    if (TRY(abort_named_builds(context, unit, collection, names, all))) return {};
    for (const auto& name : names) {
      if (collection->index(name)) collection = TRY(unit.drop_index(collection, name));
    }
    return {};
  }));
  return reply;
}

// Buckets are clustered by _id without an index that anybody is told of.
bool is_hidden_id(const CollectionInfo& collection, const IndexInfo& index) {
  return index.is_id() && collection.options["clusteredIndex"].type() == bson::Type::kBool;
}

enum class ShowBuilds { kLikeOthers, kUuid, kInfo };

Result<ShowBuilds> wanted_builds(const CommandContext& context) {
  const bool uuids = TRY(bool_field(context, "includeBuildUUIDs")), info = TRY(bool_field(context, "includeIndexBuildInfo"));
  if (uuids && info) return server_error(code::kInvalidOptions, "Cannot specify both 'includeBuildUUIDs' and 'includeIndexBuildInfo'");
  return info ? ShowBuilds::kInfo : uuids ? ShowBuilds::kUuid : ShowBuilds::kLikeOthers;
}

// One that is being built is listed as all others are, unless the client wants to know which build it is.
bson::Document shown_index(const IndexInfo& index, bson::Document spec, ShowBuilds how) {
  if (index.ready || how == ShowBuilds::kLikeOthers) return spec;
  bson::Builder out;
  out.append("spec", spec);
  if (how == ShowBuilds::kUuid) out.append("buildUUID", index.build);
  else out.open_document("indexBuildInfo").append("buildUUID", index.build);
  return std::move(out).finish();
}

Result<bson::Document> list_indexes(CommandContext& context) {
  TRY(check_fields(context, {"cursor", "includeBuildUUIDs", "includeIndexBuildInfo"}));
  const auto how = TRY(wanted_builds(context));
  const auto view = context.engine().view();
  const auto target = TRY(target_collection(context, *view->catalog));
  TRY(context.authorize("listIndexes", {Resource::Kind::kCollection, target.ns}));
  if (!target.collection) {
    return server_error(code::kNamespaceNotFound, fmt::format("ns does not exist: {}", target.ns.to_string()));
  }
  if (target.collection->is_view() && !target.collection->is_timeseries()) {
    return server_error(code::kCommandNotSupportedOnView, fmt::format("Namespace {} is a view, not a collection", target.ns.to_string()));
  }
  std::vector<bson::Document> documents;
  if (target.collection->is_timeseries()) {
    const auto buckets = view->catalog->find({target.ns.db, target.collection->view_on});
    const auto timeseries = TimeseriesOptions::of(target.collection->timeseries);
    for (const auto& index : buckets->indexes) {
      if (!index->is_id()) documents.push_back(shown_index(*index, measurement_index(timeseries, index->spec), how));
    }
  }
  for (const auto& index : target.collection->indexes)
    if (!is_hidden_id(*target.collection, *index)) documents.push_back(shown_index(*index, index->spec, how));
  CursorReplyOptions options;
  options.list_order = true;
  options.request.stop = context.stop;
  options.request.max_documents = TRY(first_batch_size(context));
  return first_batch_reply(context, make_list_cursor(std::move(documents)), target.ns, options);
}

}  // namespace

std::span<const Command> index_commands() {
  static const Command kRows[] = {
      {.name = "createIndexes", .flags = kWrite | kInTransaction | kUserBlocked, .resource = ResourceKind::kCollection, .action = "createIndex", .handler = create_indexes,
       .help = "builds indexes, and the collection when it is missing"},
      {.name = "dropIndexes", .flags = kWrite | kUserBlocked, .resource = ResourceKind::kCollection, .action = "dropIndex", .handler = drop_indexes,
       .help = "removes indexes by name or key", .alias = "deleteIndexes"},
      {.name = "listIndexes", .resource = ResourceKind::kCustom, .handler = list_indexes, .help = "definitions of a collection's indexes"},
  };
  return kRows;
}

}  // namespace drover::sandbox
