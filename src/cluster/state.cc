// The migration's own documents on the destination.
#include <string_view>

#include "bson/builder.h"
#include "cluster/commands.h"
#include "cluster/mongo_deployment_impl.h"
#include "cluster/server_cursor.h"

namespace drover::cluster {
namespace {

constexpr int kDuplicateKey = 11000;

Namespace state_namespace(const std::string& collection) { return {std::string(kStateDatabase), collection}; }

}  // namespace

Result<std::vector<bson::Document>> MongoDeployment::load_state(const std::string& collection) {
  const auto ns = state_namespace(collection);
  bson::Builder command;
  command.append("find", collection);
  append_majority(command, {});
  return read_all(*pool_, std::move(command).finish(), {.db = ns.db, .on = ns.to_string()});
}

Result<bool> MongoDeployment::save_state(const WriteContext& context, const std::string& collection, bson::View document,
                                         StateCondition condition) {
  const auto ns = state_namespace(collection);
  const auto command = save_command(context, collection, document, condition);
  const auto reply = TRY(write_reply(context, ns, command));
  if (reply.errors.empty()) return reply.n > 0;
  // The condition failed, so the upsert tried to insert, and the _id was there.
  const auto& first = reply.errors.front();
  if (first.code == kDuplicateKey) return false;
  auto failure = error(is_transient(first.code, {}) ? ErrorCode::kTemporary : side_code(pool_->side()),
                       "saving to " + ns.to_string() + ": " + first.message);
  failure.server_code = first.code;
  return tl::unexpected(std::move(failure));
}

Status MongoDeployment::remove_state(const WriteContext& context, const std::string& collection,
                                     std::span<const bson::Value> ids, std::int64_t epoch) {
  if (ids.empty()) return {};
  const auto reply = TRY(write_reply(context, state_namespace(collection), remove_state_command(context, collection, ids, epoch)));
  if (reply.errors.empty()) return {};
  const auto& first = reply.errors.front();
  auto failure = error(is_transient(first.code, {}) ? ErrorCode::kTemporary : side_code(pool_->side()),
                       "removing from " + std::string(kStateDatabase) + "." + collection + ": " + first.message);
  failure.server_code = first.code;
  return tl::unexpected(std::move(failure));
}

}  // namespace drover::cluster
