// One server session on the destination, owned by one thread: each new command gets a higher number, and an unanswered one
// is repeated under the same number before the next (blueprint rule 5), so that the destination refuses a late duplicate.
#pragma once

#include <functional>
#include <span>
#include <stop_token>
#include <utility>

#include "cluster/deployment.h"
#include "engine/mutants.h"
#include "engine/retry.h"

namespace drover::engine {

class WriteSession {
 private:
  template <typename F>
  auto repeat(const std::stop_token& stop, F&& call) {
    cluster::WriteContext context{id_, ++number_};
    bool again = false;
    return retry_temporary(runtime_, stop, [&]() -> decltype(call(context)) {
      if (owned_) TRY(owned_(stop, std::exchange(again, !mutant("repetition_unasked"))));
      auto result = call(context);
      if (!result && mutant("lost_reply_is_success")) result = decltype(result){};
      if (mutant("retry_new_number")) context.txn_number = ++number_;
      return result;
    });
  }

 public:
  // `owned` is asked before each attempt (`again`: it is a repetition); nothing is sent when it fails.
  using Owned = std::function<Status(const std::stop_token&, bool again)>;
  WriteSession(cluster::Deployment& destination, Runtime& runtime, Uuid id, Owned owned = {})
      : destination_(destination), runtime_(runtime), id_(id), owned_(std::move(owned)) {}

  const Uuid& id() const { return id_; }

  Result<cluster::WriteReply> insert(const Namespace& ns, bson::View documents, const std::stop_token& stop) {
    return repeat(stop, [&](const auto& context) { return destination_.insert(context, ns, documents); });
  }
  Result<cluster::WriteReply> replace(const Namespace& ns, std::span<const bson::View> documents,
                                      const std::stop_token& stop) {
    return repeat(stop, [&](const auto& context) { return destination_.replace(context, ns, documents); });
  }
  Result<cluster::WriteReply> remove(const Namespace& ns, std::span<const bson::Value> ids, const std::stop_token& stop) {
    return repeat(stop, [&](const auto& context) { return destination_.remove(context, ns, ids); });
  }
  // One attempt under a new number. When it is temporary the caller reads its state again and tries anew.
  Status transaction(std::span<const cluster::TransactionStatement> statements, const std::stop_token& stop) {
    if (owned_) TRY(owned_(stop, unanswered_));
    const Status done = destination_.transaction({id_, ++number_}, statements);
    unanswered_ = !done && done.error().code == ErrorCode::kTemporary;
    return done;
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
  bool unanswered_ = false;  // the last transaction
};

}  // namespace drover::engine
