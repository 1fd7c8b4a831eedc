// dbStats, collStats, dataSize, dbHash, validate: how much there is, and whether it is sound. Facts: corpus catalog/stats.
//
// Sizes are those of documents and index keys; what they take on disk after compression is known for the store as a whole only.
#include <sys/statvfs.h>

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "bson/validate.h"
#include "net/crypto.h"
#include "sandbox/commands/scan.h"
#include "sandbox/commands/collection_stats.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/storage/index_keys.h"
#include "sandbox/storage/keys.h"

namespace drover::sandbox {

namespace {

// Interrupts are looked for once in so many documents.
constexpr std::int64_t kCheckEvery = 1024;
constexpr const char* kPastEveryKey = "\xff\xff\xff\xff\xff\xff\xff\xff";

std::int64_t index_bytes(const CommandContext& context, const IndexInfo& index) {
  return static_cast<std::int64_t>(context.engine().store().approximate_bytes(kIndexes, big_endian(index.ident), big_endian(index.ident + 1)));
}

Result<std::int64_t> scale_of(const CommandContext& context) {
  const auto scale = context.body["scale"];
  if (!scale) return 1;
  const auto value = scale.to_int64();
  if (!value) return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.scale' is the wrong type '{}', expected a number", context.command->name, bson::type_name(scale.type())));
  if (*value <= 0) return server_error(code::kBadValue, "scale has to be > 0");
  return *value;
}

// Counts are as small as they fit before 5.0.
void append_count(const CommandContext& context, bson::Builder& out, std::string_view name, std::int64_t value) {
  if (!context.settings().at_least(5, 0) && value < (1 << 30) && value > -(1 << 30)) out.append(name, static_cast<std::int32_t>(value));
  else out.append(name, value);
}

// 4.4 says of a database that is none what it says of no other, and in another order: DatabaseImpl::getStats and CmdDbStats have a list each.
bson::Document stats_of_no_database(std::string_view name, double scale) {
  return bson::make_document({{"db", name}, {"collections", 0}, {"views", 0}, {"objects", 0}, {"avgObjSize", 0}, {"dataSize", 0}, {"storageSize", 0},
                              {"totalSize", 0}, {"indexes", 0}, {"indexSize", 0}, {"scaleFactor", scale}, {"fileSize", 0}, {"fsUsedSize", 0}, {"fsTotalSize", 0}});
}

Result<bson::Document> db_stats(CommandContext& context) {
  TRY(check_fields(context, {"scale", "freeStorage"}));
  const auto scale = static_cast<double>(TRY(scale_of(context)));
  const bool tells_free = context.settings().at_least(5, 0) && context.body["freeStorage"].is_truthy();
  const auto view = context.engine().view();
  const auto all = view->catalog->of_database(context.database);
  if (all.empty() && !context.settings().at_least(5, 0)) return stats_of_no_database(context.database, scale);
  std::int64_t collections = 0, views = 0, objects = 0, bytes = 0, indexes = 0, index_size = 0;
  for (const auto& collection : all) {
    if (collection->is_view()) {
      ++views;
      continue;
    }
    ++collections;
    const auto counters = counters_of(context.engine(), *collection);
    objects += counters.records;
    bytes += counters.bytes;
    for (const auto& index : collection->indexes) {
      ++indexes;
      index_size += index_bytes(context, *index);
    }
  }
  bson::Builder out;
  out.append("db", context.database);
  append_count(context, out, "collections", collections);
  append_count(context, out, "views", views);
  append_count(context, out, "objects", objects);
  out.append("avgObjSize", objects == 0 ? 0.0 : static_cast<double>(bytes) / static_cast<double>(objects));
  out.append("dataSize", static_cast<double>(bytes) / scale).append("storageSize", static_cast<double>(bytes) / scale);
  if (tells_free) out.append("freeStorageSize", 0.0);  // files have no room inside
  append_count(context, out, "indexes", indexes);
  out.append("indexSize", static_cast<double>(index_size) / scale);
  if (tells_free) out.append("indexFreeStorageSize", 0.0);
  out.append("totalSize", static_cast<double>(bytes + index_size) / scale);
  if (tells_free) out.append("totalFreeStorageSize", 0.0);
  out.append("scaleFactor", scale);
  // Of the disk that the data lies on; of a database that is none 0.
  struct statvfs disk{};
  const auto& path = context.settings().dbpath;
  const bool known = !path.empty() && !all.empty() && ::statvfs(path.c_str(), &disk) == 0;
  const auto bytes_of = [&](std::uint64_t blocks) { return known ? static_cast<double>(blocks) * static_cast<double>(disk.f_frsize) / scale : 0.0; };
  out.append("fsUsedSize", bytes_of(disk.f_blocks - disk.f_bfree)).append("fsTotalSize", bytes_of(disk.f_blocks));
  return std::move(out).finish();
}

Result<bson::Document> coll_stats(CommandContext& context) {
  TRY(check_fields(context, {"scale", "verbose", "waitForLock", "numericOnly"}));
  const auto scale = TRY(scale_of(context));
  const auto view = context.engine().view();
  const auto target = TRY(target_collection(context, *view->catalog));
  bson::Builder out;
  out.append("ns", target.ns.to_string());
  if (target.collection) {
    const auto [collection, of] = TRY(counted_collection(*view->catalog, target.collection));
    append_collection_stats(context, out, *collection, scale, of);
  } else {
    out.append("size", 0).append("count", 0).append("storageSize", 0).append("totalSize", 0).append("nindexes", 0);
    out.append("totalIndexSize", 0).append("indexDetails", bson::Document()).append("indexSizes", bson::Document());
  }
  append_count(context, out, "scaleFactor", scale);
  return std::move(out).finish();
}

// Documents in a range of an index's keys.
Status measure_range(CommandContext& context, const CollectionPtr& collection, std::int64_t& bytes, std::int64_t& count) {
  const auto given = context.body["keyPattern"].to_document();
  const auto hint = bson::make_document({{"", given && !given->empty() ? bson::Document(*given) : bson::make_document({{"_id", 1}})}});
  const auto min = context.body["min"].to_document();
  const auto max = context.body["max"].to_document();
  if (!min || !max) return server_error(code::kBadValue, "only one of min or max specified");
  auto plan = TRY(make_plan(*collection, {.collator = collection->collator, .hint = hint.view().first(), .min = min, .max = max}));
  std::shared_ptr<const Reader> reader = make_reader(context.engine(), context.engine().view());
  Scan scan(reader, collection, std::move(plan), query::Matcher(), context.services.memory.work);
  while (const auto document = TRY(scan.next())) {
    bytes += static_cast<std::int64_t>(document->size());
    if (++count % kCheckEvery == 0) TRY(check_interrupt(context));
  }
  return {};
}

Result<bson::Document> data_size(CommandContext& context) {
  TRY(check_fields(context, {"keyPattern", "min", "max", "estimate"}));
  TRY(check_full_name(context));
  const auto started = wall_millis(context.services.runtime);
  const auto name = context.body.first().to_string_view().value_or("");
  const auto ns = Namespace::parse(name);
  if (!ns) return server_error(code::kInvalidNamespace, fmt::format("Invalid namespace specified '{}'", name));
  TRY(context.authorize("find", {Resource::Kind::kCollection, *ns}));
  const bool estimate = TRY(bool_field(context, "estimate"));
  const auto collection = context.engine().view()->catalog->find(*ns);
  bson::Builder out;
  if (collection && collection->is_view()) {
    return server_error(code::kCommandNotSupportedOnView, fmt::format("Namespace {} is a view, not a collection", ns->to_string()));
  }
  if (!collection) {
    out.append("size", 0).append("numObjects", 0).append("millis", 0);
    return std::move(out).finish();
  }
  std::int64_t bytes = 0, count = 0;
  if (context.body["min"] || context.body["max"]) {
    TRY(measure_range(context, collection, bytes, count));
  } else {
    const auto counters = counters_of(context.engine(), *collection);
    bytes = counters.bytes;
    count = counters.records;
  }
  out.append("estimate", estimate);
  append_count(context, out, "size", bytes);
  append_count(context, out, "numObjects", count);
  append_count(context, out, "millis", wall_millis(context.services.runtime) - started);
  return std::move(out).finish();
}

// Of system collections only those count that are replicated as data.
bool is_hashed(const Namespace& ns) {
  static constexpr std::string_view kSystem[] = {"system.backup_users", "system.js", "system.new_users", "system.roles",
                                                 "system.users", "system.version", "system.views"};
  if (ns.db == "local" || ns.collection.starts_with("tmp.mr.")) return false;
  return !ns.collection.starts_with("system.") || std::find(std::begin(kSystem), std::end(kSystem), ns.collection) != std::end(kSystem);
}

void add_bytes(net::Hasher& hasher, bson::View document) {
  hasher.add({reinterpret_cast<const char*>(document.data()), document.size()});
}

// The documents' bytes in the order of _id; of those without such an index in record order.
Result<std::string> hash_of(CommandContext& context, const Reader& reader, const CollectionInfo& collection) {
  net::Hasher hasher(net::Digest::kMd5);
  std::int64_t seen = 0;
  if (const auto* index = collection.id_index(); index && !collection.capped) {
    IndexCursor entries(reader, *index, "", kPastEveryKey);
    while (const auto id = TRY(entries.next())) {
      if (const auto document = TRY(reader.find_record(collection, *id))) add_bytes(hasher, *document);
      if (++seen % kCheckEvery == 0) TRY(check_interrupt(context));
    }
  } else {
    RecordCursor records(reader, collection);
    while (const auto document = TRY(records.next())) {
      add_bytes(hasher, *document);
      if (++seen % kCheckEvery == 0) TRY(check_interrupt(context));
    }
  }
  return net::hex_encode(std::move(hasher).finish());
}

Result<bson::Document> db_hash(CommandContext& context) {
  TRY(check_fields(context, {"collections", "skipTempCollections"}));
  const auto started = wall_millis(context.services.runtime);
  const auto scope = TRY(read_scope(context));
  std::vector<std::string> wanted;
  if (const auto list = context.body["collections"].to_array()) {
    for (const auto& name : *list) {
      if (!name.is_string()) return server_error(code::kBadValue, "collections entries have to be strings");
      wanted.emplace_back(name.string_value());
    }
  }
  const bool skip_temporary = TRY(bool_field(context, "skipTempCollections"));
  bson::Builder hashes, uuids;
  bson::ArrayBuilder capped;
  net::Hasher all(net::Digest::kMd5);
  for (const auto& collection : scope.reader->catalog().of_database(context.database)) {
    if (collection->is_view() || !is_hashed(collection->ns)) continue;
    const auto& name = collection->ns.collection;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    if (skip_temporary && collection->options["temp"].is_truthy()) continue;
    const auto hash = TRY(hash_of(context, *scope.reader, *collection));
    hashes.append(name, hash);
    uuids.append(name, collection->uuid);
    if (collection->capped) capped.append(name);
    all.add(hash);
  }
  const auto& settings = context.settings();
  bson::Builder out;
  out.append("host", settings.port == 27017 ? settings.host : fmt::format("{}:{}", settings.host, settings.port));
  out.append("collections", std::move(hashes).finish()).append("capped", bson::ArrayView{std::move(capped).finish()});
  out.append("uuids", std::move(uuids).finish()).append("md5", net::hex_encode(std::move(all).finish()));
  out.append("timeMillis", static_cast<std::int32_t>(wall_millis(context.services.runtime) - started));
  return std::move(out).finish();
}

struct Findings {
  std::int64_t records = 0;
  std::int64_t invalid = 0;
  std::map<std::string, std::int64_t> expected_keys, keys;
  std::vector<std::string> errors;
};

Status read_records(CommandContext& context, const Reader& reader, const CollectionInfo& collection, Findings& found) {
  RecordCursor records(reader, collection);
  while (const auto document = TRY(records.next())) {
    if (++found.records % kCheckEvery == 0) TRY(check_interrupt(context));
    if (!bson::validate(document->bytes())) {
      ++found.invalid;
      continue;
    }
    for (const auto& index : collection.indexes) {
      if (!index->ready) continue;
      const auto keys = index_keys(*index, *document);
      if (keys) found.expected_keys[index->name] += static_cast<std::int64_t>(keys->keys.size());
    }
  }
  return {};
}

Status read_indexes(CommandContext& context, const Reader& reader, const CollectionInfo& collection, Findings& found) {
  for (const auto& index : collection.indexes) {
    if (!index->ready) continue;
    auto& count = found.keys[index->name];
    IndexCursor entries(reader, *index, "", kPastEveryKey);
    while (const auto id = TRY(entries.next())) {
      if (++count % kCheckEvery == 0) TRY(check_interrupt(context));
      if (TRY(reader.find_record(collection, *id))) continue;
      found.errors.push_back(fmt::format("index {} has an entry for record {}, which does not exist", index->name, *id));
      if (found.errors.size() >= 10) return {};
    }
    if (count != found.expected_keys[index->name]) {
      found.errors.push_back(fmt::format("index {} has {} entries, its documents have {} keys", index->name, count, found.expected_keys[index->name]));
    }
  }
  if (found.invalid > 0) found.errors.push_back(fmt::format("{} documents are damaged", found.invalid));
  return {};
}

Result<bson::Document> validate(CommandContext& context) {
  TRY(check_fields(context, {"full", "background", "scandata", "enforceFastCount", "checkBSONConformance", "metadata", "repair"}));
  if (TRY(bool_field(context, "repair"))) return server_error(code::kInvalidOptions, "'repair' is not supported by this server");
  if (TRY(bool_field(context, "background")) && TRY(bool_field(context, "full"))) {
    return server_error(115, "Running the validate command with both { background: true } and { full: true } is not supported.");
  }
  const auto view = context.engine().view();
  const auto target = TRY(target_collection(context, *view->catalog));
  if (!target.collection) {
    return server_error(code::kNamespaceNotFound, fmt::format("Collection '{}' does not exist to validate.", target.ns.to_string()));
  }
  if (target.collection->is_view()) return server_error(code::kCommandNotSupportedOnView, "Cannot validate a view");
  const auto reader = make_reader(context.engine(), view);
  const auto& collection = *target.collection;
  Findings found;
  TRY(read_records(context, *reader, collection, found));
  TRY(read_indexes(context, *reader, collection, found));
  bson::Builder out;
  out.append("ns", target.ns.to_string());
  if (context.settings().at_least(5, 0)) out.append("uuid", collection.uuid);
  append_count(context, out, "nInvalidDocuments", found.invalid);
  append_count(context, out, "nrecords", found.records);
  out.append("nIndexes", static_cast<std::int32_t>(collection.indexes.size()));
  {
    auto keys = out.open_document("keysPerIndex");
    for (const auto& [name, count] : found.keys) append_count(context, keys, name, count);
  }
  {
    auto details = out.open_document("indexDetails");
    for (const auto& [name, count] : found.keys) details.append(name, bson::make_document({{"valid", count == found.expected_keys[name]}}));
  }
  out.append("valid", found.errors.empty());
  out.open_array("warnings").close();
  {
    auto errors = out.open_array("errors");
    for (const auto& error : found.errors) errors.append(error);
  }
  out.open_array("extraIndexEntries").close();
  out.open_array("missingIndexEntries").close();
  return std::move(out).finish();
}

// Buckets are never compressed here, archived or closed to be opened again: what tells of that is 0.
void append_bucket_stats(const CommandContext& context, bson::Builder& out, const CollectionInfo& buckets, const CollectionCounters& counters) {
  const auto& counts = *buckets.bucket_counts;
  const auto& settings = context.settings();
  auto timeseries = out.open_document("timeseries");
  timeseries.append("bucketsNs", buckets.ns.to_string()).append("bucketCount", counters.records);
  if (counters.records > 0) timeseries.append("avgBucketSize", static_cast<std::int32_t>(counters.bytes / counters.records));
  timeseries.append("numBucketInserts", counts.inserts.load()).append("numBucketUpdates", counts.updates.load());
  timeseries.append("numBucketsOpenedDueToMetadata", counts.opened_for_series.load()).append("numBucketsClosedDueToCount", counts.closed_full.load());
  if (settings.at_least(6, 0)) timeseries.append("numBucketsClosedDueToSchemaChange", std::int64_t{0});
  timeseries.append("numBucketsClosedDueToSize", counts.closed_large.load()).append("numBucketsClosedDueToTimeForward", counts.closed_for_later.load());
  const bool archives = settings.at_least(6, 3);
  if (!archives) timeseries.append("numBucketsClosedDueToTimeBackward", counts.closed_for_earlier.load());
  timeseries.append("numBucketsClosedDueToMemoryThreshold", std::int64_t{0});
  const auto commits = counts.commits.load(), measurements = counts.measurements.load();
  timeseries.append("numCommits", commits).append("numWaits", std::int64_t{0}).append("numMeasurementsCommitted", measurements);
  if (commits > 0) timeseries.append("avgNumMeasurementsPerCommit", measurements / commits);
  if (!archives) return;
  timeseries.append("numBucketsClosedDueToReopening", std::int64_t{0}).append("numBucketsArchivedDueToMemoryThreshold", std::int64_t{0});
  timeseries.append("numBucketsArchivedDueToTimeBackward", counts.closed_for_earlier.load()).append("numBucketsReopened", std::int64_t{0});
}

}  // namespace

CollectionCounters counters_of(const Engine& engine, const CollectionInfo& collection) {
  if (!collection.is_oplog()) return collection.counters->copy();
  return {engine.oplog_entries(), static_cast<std::int64_t>(engine.oplog_bytes())};  // its entries are not counted one by one
}

Result<std::pair<CollectionPtr, StatsOf>> counted_collection(const Catalog& catalog, const CollectionPtr& collection) {
  if (!collection->is_view()) return std::pair(collection, StatsOf::kCollection);
  const auto buckets = collection->is_timeseries() ? catalog.find(Namespace{collection->ns.db, collection->view_on}) : nullptr;
  if (buckets) return std::pair(buckets, StatsOf::kTimeseries);
  return server_error(code::kCommandNotSupportedOnView, fmt::format("Namespace {} is a view, not a collection", collection->ns.to_string()));
}

void append_collection_stats(const CommandContext& context, bson::Builder& out, const CollectionInfo& collection, std::int64_t scale, StatsOf of) {
  const auto counters = counters_of(context.engine(), collection);
  append_count(context, out, "size", counters.bytes / scale);
  if (of == StatsOf::kTimeseries) {
    append_bucket_stats(context, out, collection, counters);
  } else {
    append_count(context, out, "count", counters.records);
    if (counters.records > 0) append_count(context, out, "avgObjSize", counters.bytes / counters.records);
  }
  append_count(context, out, "storageSize", counters.bytes / scale);
  out.append("capped", collection.capped);
  if (collection.capped) {
    const bool four = !context.settings().at_least(5, 0);
    append_count(context, out, "max", collection.capped_max > 0 ? collection.capped_max : four ? -1 : 0);
    append_count(context, out, "maxSize", collection.capped_size / scale);
    if (four) out.append("sleepCount", 0).append("sleepMS", 0);
  }
  append_count(context, out, "nindexes", static_cast<std::int64_t>(collection.indexes.size()));
  {
    auto building = out.open_array("indexBuilds");
    for (const auto& index : collection.indexes) {
      if (!index->ready) building.append(index->name);
    }
  }
  std::int64_t total = 0;
  bson::Builder sizes;
  for (const auto& index : collection.indexes) {
    const auto bytes = index_bytes(context, *index);
    total += bytes;
    append_count(context, sizes, index->name, bytes / scale);
  }
  append_count(context, out, "totalIndexSize", total / scale);
  append_count(context, out, "totalSize", (counters.bytes + total) / scale);
  out.append("indexSizes", std::move(sizes).finish());
}

std::span<const Command> stats_commands() {
  static const Command kRows[] = {
      {.name = "dbStats", .resource = ResourceKind::kDatabase, .action = "dbStats", .handler = db_stats, .help = "counts and sizes of a database", .alias = "dbstats"},
      {.name = "collStats", .resource = ResourceKind::kCollection, .action = "collStats", .handler = coll_stats, .help = "counts and sizes of a collection",
       .alias = "collstats"},
      {.name = "dataSize", .resource = ResourceKind::kCustom, .handler = data_size, .help = "bytes of a collection's documents, or of a range of them",
       .alias = "datasize"},
      {.name = "dbHash", .resource = ResourceKind::kDatabase, .action = "dbHash", .handler = db_hash,
       .help = "MD5 of every collection's documents", .alias = "dbhash"},
      {.name = "validate", .resource = ResourceKind::kCollection, .action = "validate", .handler = validate,
       .help = "reads a collection and its indexes and compares them"},
  };
  return kRows;
}

}  // namespace drover::sandbox
