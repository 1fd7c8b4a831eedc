#include "cluster/commands.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "cluster/errors.h"

namespace drover::cluster {

using bson::Builder;
using bson::Type;

namespace {

// Well under 16 MB, and few enough that the plan stays small.
constexpr std::size_t kMaxIdBytes = 4 << 20;
constexpr std::size_t kMaxIds = 10'000;
// What a command has besides its documents and their _ids, and what it has for each of them: room is made once, for a buffer that
// grows is copied each time and ends up to twice as large.
constexpr std::size_t kCommandBytes = 512;
constexpr std::size_t kUpdateBytes = 128;

bool needs_eq(const bson::Element& id) {
  if (id.type() == Type::kRegex) return true;
  return id.is_document() && !id.document_value().empty() && id.document_value().first().key().starts_with("$");
}

// {$replaceWith: {$literal: document}}: kept as it is, zero timestamps and dollar names included.
void append_literal(Builder& update, bson::View document) {
  auto pipeline = update.open_array("u");
  auto stage = pipeline.open_document();
  auto with = stage.open_document("$replaceWith");
  with.append("$literal", document);
}

// The plain form is what the server has a fast path for.
void append_id(Builder& query, const bson::Element& id) {
  if (needs_eq(id)) {
    query.open_document("_id").append("$eq", id);
  } else {
    query.append("_id", id);
  }
}

void append_id_query(Builder& update, const bson::Element& id, bool never_match) {
  auto query = update.open_document("q");
  append_id(query, id);
  if (never_match) {
    auto nor = query.open_array("$nor");
    nor.append(bson::View());
  }
}

bson::Document insert_by_updates(const WriteContext& context, const std::string& collection, bson::View documents,
                                 WriteMode mode) {
  Builder command;
  command.append("update", collection).append("ordered", false).append("bypassDocumentValidation", true);
  {
    auto updates = command.open_array("updates");
    for (const auto& document : documents) {
      auto update = updates.open_document();
      // Matches nothing, so it inserts, and an existing _id is refused with 11000 as an insert's is.
      append_id_query(update, document.document_value()["_id"], true);
      append_literal(update, document.document_value());
      update.append("upsert", true);
    }
  }
  append_write_mode(command, context, mode);
  return std::move(command).finish();
}

}  // namespace

void append_majority(Builder& command, ClusterTime after) {
  append_read_at(command, ReadAt{ReadAt::Level::kMajority, after});
}

void append_read_at(Builder& command, const ReadAt& at) {
  auto concern = command.open_document("readConcern");
  if (at.level == ReadAt::Level::kSnapshot) {
    concern.append("level", "snapshot").append("atClusterTime", at.time);
    return;
  }
  concern.append("level", "majority");
  if (!at.time.is_zero()) concern.append("afterClusterTime", at.time);
}

void append_majority_write(Builder& command) {
  auto concern = command.open_document("writeConcern");
  concern.append("w", "majority");
}

void append_write_mode(Builder& command, const WriteContext& context, WriteMode mode) {
  command.append("txnNumber", context.txn_number);
  if (mode == WriteMode::kRetryable) {
    append_majority_write(command);
    return;
  }
  command.append("autocommit", false);
  if (mode == WriteMode::kFirstOfTransaction) command.append("startTransaction", true);
}

bson::Document find_range(const RangeRead& range) {
  Builder command;
  command.append("find", range.uuid);
  command.open_document("filter");
  // min and max need a hint; with it they are index bounds, which cross types where comparison operators do not.
  command.open_document("hint").append("_id", 1);
  if (range.min.exists()) command.open_document("min").append("_id", range.min);
  if (range.max.exists()) command.open_document("max").append("_id", range.max);
  if (range.ids_only) command.open_document("projection").append("_id", 1);
  command.append("noCursorTimeout", true);
  if (range.batch_documents > 0) command.append("batchSize", range.batch_documents);
  append_read_at(command, range.at);
  return std::move(command).finish();
}

bson::Document id_filter(std::span<const bson::Value> ids) {
  Builder filter;
  bool plain = true;
  for (const auto& id : ids) plain = plain && !needs_eq(id.element());
  if (plain) {
    auto id = filter.open_document("_id");
    auto in = id.open_array("$in");
    for (const auto& value : ids) in.append(value);
    in.close();
    id.close();
    return std::move(filter).finish();
  }
  auto any = filter.open_array("$or");
  for (const auto& value : ids) {
    auto one = any.open_document();
    one.open_document("_id").append("$eq", value);
  }
  any.close();
  return std::move(filter).finish();
}

Builder find_by_ids(const Uuid& uuid, std::span<const bson::Value> ids) {
  Builder command;
  command.append("find", uuid).append("filter", id_filter(ids));
  return command;
}

std::size_t ids_per_command(std::span<const bson::Value> ids) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    bytes += ids[i].element().value_size() + 16;
    if (i > 0 && (bytes > kMaxIdBytes || i >= kMaxIds)) return i;
  }
  return ids.size();
}

bool has_zero_timestamp(bson::View document) {
  for (const auto& field : document) {
    if (field.type() == Type::kTimestamp && field.timestamp_value().is_zero() && field.key() != "_id") return true;
  }
  return false;
}

bool has_dollar_field(bson::View document) {
  for (const auto& field : document) {
    if (field.key().starts_with("$")) return true;
  }
  return false;
}

bson::Document insert_command(const WriteContext& context, const std::string& collection, bson::View documents,
                              WriteMode mode) {
  for (const auto& document : documents) {
    if (has_zero_timestamp(document.document_value())) {
      return insert_by_updates(context, collection, documents, mode);
    }
  }
  Builder command;
  command.append("insert", collection).append("ordered", false).append("bypassDocumentValidation", true);
  append_write_mode(command, context, mode);
  command.append("documents", bson::ArrayView{documents});
  return std::move(command).finish();
}

bson::Document replace_command(const WriteContext& context, const std::string& collection,
                               std::span<const bson::View> documents) {
  Builder command;
  std::size_t bytes = kCommandBytes;
  for (const auto& document : documents) bytes += document.size() + document["_id"].value_size() + kUpdateBytes;
  command.reserve(bytes);
  command.append("update", collection).append("ordered", false).append("bypassDocumentValidation", true);
  {
    auto updates = command.open_array("updates");
    for (const auto& document : documents) {
      auto update = updates.open_document();
      append_id_query(update, document["_id"], false);
      if (has_zero_timestamp(document) || has_dollar_field(document)) {
        append_literal(update, document);
      } else {
        update.append("u", document);
      }
      update.append("upsert", true);
    }
  }
  append_write_mode(command, context, WriteMode::kRetryable);
  return std::move(command).finish();
}

bson::Document remove_command(const WriteContext& context, const std::string& collection, std::span<const bson::Value> ids,
                              WriteMode mode) {
  Builder command;
  command.append("delete", collection).append("ordered", false);
  {
    auto deletes = command.open_array("deletes");
    for (const auto& id : ids) {
      auto one = deletes.open_document();
      append_id_query(one, id.element(), false);
      one.append("limit", 1);
    }
  }
  append_write_mode(command, context, mode);
  return std::move(command).finish();
}

bson::Document remove_state_command(const WriteContext& context, const std::string& collection,
                                    std::span<const bson::Value> ids, std::int64_t epoch) {
  Builder command;
  command.append("delete", collection).append("ordered", false);
  {
    auto deletes = command.open_array("deletes");
    for (const auto& id : ids) {
      auto one = deletes.open_document();
      {
        auto query = one.open_document("q");
        append_id(query, id.element());
        query.open_document("epoch").append("$lte", epoch);
      }
      one.append("limit", 1);
    }
  }
  append_write_mode(command, context, WriteMode::kRetryable);
  return std::move(command).finish();
}

bson::Document save_command(const WriteContext& context, const std::string& collection, bson::View document,
                            StateCondition condition) {
  Builder command;
  command.append("update", collection);
  {
    auto updates = command.open_array("updates");
    auto update = updates.open_document();
    {
      auto query = update.open_document("q");
      query.append("_id", document["_id"]);
      const auto* compares = condition == StateCondition::kEpochAtMost ? "$lte" : condition == StateCondition::kEpochBelow ? "$lt" : "$eq";
      query.open_document("epoch").append(compares, document["epoch"]);
    }
    if (has_zero_timestamp(document)) append_literal(update, document);
    else update.append("u", document);
    update.append("upsert", condition != StateCondition::kSameEpoch);
  }
  append_write_mode(command, context, WriteMode::kRetryable);
  return std::move(command).finish();
}

std::optional<CursorReply> parse_cursor(bson::View reply, std::string_view batch) {
  const auto cursor = reply["cursor"].to_document();
  if (!cursor) return std::nullopt;
  const auto id = (*cursor)["id"];
  const auto documents = (*cursor)[batch].to_array();
  if (!documents || !std::all_of(documents->begin(), documents->end(), [](const auto& item) { return item.is_document(); })) return std::nullopt;
  if (id.type() != Type::kInt64 && id.type() != Type::kInt32) return std::nullopt;
  CursorReply parsed{.id = *id.to_int64(), .collection = {}, .batch = *documents};
  const auto ns = (*cursor)["ns"].to_string_view().value_or("");
  if (const auto dot = ns.find('.'); dot != std::string_view::npos) parsed.collection = ns.substr(dot + 1);
  if (parsed.id != 0 && parsed.collection.empty()) return std::nullopt;
  return parsed;
}

std::optional<WriteReply> parse_write_reply(bson::View reply) {
  WriteReply result;
  const auto n = reply["n"];
  if (n.type() != Type::kInt32 && n.type() != Type::kInt64) return std::nullopt;
  result.n = *n.to_int64();
  if (result.n < 0) return std::nullopt;
  const auto errors = reply["writeErrors"];
  if (!errors.exists()) return result;
  if (!errors.is_array()) return std::nullopt;
  for (const auto& item : errors.document_value()) {
    const auto error = item.to_document().value_or(bson::View());
    const auto index = error["index"].to_int64().value_or(-1);
    WriteError parsed;
    parsed.index = std::in_range<int>(index) ? static_cast<int>(index) : -1;
    parsed.code = static_cast<int>(error["code"].to_int64().value_or(0));
    parsed.message = without_quotes(parsed.code, error["errmsg"].to_string_view().value_or(""));
    result.errors.push_back(std::move(parsed));
  }
  return result;
}

Status check_errors(const WriteReply& reply, std::size_t operations) {
  for (const auto& error : reply.errors) {
    if (error.index >= 0 && static_cast<std::size_t>(error.index) < operations) continue;
    return fail(ErrorCode::kDestination, fmt::format("the answer to {} operations tells of an error in another one (code {})", operations, error.code));
  }
  return {};
}

}  // namespace drover::cluster
