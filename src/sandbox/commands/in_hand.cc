#include "sandbox/commands/in_hand.h"

#include <algorithm>
#include <set>

#include "bson/validate.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

// Views on views, and pipelines within pipelines.
constexpr int kMaxDepth = 20;

using Collections = std::vector<CollectionPtr>;

// Each view and collection once: views that read the same view several times, level upon level, are read in no other number of ways.
struct Gathered {
  Collections collections;
  std::set<Namespace> seen;
};

void add_pipeline(const Catalog& catalog, std::string_view db, bson::View pipeline, int depth, Gathered& out);

// A view is what stands behind it, and what its pipeline reads.
void add(const Catalog& catalog, const Namespace& ns, int depth, Gathered& out) {
  auto found = catalog.find(ns);
  if (!found || depth > kMaxDepth || !out.seen.insert(ns).second) return;
  if (found->is_view()) {
    add(catalog, {found->ns.db, found->view_on}, depth + 1, out);
    return add_pipeline(catalog, found->ns.db, found->view_pipeline, depth + 1, out);
  }
  out.collections.push_back(std::move(found));
}

// "coll", or {db, coll}.
void add_named(const Catalog& catalog, std::string_view db, const bson::Element& name, int depth, Gathered& out) {
  if (const auto document = name.to_document()) {
    const auto other = (*document)["db"].to_string_view().value_or(db);
    return add_named(catalog, other, (*document)["coll"], depth, out);
  }
  if (const auto text = name.to_string_view()) add(catalog, {std::string(db), std::string(*text)}, depth, out);
}

// What stages read beside their input.
void add_pipeline(const Catalog& catalog, std::string_view db, bson::View pipeline, int depth, Gathered& out) {
  if (depth > kMaxDepth) return;
  for (const auto& item : pipeline) {
    const auto stage = item.to_document().value_or(bson::View()).first();
    if (!stage) continue;
    const auto spec = stage.to_document().value_or(bson::View());
    const auto name = stage.key();
    if (name == "$changeStream") add(catalog, {"local", "oplog.rs"}, depth, out);
    if (name == "$lookup" || name == "$graphLookup") add_named(catalog, db, spec["from"], depth, out);
    if (name == "$unionWith") add_named(catalog, db, stage.is_string() ? stage : spec["coll"], depth, out);
    if (name == "$merge") add_named(catalog, db, stage.is_string() ? stage : spec["into"], depth, out);
    if (name == "$facet") {
      for (const auto& part : spec) add_pipeline(catalog, db, part.to_array().value_or(bson::View()), depth + 1, out);
    }
    if (const auto inner = spec["pipeline"].to_array()) add_pipeline(catalog, db, *inner, depth + 1, out);
  }
}

// Those of which a command has documents in hand at the same time.
Collections read_by(bson::View body, std::string_view db, const Catalog& catalog) {
  Gathered out;
  const auto first = body.first();
  if (const auto uuid = first.to_uuid()) {
    if (const auto found = catalog.find(*uuid)) add(catalog, found->ns, 0, out);
  } else {
    add_named(catalog, db, first, 0, out);
  }
  if (first.key() == "aggregate") add_pipeline(catalog, db, body["pipeline"].to_array().value_or(bson::View()), 0, out);
  return std::move(out.collections);
}

// A getMore names the collection; the rest is known of its cursor. Streams of whole databases name none.
Collections read_by_cursor(const CommandContext& context, const Catalog& catalog) {
  Gathered out;
  add_named(catalog, context.database, context.body["collection"], 0, out);
  if (const auto cursor = context.services.cursors.look_at(context.body.first().to_int64().value_or(0))) {
    for (const auto& ns : cursor->also_reads) add(catalog, ns, 0, out);
  }
  return std::move(out.collections);
}

std::size_t bytes_of(const CollectionInfo& collection) {
  const auto largest = std::min(collection.largest_document(), bson::kMaxInternalBytes);
  return largest >= kLargeInHand ? kDocumentsInHand * largest : 0;
}

std::size_t bytes_of(const Collections& collections) {
  std::size_t bytes = 0;
  for (const auto& collection : collections) bytes += bytes_of(*collection);
  return bytes;
}

// Of those that are gone through one after the other.
std::size_t largest_of(const Collections& collections) {
  std::size_t bytes = 0;
  for (const auto& collection : collections) {
    if (!collection->is_view()) bytes = std::max(bytes, bytes_of(*collection));
  }
  return bytes;
}

// A bulkWrite's collections stand in its nsInfo.
Collections written_in_bulk(const CommandContext& context, const Catalog& catalog) {
  Gathered out;
  const auto add_target = [&](bson::View item) {
    if (const auto ns = Namespace::parse(item["ns"].to_string_view().value_or(""))) add(catalog, *ns, 0, out);
  };
  for (const auto& item : context.body["nsInfo"].to_array().value_or(bson::View())) add_target(item.to_document().value_or(bson::View()));
  for (const auto& sequence : context.sequences) {
    if (sequence.name == "nsInfo") std::ranges::for_each(sequence.documents, add_target);
  }
  return std::move(out.collections);
}

std::size_t documents_in_hand(const CommandContext& context) {
  const auto name = context.command->name;
  if (name == "insert") return 0;
  const auto catalog = context.engine().view()->catalog;
  if (name == "getMore") return bytes_of(read_by_cursor(context, *catalog));
  if (name == "bulkWrite") return largest_of(written_in_bulk(context, *catalog));
  if (name == "dbHash") return largest_of(catalog->of_database(context.database));
  const auto explained = name == "explain" ? context.body.first().to_document() : std::nullopt;
  return bytes_of(read_by(explained.value_or(context.body), context.database, *catalog));
}

// Of what the whole of is parsed at once: not the statements of a write, which come one after the other.
std::size_t parsed_bytes(bson::View body) {
  if (body.size() < kLargeInHand) return 0;
  static constexpr std::string_view kStatements[] = {"documents", "updates", "deletes", "ops"};
  std::size_t bytes = 0;
  for (const auto& field : body) {
    if (std::ranges::find(kStatements, field.key()) == std::end(kStatements)) bytes += field.size();
  }
  return bytes >= kLargeInHand ? kParsedCopies * bytes : 0;
}

}  // namespace

std::size_t bytes_in_hand(const CommandContext& context) { return parsed_bytes(context.body) + documents_in_hand(context); }

std::vector<Namespace> also_read(const CommandContext& context) {
  std::vector<Namespace> out;
  if (context.command->name != "aggregate") return out;
  for (const auto& collection : read_by(context.body, context.database, *context.engine().view()->catalog)) out.push_back(collection->ns);
  return out;
}

}  // namespace drover::sandbox
