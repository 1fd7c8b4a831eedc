// One server session on the destination, owned by one thread: each new command gets a higher number, and an unanswered one
// is repeated under the same number before the next (blueprint rule 5), so that the destination refuses a late duplicate.
// What a repetition did not change (a document that was gone already, one that an index refused) leaves no trace there that
// would refuse it: its duplicate may do it later, to a document that another session has written, or to a collection that
// has the name by then. So nobody is told of a repeated write's end before a note under a higher number is there.
#pragma once

#include <functional>
#include <span>
#include <stop_token>
#include <utility>

#include "bson/builder.h"
#include "cluster/deployment.h"
#include "engine/mutants.h"
#include "engine/retry.h"

namespace drover::engine {

class WriteSession {
 private:
  template <typename F>
  auto repeat(const std::stop_token& stop, F&& call) -> decltype(call(std::declval<cluster::WriteContext>())) {
    cluster::WriteContext context{id_, ++number_};
    bool again = false;
    return retry_temporary(runtime_, stop, [&]() -> decltype(call(context)) {
      if (owned_) TRY(owned_(stop, std::exchange(again, !mutant("repetition_unasked"))));
      auto result = call(context);
      if (!result && mutant("lost_reply_is_success")) result = decltype(result){};
      if (mutant("retry_new_number")) context.txn_number = ++number_;
      unsettled_ = unsettled_ || is_unanswered(result);
      return result;
    });
  }
  // Of users' documents, which other sessions write too. State is written in one session alone: what comes next refuses what came before.
  template <typename F>
  Result<cluster::WriteReply> write(const std::stop_token& stop, F&& call) {
    auto result = repeat(stop, call);
    if (!is_unanswered(result)) TRY(settle(stop));
    return result;
  }
  template <typename T>
  static bool is_unanswered(const T& result) {
    return !result && result.error().code == ErrorCode::kTemporary;
  }

 public:
  // `owned` is asked before each attempt (`again`: it is a repetition); nothing is sent when it fails.
  using Owned = std::function<Status(const std::stop_token&, bool again)>;
  WriteSession(cluster::Deployment& destination, Runtime& runtime, Uuid id, Owned owned = {})
      : destination_(destination), runtime_(runtime), id_(id), owned_(std::move(owned)) {}

  const Uuid& id() const { return id_; }

  Result<cluster::WriteReply> insert(const Namespace& ns, bson::View documents, const std::stop_token& stop) {
    return write(stop, [&](const auto& context) { return destination_.insert(context, ns, documents); });
  }
  Result<cluster::WriteReply> replace(const Namespace& ns, std::span<const bson::View> documents,
                                      const std::stop_token& stop) {
    return write(stop, [&](const auto& context) { return destination_.replace(context, ns, documents); });
  }
  Result<cluster::WriteReply> remove(const Namespace& ns, std::span<const bson::Value> ids, const std::stop_token& stop) {
    return write(stop, [&](const auto& context) { return destination_.remove(context, ns, ids); });
  }
  // One attempt under a new number. When it is temporary the caller reads its state again and tries anew.
  Status transaction(std::span<const cluster::TransactionStatement> statements, const std::stop_token& stop) {
    if (owned_) TRY(owned_(stop, unsettled_));
    const Status done = destination_.transaction({id_, ++number_}, statements);
    if (done) unsettled_ = false;
    else if (is_unanswered(done)) unsettled_ = true;
    return done;
  }
  // After transactions whose end is not known, before others may touch what they touched: none of them comes any more.
  Status settle(const std::stop_token& stop) {
    if (!unsettled_ || mutant("repetition_unsettled")) return {};
    const cluster::WriteContext context{id_, ++number_};
    const auto note = bson::make_document({{"_id", id_}, {"epoch", std::int64_t{0}}, {"number", number_}});
    TRY(retry_temporary(runtime_, stop, [&]() -> Result<bool> {
      if (owned_) TRY(owned_(stop, true));
      return destination_.save_state(context, std::string(cluster::kFences), note, cluster::StateCondition::kEpochAtMost);
    }));
    unsettled_ = false;
    return {};
  }
  Result<bool> save_state(const std::string& collection, bson::View document, cluster::StateCondition condition,
                          const std::stop_token& stop) {
    return repeat(stop,
                  [&](const auto& context) { return destination_.save_state(context, collection, document, condition); });
  }
  // One attempt under a new number, for what may be done twice.
  Result<bool> try_save_state(const std::string& collection, bson::View document, cluster::StateCondition condition) {
    return destination_.save_state({id_, ++number_}, collection, document, condition);
  }
  Status remove_state(const std::string& collection, std::span<const bson::Value> ids, std::int64_t epoch,
                      const std::stop_token& stop) {
    return repeat(stop, [&](const auto& context) { return destination_.remove_state(context, collection, ids, epoch); });
  }

 private:
  cluster::Deployment& destination_;
  Runtime& runtime_;
  const Uuid id_;
  const Owned owned_;
  std::int64_t number_ = 0;
  bool unsettled_ = false;  // something was sent that was not answered, and nothing was written since that refuses it
};

}  // namespace drover::engine
