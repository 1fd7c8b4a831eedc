// Multi-document transactions, spoken by hand: several reads at one point in time, and several writes or none.
#include <fmt/format.h>

#include "cluster/commands.h"
#include "cluster/mongo_deployment_impl.h"

namespace drover::cluster {
namespace {

constexpr std::size_t kMostPerCommand = 500;
constexpr std::size_t kBytesPerCommand = 4 << 20;
constexpr int kCommitAttempts = 5;
constexpr auto kCommitRetry = std::chrono::milliseconds(100);
constexpr std::string_view kNothingWritten = "TransientTransactionError";
constexpr std::string_view kUnknownResult = "UnknownTransactionCommitResult";

WriteMode mode_of(std::size_t statement) {
  return statement == 0 ? WriteMode::kFirstOfTransaction : WriteMode::kInTransaction;
}

// How many of these go into one command: alike, on one collection, and small enough together.
std::size_t count_alike(std::span<const TransactionStatement> statements) {
  const auto& first = statements.front();
  std::size_t count = 0, bytes = 0;
  for (const auto& one : statements) {
    if (one.kind != first.kind || one.ns != first.ns || count == kMostPerCommand) break;
    // Those are written by updates, which refuse what an insert takes (insert_command).
    if (one.kind == TransactionStatement::Kind::kInsert && has_zero_timestamp(one.document) != has_zero_timestamp(first.document)) break;
    bytes += one.kind == TransactionStatement::Kind::kDelete ? one.id.element().value_bytes().size() : one.document.size();
    if (count > 0 && bytes > kBytesPerCommand) break;
    ++count;
  }
  return count;
}

bson::Document command_of(const WriteContext& context, std::span<const TransactionStatement> alike, std::size_t position) {
  const auto& collection = alike.front().ns.collection;
  if (alike.front().kind == TransactionStatement::Kind::kDelete) {
    std::vector<bson::Value> ids;
    for (const auto& one : alike) ids.push_back(one.id);
    return remove_command(context, collection, ids, mode_of(position));
  }
  bson::ArrayBuilder documents;
  for (const auto& one : alike) documents.append(one.document);
  const auto array = std::move(documents).finish();
  return insert_command(context, collection, array, mode_of(position));
}

bson::Document end_command(std::string_view name, const WriteContext& context) {
  bson::Builder command;
  command.append(name, 1);
  append_write_mode(command, context, WriteMode::kInTransaction);
  append_majority_write(command);
  return std::move(command).finish();
}

}  // namespace

Status MongoDeployment::transaction(const WriteContext& context, std::span<const TransactionStatement> statements) {
  if (statements.empty()) return {};
  const bool in_doubt = commits_in_doubt_.with([&](auto& commits) {
    const auto found = commits.find(context.session);
    return found != commits.end() && found->second == context.txn_number;
  });
  if (!in_doubt) {
    if (auto done = run_statements(context, statements); !done) {
      abort(context);
      return done;
    }
  }
  commits_in_doubt_.with([&](auto& commits) { commits[context.session] = context.txn_number; });
  auto committed = commit(context);
  if (committed || committed.error().has_label(kNothingWritten)) {
    commits_in_doubt_.with([&](auto& commits) { commits.erase(context.session); });
  }
  if (!committed) return tl::unexpected(std::move(committed).error());
  return {};
}

Status MongoDeployment::run_statements(const WriteContext& context, std::span<const TransactionStatement> statements) {
  for (std::size_t i = 0, count = 0; i < statements.size(); i += count) {
    const auto& ns = statements[i].ns;
    count = count_alike(statements.subspan(i));
    const auto command = command_of(context, statements.subspan(i, count), i);
    auto reply = write_reply(context, ns, command);
    if (!reply) {
      // Before the commit is sent nothing can last, whatever became of this statement.
      auto error = std::move(reply).error();
      if (error.code == ErrorCode::kTemporary && !error.has_label(kNothingWritten)) error.labels.emplace_back(kNothingWritten);
      return tl::unexpected(std::move(error));
    }
    if (!reply->errors.empty()) {
      const auto& first = reply->errors.front();
      return fail(is_transient(first.code, {}) ? ErrorCode::kTemporary : side_code(pool_->side()),
                  fmt::format("{}: transaction on {}: {} (code {})", side_word(pool_->side()), ns.to_string(), first.message,
                              first.code),
                  first.code);
    }
  }
  return {};
}

// Repeated under the same number until the answer is known: that is what the server offers for it.
Result<ClusterTime> MongoDeployment::commit(const WriteContext& context) {
  const auto command = end_command("commitTransaction", context);
  for (int attempt = 1;; ++attempt) {
    auto reply = pool_->run({.db = "admin", .command = command, .on = "the transaction", .session = &context.session});
    if (reply) {
      if (const auto time = (*reply)["operationTime"].to_timestamp()) return *time;
      return tl::unexpected(malformed("commitTransaction", "the transaction", "does not say its time (operationTime)"));
    }
    auto error = std::move(reply).error();
    if (error.code != ErrorCode::kTemporary || error.has_label(kNothingWritten)) return tl::unexpected(std::move(error));
    if (attempt == kCommitAttempts || !pool_->runtime().sleep(kCommitRetry, pool_->stop())) {
      error.labels.emplace_back(kUnknownResult);
      return tl::unexpected(std::move(error).with_context("the transaction may or may not be committed"));
    }
  }
}

void MongoDeployment::abort(const WriteContext& context) {
  // Best effort: the session's next number or the server's time limit ends it otherwise.
  const auto command = end_command("abortTransaction", context);
  static_cast<void>(pool_->run({.db = "admin",
                                .command = command,
                                .on = "the transaction",
                                .session = &context.session,
                                .reply_limit = std::chrono::seconds(5),
                                .once = true}));
}

Result<StateRead> MongoDeployment::read_group(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                                              ClusterTime after, std::size_t most_bytes) {
  auto context = group_sessions_.with([&](auto& idle) {
    if (idle.empty()) return WriteContext{Uuid::random(pool_->runtime()), 0};
    const auto last = idle.back();
    idle.pop_back();
    return last;
  });
  ++context.txn_number;
  auto state = find_in_transaction(context, ns, uuid, ids, after, most_bytes);
  if (state && state->complete) {
    // The commit waits until what was read is majority-committed: only then is it known to last, and its reply's time is at
    // or after the point of the reads.
    if (auto time = commit(context)) {
      state->operation_time = *time;
    } else {
      state = tl::unexpected(std::move(time).error());
    }
  } else {
    abort(context);
  }
  group_sessions_.with([&](auto& idle) { idle.push_back(context); });
  return state;
}

Result<StateRead> MongoDeployment::find_in_transaction(const WriteContext& context, const Namespace& ns, const Uuid& uuid,
                                                       std::span<const bson::Value> ids, ClusterTime after, std::size_t most_bytes) {
  StateRead state;
  std::size_t bytes = 0;
  const auto on = ns.to_string();
  auto mode = WriteMode::kFirstOfTransaction;
  for (auto rest = ids; !rest.empty();) {
    const auto count = ids_per_command(rest);
    auto find = find_by_ids(uuid, rest.first(count));
    append_write_mode(find, context, mode);
    if (mode == WriteMode::kFirstOfTransaction) {
      auto concern = find.open_document("readConcern");
      concern.append("level", "snapshot");
      if (!after.is_zero()) concern.append("afterClusterTime", after);
    }
    mode = WriteMode::kInTransaction;
    auto command = std::move(find).finish();
    for (std::string_view field = "firstBatch";; field = "nextBatch") {
      const auto reply = TRY(write(context, ns, command));
      const auto cursor = parse_cursor(reply, field);
      if (!cursor) return tl::unexpected(malformed(command.view().first().key(), on, fmt::format("holds no cursor with documents ({})", field)));
      for (const auto& item : cursor->batch) {
        state.documents.emplace_back(item.document_value());
        bytes += state.documents.back().size();
      }
      if (bytes >= most_bytes && (cursor->id != 0 || rest.size() > count)) {
        state.complete = false;
        return state;
      }
      if (cursor->id == 0) break;
      bson::Builder more;
      more.append("getMore", cursor->id).append("collection", cursor->collection);
      append_write_mode(more, context, WriteMode::kInTransaction);
      command = std::move(more).finish();
    }
    rest = rest.subspan(count);
  }
  return state;
}

}  // namespace drover::cluster
