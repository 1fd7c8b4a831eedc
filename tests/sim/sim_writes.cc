// The writes of SimDeployment: retryable batches, transactions and the migration's state, in sessions with numbers. A
// statement that was executed under a number answers again what it did; one that changed nothing leaves no trace, as on
// the server, and is executed again.
#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/hash.h"
#include "sim_deployment.h"

namespace drover::sim {
namespace {

using cluster::StateCondition;
using cluster::TransactionStatement;
using cluster::WriteContext;
using cluster::WriteReply;
using Done = Sessions::Statement;

bool has_nested_dollar(bson::View document, bool top = true) {
  for (const auto& field : document) {
    if (!top && field.key().starts_with('$')) return true;
    if (field.is_document() || field.is_array()) {
      if (has_nested_dollar(field.document_value(), false)) return true;
    }
  }
  return false;
}

Result<const CatalogEntry*> existing_or_created(SimCluster& cluster, const Namespace& ns) {
  if (cluster.store().find(ns) == nullptr) TRY(cluster.create(ns, bson::View(), nullptr));
  return cluster.store().find(ns);
}

Result<Done> write_one(SimCluster& cluster, Write write, const WriteContext& context) {
  const auto ts = TRY(cluster.write({std::move(write)}, SimCluster::Form::kEach, false,
                                    EntrySession{context.session, context.txn_number}));
  return Done{ts, 1};
}

Result<Done> insert_one(SimCluster& cluster, const Namespace& ns, const bson::Document& document,
                        const WriteContext& context) {
  const auto* entry = TRY(existing_or_created(cluster, ns));
  Write write;
  write.ns = ns;
  write.uuid = entry->info.uuid;
  write.key = logical_key(*entry, document["_id"]);
  write.document = std::make_shared<const bson::Document>(document);
  return write_one(cluster, std::move(write), context);
}

Result<Done> replace_one(SimCluster& cluster, const Namespace& ns, const bson::Document& document,
                         const WriteContext& context) {
  if (!cluster.at_least(5) && has_nested_dollar(document)) {
    return fail(ErrorCode::kFailure, "The dollar ($) prefixed field is not valid for storage.", 52);
  }
  const auto* entry = TRY(existing_or_created(cluster, ns));
  Write write;
  write.ns = ns;
  write.uuid = entry->info.uuid;
  write.key = logical_key(*entry, document["_id"]);
  const auto before = cluster.store().latest(write.uuid, write.key);
  if (before && *before == document) return Done{{}, 1};  // nothing to do: no oplog entry
  write.kind = before ? Write::Kind::kReplace : Write::Kind::kInsert;
  write.document = std::make_shared<const bson::Document>(document);
  return write_one(cluster, std::move(write), context);
}

bson::Document id_document(const bson::Element& id) {
  bson::Builder out;
  out.append("_id", id);
  return std::move(out).finish();
}

Result<Done> remove_one(SimCluster& cluster, const Namespace& ns, const bson::Value& id, const WriteContext& context) {
  const auto* entry = cluster.store().find(ns);
  if (entry == nullptr) return Done{};
  Write write;
  write.kind = Write::Kind::kDelete;
  write.ns = ns;
  write.uuid = entry->info.uuid;
  write.key = logical_key(*entry, id.element());
  const auto before = cluster.store().latest(write.uuid, write.key);
  if (!before) return Done{};
  write.change = id_document((*before)["_id"]);
  return write_one(cluster, std::move(write), context);
}

// All or nothing, as one entry of the oplog.
Result<Done> run_transaction(SimCluster& cluster, const std::vector<TransactionStatement>& statements,
                             const WriteContext& context) {
  std::vector<Write> writes;
  for (const auto& statement : statements) {
    const bool removal = statement.kind == TransactionStatement::Kind::kDelete;
    if (removal && cluster.store().find(statement.ns) == nullptr) continue;
    const auto* entry = TRY(existing_or_created(cluster, statement.ns));
    Write write;
    write.kind = removal ? Write::Kind::kDelete : Write::Kind::kInsert;
    write.ns = statement.ns;
    write.uuid = entry->info.uuid;
    write.key = logical_key(*entry, removal ? statement.id.element() : statement.document["_id"]);
    if (removal) {
      const auto before = cluster.store().latest(write.uuid, write.key);
      if (!before) continue;
      write.change = id_document((*before)["_id"]);
    } else {
      write.document = std::make_shared<const bson::Document>(statement.document);
    }
    writes.push_back(std::move(write));
  }
  if (writes.empty()) return Done{};
  const auto ts = TRY(cluster.write(writes, SimCluster::Form::kTransaction, false,
                                    EntrySession{context.session, context.txn_number}));
  return Done{ts, static_cast<std::int64_t>(writes.size())};
}

Result<Done> save_one(SimCluster& cluster, const Namespace& ns, const bson::Document& document,
                      StateCondition condition, const WriteContext& context) {
  if (condition == StateCondition::kSameEpoch && cluster.store().find(ns) == nullptr) return Done{};
  const auto* entry = TRY(existing_or_created(cluster, ns));
  const auto before = cluster.store().latest(entry->info.uuid, logical_key(*entry, document["_id"]));
  if (!before && condition == StateCondition::kSameEpoch) return Done{};
  if (before) {
    const auto old_epoch = (*before)["epoch"].to_int64().value_or(0);
    const auto new_epoch = document["epoch"].to_int64().value_or(0);
    if (old_epoch > new_epoch || (condition == StateCondition::kEpochBelow && old_epoch == new_epoch) ||
        (condition == StateCondition::kSameEpoch && old_epoch != new_epoch))
      return Done{};
  }
  return replace_one(cluster, ns, document, context);
}

std::uint64_t fold(std::uint64_t hash, std::uint64_t next) { return (hash ^ next) * 0x100000001b3ull; }

}  // namespace

Result<WriteReply> execute_batch(SimCluster& cluster, const WriteContext& context, std::uint64_t content,
                                 const std::vector<SimDeployment::Statement>& statements, int broken_before) {
  struct Run {
    SimCluster& cluster;
    const Uuid session;
    Run(SimCluster& c, const Uuid& s) : cluster(c), session(s) { cluster.enter_session(session); }
    ~Run() { cluster.leave_session(session); }
  } run(cluster, context.session);

  TRY(cluster.check_primary());
  const int term = cluster.term();
  TRY(cluster.sessions().begin(context.session, context.txn_number, content, cluster.scheduler().now()));
  WriteReply reply;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const int statement = static_cast<int>(i);
    if (const auto done = cluster.sessions().executed(context.session, context.txn_number, statement)) {
      reply.n += done->n;
      continue;
    }
    if (i > 0 && cluster.random().below(6) == 0) {
      cluster.scheduler().sleep_for(std::chrono::microseconds(cluster.random().below(20'000)));
    }
    if (cluster.term() != term || !cluster.has_primary()) {
      return tl::unexpected(temporary("primary stepped down in the middle of a batch", 189));
    }
    if (statement == broken_before) return tl::unexpected(temporary("connection closed in the middle of a batch"));
    const auto done = statements[i]();
    if (done) {
      reply.n += done->n;
      if (!done->ts.is_zero()) {
        cluster.sessions().record(context.session, context.txn_number, statement, done->ts, done->n);
      }
    } else if (done.error().code == ErrorCode::kTemporary) {
      return tl::unexpected(done.error());
    } else {
      reply.errors.push_back({statement, done.error().server_code, done.error().message});
    }
  }
  TRY(cluster.await_majority(cluster.store().last(), term));
  return reply;
}

Result<WriteReply> SimDeployment::batch(std::string_view what, const WriteContext& context, std::uint64_t content,
                                        std::vector<Statement> statements) {
  content = fold(content, bson::hash64(what));
  int broken_before = -1;
  if (statements.size() > 1 && cluster_.random().chance(cluster_.faults().partial_batch)) {
    broken_before = static_cast<int>(1 + cluster_.random().below(statements.size() - 1));
  }
  // Owned by the request: it may arrive when the caller is long gone.
  return call<WriteReply>(what, Kind::kRetryable,
                          [cluster = &cluster_, context, content, statements = std::move(statements), broken_before] {
    return execute_batch(*cluster, context, content, statements, broken_before);
  });
}

Result<WriteReply> SimDeployment::insert(const WriteContext& context, const Namespace& ns, bson::View documents) {
  std::vector<Statement> statements;
  for (const auto& item : documents) {
    statements.push_back([cluster = &cluster_, ns, document = bson::Document(item.document_value()), context] {
      return insert_one(*cluster, ns, document, context);
    });
  }
  return batch("insert " + ns.to_string(), context, bson::hash64(documents.bytes()), std::move(statements));
}

Result<WriteReply> SimDeployment::replace(const WriteContext& context, const Namespace& ns,
                                          std::span<const bson::View> documents) {
  std::vector<Statement> statements;
  std::uint64_t content = 1;
  for (const auto& view : documents) {
    content = fold(content, bson::hash64(view.bytes()));
    statements.push_back([cluster = &cluster_, ns, document = bson::Document(view), context] {
      return replace_one(*cluster, ns, document, context);
    });
  }
  return batch("replace " + ns.to_string(), context, content, std::move(statements));
}

Result<WriteReply> SimDeployment::remove(const WriteContext& context, const Namespace& ns,
                                         std::span<const bson::Value> ids) {
  std::vector<Statement> statements;
  std::uint64_t content = 2;
  for (const auto& id : ids) {
    content = fold(content, bson::hash64(id.element().value_bytes()));
    statements.push_back([cluster = &cluster_, ns, id, context] { return remove_one(*cluster, ns, id, context); });
  }
  return batch("delete " + ns.to_string(), context, content, std::move(statements));
}

Status SimDeployment::transaction(const WriteContext& context, std::span<const TransactionStatement> statements) {
  std::vector<TransactionStatement> own(statements.begin(), statements.end());
  std::uint64_t content = 3;
  for (const auto& statement : own) {
    content = fold(content, statement.kind == TransactionStatement::Kind::kDelete
                                ? bson::hash64(statement.id.element().value_bytes())
                                : bson::hash64(statement.document.view().bytes()));
  }
  std::vector<Statement> all;
  all.push_back([cluster = &cluster_, own = std::move(own), context] { return run_transaction(*cluster, own, context); });
  const auto reply = TRY(batch("transaction", context, content, std::move(all)));
  if (!reply.errors.empty()) return fail(side_, reply.errors[0].message, reply.errors[0].code);
  return {};
}

Result<std::vector<bson::Value>> SimDeployment::find_holders(const Namespace& ns, bson::View index, bson::View document) {
  using Ids = std::vector<bson::Value>;
  return call<Ids>("find holders " + ns.to_string(), Kind::kRead, [&]() -> Result<Ids> {
    TRY(cluster_.check_primary());
    Ids ids;
    const auto* entry = cluster_.store().find(ns);
    if (entry == nullptr) return ids;
    for (const auto& holder : cluster_.store().holders(*entry, index, document, logical_key(*entry, document["_id"]))) {
      ids.emplace_back((*holder)["_id"]);
    }
    return ids;
  });
}

Result<std::vector<bson::Document>> SimDeployment::load_state(const std::string& collection) {
  using Documents = std::vector<bson::Document>;
  return call<Documents>("load state " + collection, Kind::kRead, [&]() -> Result<Documents> {
    TRY(cluster_.await_readable({}));
    Documents documents;
    const auto* entry = cluster_.store().find(Namespace{std::string(kStateDatabase), collection});
    if (entry == nullptr) return documents;
    for (const auto& document : cluster_.store().documents_at(entry->info.uuid, cluster_.majority())) {
      documents.push_back(*document);
    }
    return documents;
  });
}

Result<bool> SimDeployment::save_state(const WriteContext& context, const std::string& collection, bson::View document,
                                       StateCondition condition) {
  const Namespace ns{std::string(kStateDatabase), collection};
  std::vector<Statement> one;
  one.push_back([cluster = &cluster_, ns, document = bson::Document(document), condition, context] {
    return save_one(*cluster, ns, document, condition, context);
  });
  const auto reply = TRY(batch("save state " + collection, context, bson::hash64(document.bytes()), std::move(one)));
  if (!reply.errors.empty()) return fail(side_, reply.errors[0].message, reply.errors[0].code);
  return reply.n > 0;
}

Status SimDeployment::remove_state(const WriteContext& context, const std::string& collection,
                                   std::span<const bson::Value> ids, std::int64_t epoch) {
  const Namespace ns{std::string(kStateDatabase), collection};
  std::vector<Statement> statements;
  auto content = static_cast<std::uint64_t>(epoch);
  for (const auto& id : ids) {
    content = fold(content, bson::hash64(id.element().value_bytes()));
    statements.push_back([cluster = &cluster_, ns, id, epoch, context]() -> Result<Done> {
      const auto* entry = cluster->store().find(ns);
      const auto before = entry == nullptr ? nullptr : cluster->store().latest(entry->info.uuid, logical_key(*entry, id.element()));
      if (before && (*before)["epoch"].to_int64().value_or(0) > epoch) return Done{};
      return remove_one(*cluster, ns, id, context);
    });
  }
  TRY(batch("remove state " + collection, context, content, std::move(statements)));
  return {};
}

// A note in the session under a number that its owner never reaches.
Status SimDeployment::fence_session(const Uuid& session) {
  constexpr std::int64_t kBeyond = std::int64_t{1} << 40;
  return catalog_call("fence session", [this, session]() -> Status {
    cluster_.enter_session(session);
    const auto number = std::max<std::int64_t>(cluster_.sessions().newest(session), 0) + kBeyond;
    auto begun = cluster_.check_primary();
    if (begun) begun = cluster_.sessions().begin(session, number, 0, cluster_.scheduler().now());
    if (begun) {
      cluster_.sessions().record(session, number, 0, cluster_.note(bson::make_document({{"msg", "fence"}})), 1);
    }
    cluster_.leave_session(session);
    return begun;
  });
}

Result<int> SimDeployment::running_operations(std::span<const Uuid> sessions) {
  return call<int>("running operations", Kind::kRead, [&]() -> Result<int> {
    TRY(cluster_.check_primary());
    int running = 0;
    for (const auto& session : sessions) running += cluster_.session_runs(session) ? 1 : 0;
    return running;
  });
}

}  // namespace drover::sim
