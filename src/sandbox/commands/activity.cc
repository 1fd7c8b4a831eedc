#include "sandbox/commands/activity.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

enum class Kind { kRead, kWrite, kCommand, kTransaction };

Kind kind_of(std::string_view name) {
  static constexpr std::string_view kReads[] = {"aggregate", "count", "dbHash", "distinct", "find", "getMore", "geoNear"};
  static constexpr std::string_view kWrites[] = {"bulkWrite", "delete", "findAndModify", "insert", "update"};
  if (std::ranges::find(kReads, name) != std::end(kReads)) return Kind::kRead;
  if (std::ranges::find(kWrites, name) != std::end(kWrites)) return Kind::kWrite;
  return name == "commitTransaction" || name == "abortTransaction" ? Kind::kTransaction : Kind::kCommand;
}

std::int64_t items_of(bson::View document, std::string_view name) {
  const auto array = document[name].to_array();
  return array ? static_cast<std::int64_t>(array->field_count()) : 0;
}

// What one command did, by its statements and its answer.
struct Outcome {
  std::int64_t statements = 1;  // that were tried
  std::int64_t refused = 0;     // of them; or the command itself
  OperationCounts operations;
  DocumentCounts documents;
};

std::int64_t number(bson::View reply, std::string_view name) { return reply[name].to_int64().value_or(0); }

// Statements of a batch up to the one where an ordered batch ended.
std::int64_t statements_tried(bson::View body, std::span<const DocumentSequence> sequences, std::string_view name, bson::View reply) {
  std::int64_t all = items_of(body, name);
  for (const auto& sequence : sequences) {
    if (sequence.name == name) all += static_cast<std::int64_t>(sequence.documents.size() + sequence.left_out);
  }
  const bool ordered = !body["ordered"].exists() || body["ordered"].is_truthy();
  const auto failed = reply.at_path("writeErrors.0.index").to_int64();
  return ordered && failed ? std::min(all, *failed + 1) : all;
}

void count_batch(std::string_view name, bson::View body, std::span<const DocumentSequence> sequences, bson::View reply, Outcome& out) {
  out.refused += items_of(reply, "writeErrors");
  const auto n = number(reply, "n");
  if (name == "insert") {
    out.operations.insert = n + out.refused;
    out.documents.inserted = n;
  } else if (name == "delete") {
    out.statements = out.operations.remove = statements_tried(body, sequences, "deletes", reply);
    out.documents.removed = n;
  } else {
    out.statements = out.operations.update = statements_tried(body, sequences, "updates", reply);
    const auto upserted = items_of(reply, "upserted");
    out.documents.updated = n - upserted;
    out.documents.inserted = upserted;
  }
}

void count_bulk(const CommandContext& context, bson::View reply, Outcome& out) {
  auto left = context.statements_tried.value_or(kMaxBatchItems);
  const auto count = [&](bson::View operation) {
    if (left == 0) return;
    --left;
    const auto kind = operation.first().key();
    ++(kind == "insert" ? out.operations.insert : kind == "delete" ? out.operations.remove : out.operations.update);
  };
  if (const auto operations = context.body["ops"].to_array()) {
    for (const auto& operation : *operations) {
      if (operation.is_document()) count(operation.document_value());
    }
  }
  for (const auto& sequence : context.sequences) {
    if (sequence.name == "ops") std::ranges::for_each(sequence.documents, count);
  }
  out.refused += number(reply, "nErrors");
  const auto upserted = number(reply, "nUpserted");
  out.documents = {.removed = number(reply, "nDeleted"), .inserted = number(reply, "nInserted") + upserted, .updated = number(reply, "nMatched")};
}

void count_find_and_modify(bson::View reply, Outcome& out) {
  const auto last = reply["lastErrorObject"].to_document().value_or(bson::View());
  const auto n = number(last, "n");
  if (!last["updatedExisting"]) {
    out.documents.removed = n;
  } else {
    (last["updatedExisting"].is_truthy() ? out.documents.updated : out.documents.inserted) = n;
  }
}

Outcome outcome_of(const CommandContext& context, bson::View reply) {
  const auto name = context.command->name;
  const auto body = context.body;
  const auto sequences = context.sequences;
  Outcome out;
  if (!reply["ok"].is_truthy()) {
    out.refused = 1;
  }
  if (name == "insert" || name == "update" || name == "delete") {
    if (reply["ok"].is_truthy()) count_batch(name, body, sequences, reply, out);
  } else if (name == "bulkWrite") {
    if (reply["ok"].is_truthy()) count_bulk(context, reply, out);
  } else if (name == "find") {
    out.operations.query = 1;
  } else if (name == "getMore") {
    out.operations.getmore = 1;
  } else {
    out.operations.command = 1;
  }
  if (name == "findAndModify") count_find_and_modify(reply, out);
  if (const auto cursor = reply["cursor"].to_document()) out.documents.returned = items_of(*cursor, "firstBatch") + items_of(*cursor, "nextBatch");
  return out;
}

Spent& of_kind(Latencies& latencies, Kind kind) {
  switch (kind) {
    case Kind::kRead: return latencies.reads;
    case Kind::kWrite: return latencies.writes;
    case Kind::kTransaction: return latencies.transactions;
    case Kind::kCommand: break;
  }
  return latencies.commands;
}

// The collection that a command is about; nothing for commands on databases and on the server.
std::optional<Namespace> collection_of(const Command& command, std::string_view db, bson::View body) {
  const bool named = command.resource == ResourceKind::kCollection || command.name == "aggregate" || command.name == "getMore" || command.name == "listIndexes";
  if (!named) return std::nullopt;
  const auto name = (command.name == "getMore" ? body["collection"] : body.first()).to_string_view();
  if (!name || name->empty() || name->starts_with("$cmd.")) return std::nullopt;
  return Namespace{std::string(db), std::string(*name)};
}

void add(CollectionActivity& to, std::string_view name, Kind kind, const Outcome& outcome, std::int64_t micros) {
  const auto times = outcome.statements;
  to.total.add(micros, times);
  (kind == Kind::kRead ? to.read_lock : to.write_lock).add(micros, times);
  of_kind(to.latencies, kind).add(micros, times);
  auto& by_name = name == "find"      ? to.queries
                  : name == "getMore" ? to.getmore
                  : name == "insert"  ? to.insert
                  : name == "update"  ? to.update
                  : name == "delete"  ? to.remove
                                      : to.commands;
  by_name.add(micros, times);
}

void add(OperationCounts& to, const OperationCounts& more) {
  to.insert += more.insert;
  to.query += more.query;
  to.update += more.update;
  to.remove += more.remove;
  to.getmore += more.getmore;
  to.command += more.command;
}

void add(DocumentCounts& to, const DocumentCounts& more) {
  to.removed += more.removed;
  to.inserted += more.inserted;
  to.returned += more.returned;
  to.updated += more.updated;
}

void add(Spent& to, const Spent& more) { to.add(more.micros, more.count); }

void add(Activity::Server& to, const Activity::Server& more) {
  add(to.operations, more.operations);
  add(to.documents, more.documents);
  add(to.latencies.reads, more.latencies.reads);
  add(to.latencies.writes, more.latencies.writes);
  add(to.latencies.commands, more.latencies.commands);
  add(to.latencies.transactions, more.latencies.transactions);
  for (const auto& [name, counts] : more.commands) {
    auto& sum = to.commands[name];
    sum.failed += counts.failed;
    sum.total += counts.total;
  }
  to.user_asserts += more.user_asserts;
  to.keys_scanned += more.keys_scanned;
  to.documents_scanned += more.documents_scanned;
}

}  // namespace

void Activity::note(const CommandContext& context, bson::View reply, Duration spent, const ScanTotals& scanned) {
  const auto& command = *context.command;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(spent).count();
  const auto kind = kind_of(command.name);
  const auto outcome = outcome_of(context, reply);
  const bool ok = reply["ok"].is_truthy();
  servers_[static_cast<std::size_t>(context.connection.id) % kShards].server.with([&](Server& server) {
    add(server.operations, outcome.operations);
    add(server.documents, outcome.documents);
    of_kind(server.latencies, kind).add(micros, 1);
    server.user_asserts += outcome.refused;
    server.keys_scanned += scanned.keys;
    server.documents_scanned += scanned.documents;
    auto& counts = server.commands[command.name];
    ++counts.total;
    if (!ok) ++counts.failed;
  });
  if (command.name == "drop" || command.name == "dropDatabase" || command.name == "renameCollection") {
    if (ok) forget_dropped(command.name, context.database, context.body);
    return;
  }
  const auto ns = collection_of(command, context.database, context.body);
  if (!ns) return;
  const auto name = ns->to_string();
  shard_of(name).collections.with([&](Collections& collections) {
    auto known = collections.find(name);
    if (known == collections.end()) {
      // Nobody fills it with what is refused, or with names that no collection has.
      if (!ok || name.size() > kMaxNamespaceBytes || watched_ >= kMaxWatchedCollections) return;
      known = collections.try_emplace(name).first;
      ++watched_;
    }
    add(known->second, command.name, kind, outcome, micros);
  });
}

// Whose collection is gone is forgotten, as the server does.
void Activity::forget_dropped(std::string_view command, std::string_view db, bson::View body) {
  const auto forget = [&](const std::string& name) {
    shard_of(name).collections.with([&](Collections& collections) { watched_ -= collections.erase(name); });
  };
  const auto named = body.first().to_string_view().value_or("");
  if (command == "drop") return forget(std::string(db) + "." + std::string(named));
  if (command == "renameCollection") return forget(std::string(named));
  const auto prefix = std::string(db) + ".";
  for (auto& shard : collections_) {
    shard.collections.with([&](Collections& collections) {
      watched_ -= std::erase_if(collections, [&](const auto& entry) { return entry.first.starts_with(prefix); });
    });
  }
}

Activity::Server Activity::server() const {
  Server sum;
  for (const auto& shard : servers_) add(sum, shard.server.copy());
  return sum;
}

std::map<std::string, CollectionActivity> Activity::collections() const {
  std::map<std::string, CollectionActivity> all;
  for (const auto& shard : collections_) {
    shard.collections.with([&](const Collections& collections) { all.insert(collections.begin(), collections.end()); });
  }
  return all;
}

void Activity::note_request(std::size_t bytes, std::size_t on_wire) {
  requests_.fetch_add(1, std::memory_order_relaxed);
  bytes_in_.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  wire_in_.fetch_add(static_cast<std::int64_t>(on_wire), std::memory_order_relaxed);
}

void Activity::note_reply(std::size_t bytes, std::size_t on_wire) {
  bytes_out_.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  wire_out_.fetch_add(static_cast<std::int64_t>(on_wire), std::memory_order_relaxed);
}

Activity::Network Activity::network() const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  return {bytes_in_.load(kRelaxed), bytes_out_.load(kRelaxed), wire_in_.load(kRelaxed), wire_out_.load(kRelaxed), requests_.load(kRelaxed)};
}

CollectionActivity Activity::of(const Namespace& ns) const {
  const auto name = ns.to_string();
  return shard_of(name).collections.with([&](const Collections& collections) {
    const auto found = collections.find(name);
    return found == collections.end() ? CollectionActivity() : found->second;
  });
}

void append_latencies(bson::Builder& out, const Latencies& latencies) {
  const std::pair<std::string_view, const Spent&> kinds[] = {
      {"reads", latencies.reads}, {"writes", latencies.writes}, {"commands", latencies.commands}, {"transactions", latencies.transactions}};
  for (const auto& [name, spent] : kinds) out.open_document(name).append("latency", spent.micros).append("ops", spent.count);
}

}  // namespace drover::sandbox
