// One writer's connection to its application's data: the source until it refuses writes, the destination afterwards. The
// writer is not told when: a refusal sends it over, and it repeats its write there until that is accepted.
//
// Outcomes are always made certain: an unanswered statement is repeated under the same session and number; where that is
// not possible (the source refused in between) the documents are read on the destination first. So a statement counts
// exactly when it happened. Belongs to one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "bson/document.h"
#include "cluster/deployment.h"
#include "workload/ledger.h"
#include "workload/switchover.h"

namespace drover::workload {

// Where writers prove that they have arrived; on the destination only.
inline constexpr const char* kProofDatabase = "drover_demo";
inline constexpr const char* kProofCollection = "after_cutover";

struct Statement {
  std::string db;
  bson::Document command;              // without session fields and write concern
  std::int64_t expected_n = 1;         // documents that it must find; -1: the command has no such count
  std::vector<Change> changes;         // what it does
  bool retryable = true;               // false: repeating it by itself ends in the same state ($out)
};

class WriterLink {
 public:
  WriterLink(int writer, cluster::Deployment& source, cluster::Deployment& destination, Switchover& switchover,
             Runtime& runtime);

  // Returns once acknowledged. kInterrupted: stopped before it was sent, nothing happened. Other errors mean that the
  // deployment broke a promise, or could not be asked within a minute.
  Status perform(const Statement& statement, const std::stop_token& stop);
  // All or nothing.
  Status perform_transaction(const std::vector<Statement>& statements, const std::stop_token& stop);

  bool on_source() const { return on_source_; }
  const Uuid& session() const { return session_; }
  // Statements repeated for want of an answer.
  std::int64_t repeats() const { return repeats_; }

 private:
  enum class Outcome { kDone, kRefused, kAgain };

  cluster::Deployment& here() { return on_source_ ? source_ : destination_; }
  Status perform_once_certain(const std::vector<Statement>& statements, bool transaction, const std::stop_token& stop);
  Status arrive(const std::stop_token& stop);
  Result<bool> prove_arrival(const std::stop_token& stop);
  Result<Outcome> send(const Statement& statement);
  Result<Outcome> send_transaction(const std::vector<Statement>& statements);
  Result<Outcome> commit(std::int64_t number);
  Result<bson::Document> run(cluster::Deployment& deployment, const std::string& db, const bson::Document& command);
  bson::Document dress(const Statement& statement, std::int64_t number, bool in_transaction, bool first) const;
  Result<bool> already_done(const std::vector<Statement>& statements);
  void acknowledged();
  void pause();

  const int writer_;
  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Switchover& switchover_;
  Runtime& runtime_;
  Uuid session_;
  std::int64_t number_ = 0;
  bool on_source_ = true;
  bool left_ = false;       // and counted as such
  bool uncertain_ = false;  // the statement at hand may have happened
  std::int64_t repeats_ = 0;
};

}  // namespace drover::workload
