// Writes on the destination: one command per call, under the caller's session and number, acknowledged by a majority.
#include <fmt/format.h>

#include "cluster/commands.h"
#include "cluster/errors.h"
#include "cluster/mongo_deployment_impl.h"
#include "cluster/server_cursor.h"

namespace drover::cluster {
namespace {

Status check_size(Side side, std::string_view what, const Namespace& ns, std::size_t operations, std::size_t bytes) {
  if (operations <= kMaxCommandOperations && bytes <= kMaxCommandBytes) return {};
  return fail(ErrorCode::kFailure,
              fmt::format("{}: {} on {}: one command of {} operations and {} bytes is over the server's limits of {} and {}; the "
                          "batch must be split under numbers of its own",
                          side_word(side), what, ns.to_string(), operations, bytes, kMaxCommandOperations, kMaxCommandBytes));
}

// A server that steps down answers some operations of a batch with the reason: nothing is known of the batch then, and it is
// repeated under its number.
Result<WriteReply> unless_interrupted(WriteReply reply, std::size_t operations, const Namespace& ns) {
  for (const auto& error : reply.errors) {
    if (!is_transient(error.code, {})) continue;
    return fail(ErrorCode::kTemporary, fmt::format("writing to {}: {}", ns.to_string(), error.message), error.code);
  }
  TRY_WITH(check_errors(reply, operations), "writing to " + ns.to_string());
  return reply;
}

// Of inserts and replacements, all unordered, each one is either done or refused; repeating tells of those that are neither.
Result<WriteReply> if_complete(WriteReply reply, std::size_t operations, const Namespace& ns) {
  if (static_cast<std::uint64_t>(reply.n) + reply.errors.size() == operations) return reply;
  return fail(ErrorCode::kTemporary, fmt::format("writing to {}: the answer to {} operations tells of {} that were done and {} that were refused",
                                                 ns.to_string(), operations, reply.n, reply.errors.size()));
}

}  // namespace

Result<Reply> MongoDeployment::write(const WriteContext& context, const Namespace& ns, bson::View command) {
  return pool_->run({.db = ns.db, .command = command, .on = ns.to_string(), .session = &context.session});
}

Result<WriteReply> MongoDeployment::write_reply(const WriteContext& context, const Namespace& ns, bson::View command) {
  const auto reply = TRY(write(context, ns, command));
  auto parsed = parse_write_reply(reply);
  if (!parsed) return tl::unexpected(malformed(command.first().key(), ns.to_string(), "does not say what was written (n, writeErrors)"));
  return std::move(*parsed);
}

Result<WriteReply> MongoDeployment::insert(const WriteContext& context, const Namespace& ns, bson::View documents) {
  const auto command = insert_command(context, ns.collection, documents);
  TRY(check_size(pool_->side(), "insert", ns, documents.field_count(), command.size()));
  const auto count = documents.field_count();
  return if_complete(TRY(unless_interrupted(TRY(write_reply(context, ns, command)), count, ns)), count, ns);
}

Result<WriteReply> MongoDeployment::replace(const WriteContext& context, const Namespace& ns,
                                            std::span<const bson::View> documents) {
  const auto command = replace_command(context, ns.collection, documents);
  TRY(check_size(pool_->side(), "update", ns, documents.size(), command.size()));
  return if_complete(TRY(unless_interrupted(TRY(write_reply(context, ns, command)), documents.size(), ns)), documents.size(), ns);
}

Result<WriteReply> MongoDeployment::remove(const WriteContext& context, const Namespace& ns,
                                           std::span<const bson::Value> ids) {
  const auto command = remove_command(context, ns.collection, ids);
  TRY(check_size(pool_->side(), "delete", ns, ids.size(), command.size()));
  return unless_interrupted(TRY(write_reply(context, ns, command)), ids.size(), ns);
}

Result<std::vector<bson::Value>> MongoDeployment::find_holders(const Namespace& ns, bson::View index,
                                                               bson::View document) {
  const auto filter = holders_filter(index, document);
  std::vector<bson::Value> ids;
  if (!filter) return ids;
  bson::Builder command;
  command.append("find", ns.collection).append("filter", *filter);
  command.open_document("projection").append("_id", 1);
  // The index compares strings by its own collation, which may be another than the collection's.
  if (const auto collation = index["collation"].to_document()) {
    command.append("collation", *collation);
  } else {
    command.open_document("collation").append("locale", "simple");
  }
  const auto documents = TRY(read_all(*pool_, std::move(command).finish(), {.db = ns.db, .on = ns.to_string()}));
  for (const auto& holder : documents) ids.emplace_back(holder["_id"]);
  return ids;
}

}  // namespace drover::cluster
