#include "workload/writer_link.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "bson/builder.h"

namespace drover::workload {
namespace {

constexpr auto kBetweenRepeats = std::chrono::milliseconds(20);
constexpr auto kBetweenKnocks = std::chrono::milliseconds(2);  // on a destination that does not accept writes yet
constexpr auto kBetweenLooks = std::chrono::milliseconds(1);   // at a gate
constexpr auto kBetweenLooksBack = std::chrono::milliseconds(250);
constexpr int kMaxRepeats = 3000;                              // a minute and more
constexpr int kUnauthorized = 13;
constexpr int kUserWritesBlocked = 371;
constexpr int kNoSuchTransaction = 251;
constexpr int kDuplicateKey = 11000;

bool refuses_writes(const Error& error) {
  return error.server_code == kUserWritesBlocked || error.server_code == kUnauthorized;
}

Error interrupted() { return Error{ErrorCode::kInterrupted, "the workload was stopped"}; }

// What a reply with ok: 1 may still report.
std::optional<Error> error_within(bson::View reply) {
  if (const auto errors = reply["writeErrors"].to_array(); errors && !errors->empty()) {
    const auto first = errors->first().to_document().value_or(bson::View());
    return Error{ErrorCode::kFailure, std::string(first["errmsg"].to_string_view().value_or("refused")),
                 static_cast<int>(first["code"].to_int64().value_or(0)), {}};
  }
  if (const auto concern = reply["writeConcernError"].to_document())
    return Error{ErrorCode::kTemporary, std::string((*concern)["errmsg"].to_string_view().value_or("not durable yet")),
                 static_cast<int>((*concern)["code"].to_int64().value_or(0)), {}};
  return std::nullopt;
}

}  // namespace

WriterLink::WriterLink(int writer, cluster::Deployment& source, cluster::Deployment& destination, Switchover& switchover,
                       Runtime& runtime)
    : writer_(writer), source_(source), destination_(destination), switchover_(switchover), runtime_(runtime),
      session_(Uuid::random(runtime)) {}

Status WriterLink::perform(const Statement& statement, const std::stop_token& stop) {
  return perform_once_certain({statement}, false, stop);
}

Status WriterLink::perform_transaction(const std::vector<Statement>& statements, const std::stop_token& stop) {
  return perform_once_certain(statements, true, stop);
}

Status WriterLink::perform_once_certain(const std::vector<Statement>& statements, bool transaction,
                                        const std::stop_token& stop) {
  uncertain_ = false;
  for (int attempt = 0; attempt < kMaxRepeats; ++attempt) {
    if (!uncertain_ && stop.stop_requested()) return tl::unexpected(interrupted());
    if (on_source_ && switchover_.source_closed()) TRY(arrive(stop));
    if (uncertain_ && TRY(already_done(statements))) {
      acknowledged();
      return {};
    }
    uncertain_ = false;
    const auto outcome = TRY(transaction ? send_transaction(statements) : send(statements.front()));
    if (outcome == Outcome::kDone) {
      acknowledged();
      return {};
    }
    if (outcome == Outcome::kRefused && on_source_) {
      TRY(arrive(stop));
    } else {
      pause();
    }
  }
  return fail(ErrorCode::kTimedOut, fmt::format("writer {}: no definite answer after {} attempts", writer_, kMaxRepeats));
}

// Knocks on the destination until it lets the writer in. A source that can be asked again is asked again from time to time:
// a cutover that was given up restores it.
Status WriterLink::arrive(const std::stop_token& stop) {
  if (switchover_.source_closed() && !std::exchange(left_, true)) switchover_.left_source();
  while (switchover_.destination_closed())
    if (!runtime_.sleep(kBetweenLooks, stop)) return tl::unexpected(interrupted());
  if (!TRY(prove_arrival(stop))) return {};
  if (!std::exchange(left_, true)) switchover_.left_source();
  while (!switchover_.released())
    if (!runtime_.sleep(kBetweenLooks, stop)) return tl::unexpected(interrupted());
  return {};
}

// One acknowledged write into a collection of the workload's own. Its _id makes a repetition harmless. False when the
// destination has refused it for a while.
Result<bool> WriterLink::prove_arrival(const std::stop_token& stop) {
  bson::Builder command;
  command.append("insert", kProofCollection);
  {
    auto documents = command.open_array("documents");
    auto document = documents.open_document();
    document.append("_id", writer_);
    document.append("at", bson::DateTime{std::chrono::duration_cast<std::chrono::milliseconds>(
                                             runtime_.wall_time().time_since_epoch()).count()});
  }
  command.append("writeConcern", bson::make_document({{"w", "majority"}}));
  const auto insert = std::move(command).finish();
  const auto look_back = runtime_.now() + kBetweenLooksBack;
  for (;;) {
    const auto reply = run(destination_, kProofDatabase, insert);
    if (reply || reply.error().server_code == kDuplicateKey) break;
    if (!refuses_writes(reply.error()) && reply.error().code != ErrorCode::kTemporary)
      return tl::unexpected(Error(reply.error()).with_context(fmt::format("writer {}: the first write on the destination", writer_)));
    if (!runtime_.sleep(kBetweenKnocks, stop)) return tl::unexpected(interrupted());
    if (!switchover_.source_closed() && runtime_.now() > look_back) return false;
  }
  on_source_ = false;
  acknowledged();
  switchover_.proved_destination();
  return true;
}

Result<WriterLink::Outcome> WriterLink::send(const Statement& statement) {
  const auto command = dress(statement, ++number_, false, false);
  for (int repeat = 0; repeat < kMaxRepeats; ++repeat) {
    const auto reply = run(here(), statement.db, command);
    if (reply) {
      const auto n = (*reply)["n"].to_int64().value_or(-1);
      if (statement.expected_n >= 0 && n != statement.expected_n)
        return fail(ErrorCode::kFailure, fmt::format("writer {}: {} of {} reached {} documents, the ledger knows {}", writer_,
                                                     statement.command.view().first().key(),
                                                     statement.command.view().first().to_string_view().value_or(""), n,
                                                     statement.expected_n));
      return Outcome::kDone;
    }
    if (refuses_writes(reply.error())) return Outcome::kRefused;
    if (reply.error().code != ErrorCode::kTemporary)
      return tl::unexpected(Error(reply.error()).with_context(fmt::format("writer {}: {}", writer_, statement.command.view().first().key())));
    uncertain_ = statement.retryable;
    ++repeats_;
    pause();
  }
  return fail(ErrorCode::kTimedOut, fmt::format("writer {}: {} was never answered", writer_, statement.command.view().first().key()));
}

Result<WriterLink::Outcome> WriterLink::send_transaction(const std::vector<Statement>& statements) {
  const auto number = ++number_;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const auto& statement = statements[i];
    auto reply = run(here(), statement.db, dress(statement, number, true, i == 0));
    if (reply && (*reply)["n"].to_int64().value_or(-1) == statement.expected_n) continue;
    bson::Builder abort;
    abort.append("abortTransaction", 1).append("lsid", bson::make_document({{"id", session_}}));
    abort.append("txnNumber", number).append("autocommit", false);
    const auto command = std::move(abort).finish();
    static_cast<void>(here().run_command("admin", command));  // gone already, or it expires: nothing is committed
    if (reply)
      return fail(ErrorCode::kFailure, fmt::format("writer {}: statement {} of a transaction reached {} documents, the ledger knows {}",
                                                   writer_, i, (*reply)["n"].to_int64().value_or(-1), statement.expected_n));
    if (refuses_writes(reply.error())) return Outcome::kRefused;
    ++repeats_;
    if (reply.error().code == ErrorCode::kTemporary || reply.error().has_label("TransientTransactionError")) return Outcome::kAgain;
    return tl::unexpected(std::move(reply).error().with_context(fmt::format("writer {}: statement {} of a transaction", writer_, i)));
  }
  return commit(number);
}

Result<WriterLink::Outcome> WriterLink::commit(std::int64_t number) {
  bson::Builder builder;
  builder.append("commitTransaction", 1).append("lsid", bson::make_document({{"id", session_}})).append("txnNumber", number);
  builder.append("autocommit", false).append("writeConcern", bson::make_document({{"w", "majority"}}));
  const auto command = std::move(builder).finish();
  for (int repeat = 0; repeat < kMaxRepeats; ++repeat) {
    auto reply = run(here(), "admin", command);
    if (reply) return Outcome::kDone;
    const auto& error = reply.error();
    if (refuses_writes(error)) return Outcome::kRefused;
    if (error.has_label("TransientTransactionError") || error.server_code == kNoSuchTransaction) return Outcome::kAgain;
    if (error.code != ErrorCode::kTemporary && !error.has_label("UnknownTransactionCommitResult"))
      return tl::unexpected(std::move(reply).error().with_context(fmt::format("writer {}: committing a transaction", writer_)));
    uncertain_ = true;
    ++repeats_;
    pause();
  }
  return fail(ErrorCode::kTimedOut, fmt::format("writer {}: a commit was never answered", writer_));
}

Result<bson::Document> WriterLink::run(cluster::Deployment& deployment, const std::string& db, const bson::Document& command) {
  auto reply = deployment.run_command(db, command);
  if (!reply) return reply;
  if (auto error = error_within(*reply)) return tl::unexpected(std::move(*error));
  return reply;
}

bson::Document WriterLink::dress(const Statement& statement, std::int64_t number, bool in_transaction, bool first) const {
  bson::Builder out;
  out.append_all(statement.command);
  if (statement.retryable) out.append("lsid", bson::make_document({{"id", session_}})).append("txnNumber", number);
  if (in_transaction) {
    if (first) out.append("startTransaction", true);
    out.append("autocommit", false);
  } else {
    out.append("writeConcern", bson::make_document({{"w", "majority"}}));
  }
  return std::move(out).finish();
}

// Whether what may have happened did: every document is as after, or every one as before.
Result<bool> WriterLink::already_done(const std::vector<Statement>& statements) {
  std::size_t as_before = 0, as_after = 0, total = 0;
  for (const auto& statement : statements) {
    for (const auto& change : statement.changes) {
      bson::Builder filter;
      filter.append("_id", change.id);
      auto found = find_all(here(), session_, change.ns, std::move(filter).finish());
      for (int repeat = 0; !found && found.error().code == ErrorCode::kTemporary && repeat < kMaxRepeats; ++repeat) {
        pause();
        bson::Builder again;
        again.append("_id", change.id);
        found = find_all(here(), session_, change.ns, std::move(again).finish());
      }
      if (!found) return tl::unexpected(std::move(found).error());
      const auto now = found->empty() ? std::nullopt : std::optional(std::move(found->front()));
      ++total;
      as_before += now == change.before;
      as_after += now == change.after;
    }
  }
  if (as_after == total) return true;
  if (as_before == total) return false;
  return fail(ErrorCode::kFailure, fmt::format("writer {}: after an unanswered write, {} of {} documents are neither as before nor "
                                               "as after it", writer_, total - std::max(as_before, as_after), total));
}

void WriterLink::acknowledged() {
  const auto now = runtime_.now();
  if (on_source_) switchover_.acknowledged_on_source(now);
  else switchover_.acknowledged_on_destination(now);
}

void WriterLink::pause() { runtime_.sleep(kBetweenRepeats, {}); }

}  // namespace drover::workload
