// The catalog commands of SimCluster: what they refuse, what they write into the oplog, and the catalog afterwards.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sim_cluster.h"

namespace drover::sim {
namespace {

using bson::Builder;
using bson::Document;

tl::unexpected<Error> not_found(const Namespace& ns) {
  return fail(ErrorCode::kFailure, fmt::format("ns not found: {}", ns.to_string()), 26);
}
tl::unexpected<Error> exists(const Namespace& ns) {
  return fail(ErrorCode::kFailure, fmt::format("a collection '{}' already exists", ns.to_string()), 48);
}

// The order in which listCollections gives options, whatever order they were set in.
Document in_order(bson::View options) {
  static constexpr std::array kOrder{"capped", "size", "max", "storageEngine", "indexOptionDefaults", "validator",
                                     "validationLevel", "validationAction", "viewOn", "pipeline", "collation"};
  Builder out;
  for (const auto* name : kOrder) {
    if (const auto field = options[name]) out.append_raw(field);
  }
  for (const auto& field : options) {
    if (std::find(kOrder.begin(), kOrder.end(), field.key()) == kOrder.end()) out.append_raw(field);
  }
  return std::move(out).finish();
}

// `base` with the fields of `changes` set.
Document with_fields(bson::View base, bson::View changes, std::string_view except = {}) {
  Builder out;
  for (const auto& field : base) {
    if (!changes[field.key()]) out.append_raw(field);
  }
  for (const auto& field : changes) {
    if (field.key() != except) out.append_raw(field);
  }
  return std::move(out).finish();
}

Document id_index_of(bson::View options) {
  Builder out;
  out.append("v", std::int32_t{2}).append("key", bson::make_document({{"_id", std::int32_t{1}}})).append("name", "_id_");
  if (const auto collation = options["collation"]) out.append_raw(collation);
  return std::move(out).finish();
}

}  // namespace

ClusterTime SimCluster::log_command(const std::string& db, const Uuid& uuid, bson::View command) {
  const auto ts = reserve(1).front();
  store_.append(ts, command_entry(entry_context(), ts, db, uuid, command));
  if (scheduler_.tracing()) {
    scheduler_.trace(fmt::format("{}: {} {} {} {}", options_.name, ts.to_string(), db, uuid.to_string().substr(0, 8),
                                 bson::to_relaxed_ejson(command)));
  }
  scheduler_.record(ts.value());
  scheduler_.wake(&store_);
  return ts;
}

Status SimCluster::create(const Namespace& ns, bson::View options, const Document* id_index) {
  if (store_.find(ns) != nullptr) return exists(ns);
  if (options["viewOn"]) return write_view(ns, options, Write::Kind::kInsert);
  CatalogEntry entry;
  entry.info.ns = ns;
  entry.info.uuid = new_uuid();
  entry.info.options = in_order(options);
  entry.info.indexes.push_back(id_index != nullptr ? *id_index : id_index_of(options));
  if (const auto collation = options["collation"].to_document()) {
    entry.collator = TRY(bson::Collator::open(*collation));
  }
  Builder command;
  command.append("create", ns.collection).append_all(entry.info.options);
  command.append("idIndex", entry.info.indexes.front());
  const auto ts = log_command(ns.db, entry.info.uuid, std::move(command).finish());
  Catalog catalog = store_.catalog();
  catalog[ns] = std::move(entry);
  store_.set_catalog(ts, std::move(catalog));
  return {};
}

// A view is a document of system.views, which is created with the first.
Status SimCluster::write_view(const Namespace& ns, bson::View options, Write::Kind kind) {
  const Namespace views{ns.db, "system.views"};
  if (store_.find(views) == nullptr) TRY(create(views, bson::View(), nullptr));
  const auto* system = store_.find(views);
  Builder document;
  document.append("_id", ns.to_string()).append_all(options);
  Write write;
  write.kind = kind;
  write.ns = views;
  write.uuid = system->info.uuid;
  auto image = std::make_shared<const Document>(std::move(document).finish());
  write.key = bson::key_string((*image)["_id"]);
  if (kind == Write::Kind::kDelete) write.change = bson::make_document({{"_id", ns.to_string()}});
  else write.document = std::move(image);
  const auto ts = TRY(this->write({write}, Form::kEach, false, std::nullopt));
  Catalog catalog = store_.catalog();
  if (kind == Write::Kind::kDelete) {
    catalog.erase(ns);
  } else {
    CatalogEntry entry;
    entry.info.ns = ns;
    entry.info.kind = CollectionKind::kView;
    entry.info.options = in_order(options);
    catalog[ns] = std::move(entry);
  }
  store_.set_catalog(ts, std::move(catalog));
  return {};
}

Status SimCluster::drop(const Namespace& ns) {
  const auto* entry = store_.find(ns);
  if (entry == nullptr) return not_found(ns);
  if (entry->info.is_view()) return write_view(ns, bson::View(), Write::Kind::kDelete);
  abort_index_builds(entry->info.uuid);
  const auto ts = log_command(ns.db, entry->info.uuid, bson::make_document({{"drop", ns.collection}}));
  Catalog catalog = store_.catalog();
  catalog.erase(ns);
  if (ns.collection == "system.views") {
    std::erase_if(catalog, [&](const auto& item) { return item.first.db == ns.db && item.second.info.is_view(); });
  }
  store_.set_catalog(ts, std::move(catalog));
  return {};
}

Status SimCluster::rename(const Namespace& from, const Namespace& to, bool drop_target) {
  const auto* source = store_.find(from);
  if (source == nullptr || source->info.is_view()) return not_found(from);
  const auto* target = store_.find(to);
  if (from == to || (target != nullptr && (!drop_target || target->info.is_view()))) return exists(to);
  TRY(check_no_build(source->info.uuid));
  if (target != nullptr) TRY(check_no_build(target->info.uuid));
  Builder command;
  command.append("renameCollection", from.to_string()).append("to", to.to_string()).append("stayTemp", false);
  if (target != nullptr) command.append("dropTarget", target->info.uuid);
  const auto ts = log_command(from.db, source->info.uuid, std::move(command).finish());
  Catalog catalog = store_.catalog();
  auto moved = catalog.extract(from);
  moved.key() = to;
  moved.mapped().info.ns = to;
  catalog.erase(to);
  catalog.insert(std::move(moved));
  store_.set_catalog(ts, std::move(catalog));
  return {};
}

void SimCluster::drop_database(const std::string& db) {
  std::vector<Namespace> own;
  for (const auto& [ns, entry] : store_.catalog()) {
    if (ns.db == db && !entry.info.is_view()) own.push_back(ns);
  }
  if (own.empty()) return;
  for (const auto& ns : own) CHECK(drop(ns).has_value(), "an existing collection can be dropped");
  log_command(db, {}, bson::make_document({{"dropDatabase", std::int32_t{1}}}));
}

Status SimCluster::create_index(const Namespace& ns, bson::View spec, bool by_user) {
  const auto* entry = store_.find(ns);
  if (entry == nullptr || entry->info.is_view()) return not_found(ns);
  const Uuid uuid = entry->info.uuid;
  const std::string name(spec["name"].to_string_view().value_or(""));
  const auto conflict = [&]() -> std::optional<bool> {  // true: the same is there; false: another of that name
    for (const auto& index : store_.find(uuid)->info.indexes) {
      if (index["name"].to_string_view() == name) return index.view().same_bytes(spec);
    }
    return std::nullopt;
  };
  const auto refuse = [&] {
    return fail(ErrorCode::kFailure, fmt::format("an index named {} exists already with different options", name), 86);
  };
  if (const auto there = conflict()) return *there ? Status() : Status(refuse());

  Builder command;
  const bool empty = store_.documents_at(uuid, store_.last()).empty();
  if (empty) {
    command.append("createIndexes", ns.collection).append_all(spec);
  } else {
    const Uuid build = new_uuid();
    const auto describe = [&](std::string_view what, const std::string& collection) {
      Builder out;
      out.append(what, collection).append("indexBuildUUID", build);
      {
        auto indexes = out.open_array("indexes");
        indexes.append(spec);
      }
      return std::move(out).finish();
    };
    log_command(ns.db, uuid, describe("startIndexBuild", ns.collection));
    const int term = term_;
    const auto own = std::make_shared<IndexBuild>(IndexBuild{uuid});
    builds_.push_back(own);
    scheduler_.sleep_for(std::chrono::milliseconds(random().below(random().coin() ? 20 : 500)));
    std::erase(builds_, own);
    entry = store_.find(uuid);
    if (entry == nullptr) return fail(ErrorCode::kFailure, "Index build aborted: collection dropped", 276);
    if (own->aborted) {
      log_command(entry->info.ns.db, uuid, describe("abortIndexBuild", entry->info.ns.collection));
      return fail(ErrorCode::kFailure, "Index build aborted: dropIndexes command", 276);
    }
    if (term_ != term || !has_primary_) {
      return tl::unexpected(temporary("the index build was interrupted by an election", 11602));
    }
    std::string refused;
    if (const auto there = conflict()) {
      if (*there) return {};
      refused = "another index of that name";
    }
    if (spec["unique"].is_truthy()) refused = store_.duplicates_in(*entry, spec).value_or(refused);
    if (!refused.empty()) {
      log_command(entry->info.ns.db, uuid, describe("abortIndexBuild", entry->info.ns.collection));
      return fail(ErrorCode::kFailure, "Index build failed: " + refused, 11000);
    }
    command.append_all(describe("commitIndexBuild", entry->info.ns.collection));
  }
  (void)by_user;
  entry = store_.find(uuid);
  const Namespace now = entry->info.ns;
  const auto ts = log_command(now.db, uuid, std::move(command).finish());
  Catalog catalog = store_.catalog();
  catalog[now].info.indexes.emplace_back(spec);
  store_.set_catalog(ts, std::move(catalog));
  return {};
}

void SimCluster::abort_index_builds(const Uuid& collection) {
  for (const auto& build : builds_) build->aborted = build->aborted || build->collection == collection;
}

Status SimCluster::check_no_build(const Uuid& collection) const {
  const bool builds =
      std::any_of(builds_.begin(), builds_.end(), [&](const auto& build) { return build->collection == collection && !build->aborted; });
  if (!builds) return {};
  return fail(ErrorCode::kFailure, "cannot perform operation: an index build is currently running for collection", 12587);
}

Status SimCluster::drop_index(const Namespace& ns, const std::string& name) {
  const auto* entry = store_.find(ns);
  if (entry == nullptr || entry->info.is_view()) return not_found(ns);
  const auto is_it = [&](const Document& index) { return index["name"].to_string_view() == name; };
  const auto& indexes = entry->info.indexes;
  const auto at = std::find_if(indexes.begin(), indexes.end(), is_it);
  if (at == indexes.end()) return fail(ErrorCode::kFailure, fmt::format("index not found with name [{}]", name), 27);
  if (!at_least(6)) TRY(check_no_build(entry->info.uuid));  // allowed since 5.2
  const auto ts = log_command(ns.db, entry->info.uuid, bson::make_document({{"dropIndexes", ns.collection}, {"index", name}}));
  Catalog catalog = store_.catalog();
  std::erase_if(catalog[ns].info.indexes, is_it);
  store_.set_catalog(ts, std::move(catalog));
  return {};
}

Status SimCluster::coll_mod(const Namespace& ns, bson::View fields) {
  const auto* entry = store_.find(ns);
  if (entry == nullptr) return not_found(ns);
  if (entry->info.is_view()) {
    return write_view(ns, with_fields(entry->info.options, fields), Write::Kind::kReplace);
  }
  TRY(check_no_build(entry->info.uuid));
  CatalogEntry changed = *entry;
  if (const auto index = fields["index"].to_document()) {
    const auto name = (*index)["name"].to_string_view().value_or("");
    const auto at = std::find_if(changed.info.indexes.begin(), changed.info.indexes.end(),
                                 [&](const Document& spec) { return spec["name"].to_string_view() == name; });
    if (at == changed.info.indexes.end()) {
      return fail(ErrorCode::kFailure, fmt::format("cannot find index {} for ns {}", name, ns.to_string()), 27);
    }
    // `hidden` stands in an index's document only while it is true.
    Builder named;
    for (const auto& field : at->view()) {
      if (field.key() == "name" || !(*index)[field.key()]) named.append_raw(field);
    }
    for (const auto& field : *index) {
      if (field.key() == "name" || (field.key() == "hidden" && !field.is_truthy())) continue;
      named.append_raw(field);
    }
    *at = std::move(named).finish();
  } else {
    changed.info.options = in_order(with_fields(changed.info.options, fields));
  }
  Builder command;
  command.append("collMod", ns.collection).append_all(fields);
  const auto ts = log_command(ns.db, entry->info.uuid, std::move(command).finish());
  Catalog catalog = store_.catalog();
  catalog[ns] = std::move(changed);
  store_.set_catalog(ts, std::move(catalog));
  return {};
}

}  // namespace drover::sim
