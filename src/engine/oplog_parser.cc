#include "engine/oplog_parser.h"

#include <algorithm>

#include <fmt/format.h>

namespace drover::engine {
namespace {

Namespace namespace_of(bson::Element ns) {
  const auto text = ns.to_string_view().value_or("");
  if (auto parsed = Namespace::parse(text)) return *parsed;
  return Namespace{std::string(text), ""};
}

bool is_namespace(bson::Element ns) { return Namespace::parse(ns.to_string_view().value_or("")).has_value(); }

Error malformed(std::string_view what, ClusterTime ts) {
  return Error{ErrorCode::kSource,
               fmt::format("reading the source's oplog entry at {}: {}; this server writes a format that this version does "
                           "not know",
                           ts.to_string(), what),
               0,
               {}};
}

ChangeEvent catalog_event(ChangeKind kind, const std::string& db, std::string_view collection, bson::View command,
                          const bson::View& entry) {
  ChangeEvent event;
  event.kind = kind;
  event.ns = Namespace{db, std::string(collection)};
  event.uuid = entry["ui"].to_uuid().value_or(Uuid{});
  event.document = bson::Document(command);
  return event;
}

// One `c` entry that is not a transaction.
Status parse_command(bson::View entry, ClusterTime ts, std::vector<ChangeEvent>& out) {
  const auto command = entry["o"].to_document();
  if (!command || command->empty()) return tl::unexpected(malformed("a command without `o`", ts));
  const auto first = command->first();
  const std::string db = namespace_of(entry["ns"]).db;
  const auto name = first.key();
  const auto collection = first.to_string_view().value_or("");
  const auto add = [&](ChangeKind kind) { out.push_back(catalog_event(kind, db, collection, *command, entry)); };

  static constexpr std::string_view kOfOneCollection[] = {"create", "drop", "createIndexes", "commitIndexBuild", "dropIndexes", "deleteIndexes", "dropIndex", "collMod"};
  if (collection.empty() && std::find(std::begin(kOfOneCollection), std::end(kOfOneCollection), name) != std::end(kOfOneCollection)) {
    return tl::unexpected(malformed(fmt::format("{} without a collection's name", name), ts));
  }
  if (is_internal_database(db) && name != "renameCollection") return {};
  if (collection == "system.views" && (name == "create" || name == "drop")) {
    add(ChangeKind::kViewsChanged);
  } else if (name == "create") {
    add((*command)["viewOn"].exists() ? ChangeKind::kViewsChanged : ChangeKind::kCreate);
  } else if (name == "drop") {
    add(ChangeKind::kDrop);
  } else if (name == "createIndexes") {
    add(ChangeKind::kCreateIndexes);
  } else if (name == "commitIndexBuild") {
    add(ChangeKind::kCreateIndexes);
  } else if (name == "startIndexBuild" || name == "abortIndexBuild" || name == "dbCheck") {
    // The index exists from commitIndexBuild on; dbCheck changes nothing.
  } else if (name == "dropIndexes" || name == "deleteIndexes" || name == "dropIndex") {
    add(ChangeKind::kDropIndexes);
  } else if (name == "collMod") {
    add(ChangeKind::kCollMod);
  } else if (name == "dropDatabase") {
    add(ChangeKind::kDropDatabase);
  } else if (name == "renameCollection") {
    if (!is_namespace(first) || !is_namespace((*command)["to"])) return tl::unexpected(malformed("renameCollection without names", ts));
    ChangeEvent event = catalog_event(ChangeKind::kRename, db, "", *command, entry);
    event.ns = namespace_of(first);
    event.target = namespace_of((*command)["to"]);
    event.drop_target = (*command)["dropTarget"].to_uuid().value_or(Uuid{});
    if (is_internal_database(event.ns.db) && is_internal_database(event.target.db)) return {};
    out.push_back(std::move(event));
  } else {
    add(ChangeKind::kUnsupported);
  }
  return {};
}

Status parse_operation(bson::View entry, ClusterTime ts, std::vector<ChangeEvent>& out) {
  const auto op = entry["op"].to_string_view().value_or("");
  if (op == "n" || op == "km" || op == "xi" || op == "xd") return {};
  if (op != "c" && op != "i" && op != "u" && op != "d") return tl::unexpected(malformed(fmt::format("op '{}'", op), ts));
  // Of no namespace, or of a wrong one, it would be passed over.
  if (!is_namespace(entry["ns"])) return tl::unexpected(malformed("a change without `ns`", ts));
  if (op == "c") return parse_command(entry, ts, out);

  ChangeEvent event;
  event.ns = namespace_of(entry["ns"]);
  if (is_internal_database(event.ns.db)) return {};
  event.uuid = entry["ui"].to_uuid().value_or(Uuid{});
  const auto object = entry["o"].to_document();
  if (!object) return tl::unexpected(malformed("no `o`", ts));
  if (event.ns.collection == "system.views") {
    event.kind = ChangeKind::kViewsChanged;
    out.push_back(std::move(event));
    return {};
  }
  if (event.uuid.is_nil()) return tl::unexpected(malformed(fmt::format("a change of {} without `ui`", event.ns.to_string()), ts));
  if (op == "u") {
    const auto match = entry["o2"].to_document();
    if (!match) return tl::unexpected(malformed("an update without `o2`", ts));
    event.key = bson::Value((*match)["_id"]);
    const bool replacement = (*object)["_id"].exists();
    event.kind = replacement ? ChangeKind::kReplace : ChangeKind::kUpdate;
    if (replacement) event.document = bson::Document(*object);
  } else {
    event.key = bson::Value((*object)["_id"]);
    event.kind = op == "i" ? ChangeKind::kInsert : ChangeKind::kDelete;
    if (op == "i") event.document = bson::Document(*object);
  }
  if (!event.key.exists()) return tl::unexpected(malformed("a document without _id", ts));
  out.push_back(std::move(event));
  return {};
}

}  // namespace

Result<std::optional<ClusterTime>> previous_link(bson::View entry) {
  const auto at = entry["ts"].to_timestamp().value_or(ClusterTime{});
  const auto link = entry["prevOpTime"];
  if (!link.exists()) return std::optional<ClusterTime>();
  const auto ts = link.to_document().value_or(bson::View())["ts"].to_timestamp();
  if (!ts) return tl::unexpected(malformed("a link (`prevOpTime`) without its time", at));
  if (ts->is_zero()) return std::optional<ClusterTime>();
  if (*ts >= at) return tl::unexpected(malformed("a link (`prevOpTime`) that does not lead back", at));
  return ts;
}

Result<EntryHead> parse_oplog_head(bson::View entry, bool is_part) {
  EntryHead head;
  head.ts = entry["ts"].to_timestamp().value_or(ClusterTime{});
  if (head.ts.is_zero()) return tl::unexpected(malformed("no `ts`", head.ts));
  const auto command = entry["o"].to_document();
  const bool is_command = entry["op"].to_string_view() == std::string_view("c") && command;
  if (is_command && (*command)["applyOps"].to_array()) {
    const bool unfinished = (*command)["partialTxn"].is_truthy() || (*command)["prepare"].is_truthy();
    if (unfinished && !is_part) return head;
    head.has_events = true;
    // Transactions, and the server's own grouped writes, which have no txnNumber. Of multiOpType 1 the link is to an earlier
    // statement of a retryable write, not to a part of this change.
    if (!is_part && entry["multiOpType"].to_int64() != 1) head.earlier_part = TRY(previous_link(entry));
  } else if (is_command && (*command)["commitTransaction"].exists()) {
    head.earlier_part = TRY(previous_link(entry));
    if (!head.earlier_part) return tl::unexpected(malformed("a commit of a prepared transaction without a link to it", head.ts));
  } else if (!is_command || !(*command)["abortTransaction"].exists()) {
    head.has_events = true;
  }
  return head;
}

Status parse_oplog_events(bson::View entry, const EventSink& sink) {
  const auto ts = entry["ts"].to_timestamp().value_or(ClusterTime{});
  std::vector<ChangeEvent> events;
  const auto parse = [&](bson::View operation) -> Status {
    events.clear();
    TRY(parse_operation(operation, ts, events));
    for (auto& event : events) TRY(sink(std::move(event)));
    return {};
  };
  const auto command = entry["o"].to_document();
  const bool is_command = entry["op"].to_string_view() == std::string_view("c") && command;
  const auto apply_ops = is_command ? (*command)["applyOps"].to_array() : std::nullopt;
  if (!apply_ops) return parse(entry);
  for (const auto& item : *apply_ops) {
    const auto operation = item.to_document();
    if (!operation) return tl::unexpected(malformed("applyOps with a non-document", ts));
    TRY(parse(*operation));
  }
  return {};
}

Result<ParsedEntry> parse_oplog_entry(bson::View entry, bool is_part) {
  const auto head = TRY(parse_oplog_head(entry, is_part));
  ParsedEntry parsed;
  parsed.ts = head.ts;
  parsed.earlier_part = head.earlier_part;
  if (!head.has_events) return parsed;
  TRY(parse_oplog_events(entry, [&](ChangeEvent event) -> Status {
    event.ts = head.ts;
    event.txn_index = static_cast<std::uint32_t>(parsed.events.size());
    event.last_of_ts = false;
    parsed.events.push_back(std::move(event));
    return {};
  }));
  if (!parsed.events.empty()) parsed.events.back().last_of_ts = true;
  return parsed;
}

}  // namespace drover::engine
