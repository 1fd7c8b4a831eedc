#include "workload/mini_server.h"

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/key_string.h"
#include "workload/document_edit.h"
#include "workload/writer_link.h"

namespace drover::workload {
namespace {

bool matches(bson::View document, bson::View filter) {
  for (const auto& field : filter) {
    const auto value = document[field.key()];
    if (!value.exists()) return false;
    const auto in = field.is_document() ? field.document_value()["$in"] : bson::Element();
    bool any = false;
    if (in.is_array()) {
      for (const auto& item : in.document_value()) any = any || bson::compare_values(value, item) == 0;
    } else {
      any = bson::compare_values(value, field) == 0;
    }
    if (!any) return false;
  }
  return true;
}

bson::Document updated(const bson::Document& before, const bson::Element& update) {
  if (update.is_array()) {
    bson::Builder out;
    for (const auto& field : update.document_value().first().document_value()["$replaceWith"].document_value())
      out.append(field.key(), before[field.string_value().substr(1)]);
    return std::move(out).finish();
  }
  const auto document = update.document_value();
  if (!document.first().key().starts_with("$")) return bson::Document(document);
  auto after = before;
  for (const auto& operation : document) {
    for (const auto& field : operation.document_value()) {
      const auto name = field.key();
      if (operation.key() == "$set") {
        after = with_field(after, name, bson::Value(field));
      } else if (operation.key() == "$unset") {
        after = without_field(after, name);
      } else if (operation.key() == "$inc") {
        const auto old = after[name];
        if (old.type() == bson::Type::kInt32) after = with_field(after, name, make_value(old.int32_value() + field.int32_value()));
        else after = with_field(after, name, make_value(old.int64_value() + field.int64_value()));
      } else {  // $push
        std::vector<bson::Value> items;
        for (const auto& item : field.document_value()["$each"].document_value()) items.emplace_back(item);
        const auto slice = field.document_value()["$slice"].to_int64().value_or(0);
        after = with_pushed(after, name, items, static_cast<std::size_t>(-slice));
      }
    }
  }
  return after;
}

bson::Document done(std::int64_t n) { return bson::make_document({{"n", static_cast<std::int32_t>(n)}, {"ok", 1.0}}); }

tl::unexpected<Error> lost() { return fail(ErrorCode::kTemporary, "the connection was cut"); }

}  // namespace

Result<bson::Document> MiniServer::run_command(const std::string& db, bson::View command) {
  std::lock_guard lock(mutex_);
  if (chance()) return lost();
  auto reply = execute(db, command);
  if (chance()) return lost();
  return reply;
}

void MiniServer::block() {
  std::lock_guard lock(mutex_);
  for (auto& [id, session] : sessions_)
    if (session.in_transaction) roll_back(session);
  blocked_ = true;
}

void MiniServer::open() {
  std::lock_guard lock(mutex_);
  blocked_ = false;
}

void MiniServer::become_copy_of(const MiniServer& other) {
  std::scoped_lock lock(mutex_, other.mutex_);
  collections_ = other.collections_;
}

Result<bson::Document> MiniServer::execute(const std::string& db, bson::View command) {
  const auto name = command.first().key();
  if (name == "find") return find(db, command);
  if (name == "create" || name == "createIndexes") return done(0);
  if (blocked_) return fail(ErrorCode::kSource, "writes are blocked", 371);
  if (name == "aggregate") return out(db, command);
  Session anonymous;
  const auto lsid = command["lsid"].to_document();
  auto& session = lsid ? sessions_[(*lsid)["id"].to_uuid()->to_string()] : anonymous;
  const auto number = command["txnNumber"].to_int64().value_or(0);
  if (number > session.number) {
    if (session.in_transaction) roll_back(session);
    session = {.number = number};
    session.in_transaction = command["startTransaction"].exists();
  } else if (session.reply) {
    return *session.reply;
  }
  if (name == "abortTransaction") {
    if (session.in_transaction) roll_back(session);
    return done(0);
  }
  if (name == "commitTransaction" || command["autocommit"].exists()) {
    if (!session.in_transaction)
      return tl::unexpected(Error{ErrorCode::kTemporary, "no such transaction", 251, {"TransientTransactionError"}});
    if (name != "commitTransaction") return write(db, command, session);
    session = {.number = number, .reply = done(0)};
    return done(0);
  }
  auto reply = write(db, command, session);
  session.undo.clear();
  if (lsid && reply) session.reply = *reply;
  return reply;
}

Result<bson::Document> MiniServer::write(const std::string& db, bson::View command, Session& session) {
  const auto name = command.first().key();
  const auto ns = db + "." + std::string(command.first().string_value());
  std::int64_t n = 0;
  if (name == "insert") {
    for (const auto& item : command["documents"].document_value()) {
      const auto key = bson::key_string(item.document_value()["_id"]);
      if (collections_[ns].contains(key)) return fail(ErrorCode::kFailure, "duplicate key", 11000);
      store(ns, key, bson::Document(item.document_value()), session);
      ++n;
    }
  } else if (name == "delete") {
    for (const auto& item : command["deletes"].document_value()) {
      const auto key = bson::key_string(item.document_value()["q"].document_value()["_id"]);
      if (!collections_[ns].contains(key)) continue;
      store(ns, key, std::nullopt, session);
      ++n;
    }
  } else {
    for (const auto& item : command["updates"].document_value()) n += apply_update(ns, item.document_value(), session);
  }
  return done(n);
}

std::int64_t MiniServer::apply_update(const std::string& ns, bson::View update, Session& session) {
  const auto key = bson::key_string(update["q"].document_value()["_id"]);
  const auto found = collections_[ns].find(key);
  if (found == collections_[ns].end()) return 0;
  store(ns, key, updated(found->second, update["u"]), session);
  return 1;
}

void MiniServer::store(const std::string& ns, const std::string& key, std::optional<bson::Document> after, Session& session) {
  auto& documents = collections_[ns];
  const auto found = documents.find(key);
  session.undo.push_back({ns, key, found == documents.end() ? std::nullopt : std::optional(found->second)});
  if (after) documents.insert_or_assign(key, std::move(*after));
  else documents.erase(key);
}

void MiniServer::roll_back(Session& session) {
  for (auto step = session.undo.rbegin(); step != session.undo.rend(); ++step) {
    if (step->before) collections_[step->ns].insert_or_assign(step->key, *step->before);
    else collections_[step->ns].erase(step->key);
  }
  session.undo.clear();
  session.in_transaction = false;
}

bson::Document MiniServer::find(const std::string& db, bson::View command) {
  bson::Builder reply;
  {
    auto cursor = reply.open_document("cursor");
    {
      auto batch = cursor.open_array("firstBatch");
      for (const auto& [key, document] : collections_[db + "." + std::string(command["find"].string_value())])
        if (matches(document, command["filter"].document_value())) batch.append(document);
    }
    cursor.append("id", std::int64_t{0});
  }
  return std::move(reply).finish();
}

// [{$match}, {$sort: {_id: 1}}, {$limit}, {$out}]
bson::Document MiniServer::out(const std::string& db, bson::View command) {
  const auto pipeline = command["pipeline"].document_value();
  const auto stage = [&](std::string_view index) { return pipeline[index].document_value().first(); };
  Collection result;
  for (const auto& [key, document] : collections_[db + "." + std::string(command["aggregate"].string_value())])
    if (static_cast<std::int64_t>(result.size()) < stage("2").to_int64() && matches(document, stage("0").document_value()))
      result.emplace(key, document);
  collections_[db + "." + std::string(stage("3").string_value())] = std::move(result);
  return done(0);
}

bool MiniServer::chance() {
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  return lost_ > 0 && (random_ >> 33) % lost_ == 0;
}

}  // namespace drover::workload
