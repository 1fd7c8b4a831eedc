#include "sandbox/commands/sessions.h"

#include <algorithm>

#include <fmt/format.h>

#include "net/crypto.h"
#include "sandbox/commands/support.h"
#include "sandbox/storage/keys.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox {

namespace {

// Of a session's key, {id: UUID, uid}: up to the UUID's first byte.
constexpr std::size_t kKeyPrefix = 4 + 1 + 3 + 4 + 1;

Uuid id_of(bson::View lsid) { return lsid["id"].to_uuid().value_or(Uuid{}); }

}  // namespace

std::string Session::name() const {
  const auto uid = lsid["uid"].binary_value().data;
  return fmt::format("{} - {}", id_of(lsid).to_string(),
                     net::base64_encode({reinterpret_cast<const char*>(uid.data()), uid.size()}));
}

std::string Sessions::key(const bson::Document& lsid) {
  return {reinterpret_cast<const char*>(lsid.bytes().data()), lsid.bytes().size()};
}

void Sessions::forget_one_locked() {
  constexpr int kLookedAt = 64;
  const auto random = runtime_.random();
  auto at = entries_.lower_bound(entries_.begin()->first.substr(0, kKeyPrefix) + std::string(reinterpret_cast<const char*>(&random), sizeof random));
  auto oldest = entries_.end();
  for (int i = 0; i < kLookedAt; ++i, ++at) {
    if (at == entries_.end()) at = entries_.begin();
    const auto& entry = *at->second;
    if (entry.in_use || entry.waiting > 0 || entry.session.state == Session::State::kInProgress) continue;
    if (oldest == entries_.end() || entry.last_use < oldest->second->last_use) oldest = at;
  }
  if (oldest != entries_.end()) entries_.erase(oldest);
}

Sessions::Entry& Sessions::entry_locked(const bson::Document& lsid) {
  if (entries_.size() >= kMaxSessions && !entries_.contains(key(lsid))) forget_one_locked();
  auto& entry = entries_[key(lsid)];
  if (!entry) {
    entry = std::make_unique<Entry>();
    entry->session.lsid = lsid;
  }
  entry->last_use = runtime_.now();
  entry->last_use_wall = wall_millis(runtime_);
  return *entry;
}

void Sessions::touch(const bson::Document& lsid) {
  std::lock_guard lock(mutex_);
  entry_locked(lsid);
}

Result<Sessions::Checkout> Sessions::check_out(Engine& engine, const bson::Document& lsid, const std::stop_token& stop, Duration patience) {
  Session* session = nullptr;
  {
    std::unique_lock lock(mutex_);
    auto& entry = entry_locked(lsid);
    ++entry.waiting;
    const auto is_free = [&] { return !entry.in_use; };
    const bool free = patience == kNoTimeout ? changed_.wait(lock, stop, is_free) : changed_.wait_for(lock, stop, patience, is_free);
    --entry.waiting;
    if (!free && !stop.stop_requested()) return server_error(50, "operation exceeded time limit");
    if (!free) return server_error(11601, "operation was interrupted");
    entry.in_use = true;
    session = &entry.session;
  }
  Checkout checkout(*this, *session);
  if (!session->loaded) TRY(load_session(engine, *session));
  return checkout;
}

void Sessions::give_back(Session& session) {
  std::lock_guard lock(mutex_);
  auto& entry = *entries_.at(key(session.lsid));
  if (session.statements.size() > kKeptStatements) {
    session.statements.clear();
    session.statements_forgotten = true;
  }
  if (entry.abort_wanted) {
    entry.abort_wanted = false;
    abort_locked(entry);
  }
  entry.in_use = false;
  changed_.notify_all();
}

void Sessions::abort_locked(Entry& entry) {
  if (entry.session.state != Session::State::kInProgress) return;
  entry.session.transaction.reset();
  entry.session.transaction_memory.release();
  entry.session.state = Session::State::kAborted;
  ++counts_.aborted;
  --counts_.open;
}

void Sessions::end(const bson::Document& lsid) {
  std::lock_guard lock(mutex_);
  const auto it = entries_.find(key(lsid));
  if (it == entries_.end()) return;
  if (it->second->in_use) {
    it->second->abort_wanted = true;
    return;
  }
  abort_locked(*it->second);
  if (it->second->waiting == 0) entries_.erase(it);
}

void Sessions::kill(const WhichSessions& which) {
  std::lock_guard lock(mutex_);
  for (auto& [name, entry] : entries_) {
    if (which(SessionId::of(entry->session.lsid))) entry->in_use ? void(entry->abort_wanted = true) : abort_locked(*entry);
  }
}

void Sessions::kill_all() {
  kill([](const SessionId&) { return true; });
}

void Sessions::reap(Duration lifetime) {
  std::lock_guard lock(mutex_);
  const auto now = runtime_.now();
  for (auto it = entries_.begin(); it != entries_.end();) {
    auto& entry = *it->second;
    // One that a command is using ends when the command does; its session is no one else's to look at until then.
    if (!entry.in_use && entry.session.state == Session::State::kInProgress && now - entry.session.transaction_started > lifetime) {
      abort_locked(entry);
    }
    const bool unused = !entry.in_use && entry.waiting == 0 && entry.session.state != Session::State::kInProgress &&
                        now - entry.last_use > kSessionTimeout;
    it = unused ? entries_.erase(it) : std::next(it);
  }
}

std::vector<bson::Document> Sessions::describe_idle() const {
  const auto micros = [](Duration duration) {
    return static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
  };
  std::vector<bson::Document> out;
  std::lock_guard lock(mutex_);
  for (const auto& [key, entry] : entries_) {
    const auto& session = entry->session;
    if (entry->in_use || session.state != Session::State::kInProgress || session.transaction == nullptr) continue;
    const auto open = runtime_.now() - session.transaction_started;
    const auto idle = std::min<Duration>(open, runtime_.now() - entry->last_use);
    bson::Builder one;
    one.append("type", "idleSession").append("host", "").append("desc", "inactive transaction").append("lsid", session.lsid);
    {
      auto transaction = one.open_document("transaction");
      {
        auto parameters = transaction.open_document("parameters");
        parameters.append("txnNumber", session.txn_number).append("autocommit", false);
        if (!session.transaction_read_concern.empty()) parameters.append("readConcern", session.transaction_read_concern);
      }
      transaction.append("timeOpenMicros", micros(open))
          .append("timeActiveMicros", micros(open - idle))
          .append("timeInactiveMicros", micros(idle));
    }
    one.append("waitingForLock", false).append("active", false);
    {
      auto locks = one.open_document("locks");
      for (const auto* level : {"ReplicationStateTransition", "Global", "Database", "Collection"})
        locks.append(level, session.transaction->has_writes() || level[0] == 'R' ? "w" : "r");
    }
    out.push_back(std::move(one).finish());
  }
  return out;
}

std::vector<bson::Document> Sessions::list() const {
  std::lock_guard lock(mutex_);
  std::vector<bson::Document> result;
  for (const auto& [name, entry] : entries_) {
    result.push_back(bson::make_document({{"_id", entry->session.lsid}, {"lastUse", bson::DateTime{entry->last_use_wall}}}));
  }
  return result;
}

std::size_t Sessions::count() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

Sessions::Counts Sessions::counts() const {
  std::lock_guard lock(mutex_);
  auto counts = counts_;
  // Whose session is in use is nobody else's to look at: the others are counted.
  std::int64_t idle = 0;
  for (auto at = entries_.begin(); counts.open > 0 && at != entries_.end(); ++at) {
    if (!at->second->in_use && at->second->session.state == Session::State::kInProgress) ++idle;
  }
  counts.active = std::max<std::int64_t>(counts.open - idle, 0);
  return counts;
}

void Sessions::count(std::int64_t Counts::*what, std::int64_t by) {
  std::lock_guard lock(mutex_);
  counts_.*what += by;
}

std::string user_digest(std::string_view user) {
  static const std::string nobody = net::digest(net::Digest::kSha256, "");
  return user.empty() ? nobody : net::digest(net::Digest::kSha256, user);
}

Result<bson::Document> session_key(const CommandContext& context, bson::View lsid) {
  for (const auto& field : lsid) {
    if (field.key() == "id" || field.key() == "uid") continue;
    return server_error(code::kUnknownField, fmt::format("BSON field 'OperationSessionInfo.lsid.{}' is an unknown field.", field.key()));
  }
  const auto id = lsid["id"].to_uuid();
  if (!id) return server_error(lsid["id"] ? 14 : 40414, lsid["id"] ? "BSON field 'OperationSessionInfo.lsid.id' is the wrong type, expected type 'binData'"
                                                                    : "BSON field 'OperationSessionInfo.lsid.id' is missing but a required field");
  bson::Builder out;
  out.append("id", *id);
  std::string user;
  if (context.authorization.enabled()) {
    const auto users = context.authorization.users();
    if (!users.empty()) user = users.front().name + "@" + users.front().db;
  }
  const auto digest = user_digest(user);
  out.append("uid", bson::Binary{0, {reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()}});
  auto own = std::move(out).finish();
  const auto uid = lsid["uid"];
  if (!uid || uid.type() != bson::Type::kBinary || uid.same_value_bytes(own["uid"])) return own;
  // Somebody else's session.
  if (context.authorization.enabled() && !context.internal && !context.authorization.is_allowed("impersonate", {Resource::Kind::kCluster, {}})) {
    return server_error(code::kUnauthorized, "Unauthorized to set user digest in LogicalSessionId");
  }
  const auto size = uid.binary_value().data.size();
  if (size != digest.size()) return server_error(12, fmt::format("Unsupported SHA256Block hash length: {}", size));
  return bson::make_document({{"id", *id}, {"uid", uid}});
}

Status load_session(Engine& engine, Session& session) {
  session.loaded = true;
  session.statements_forgotten = false;
  const auto reader = make_reader(engine, engine.view());
  const auto collection = reader->catalog().find(sessions_namespace());
  if (!collection) return {};
  const auto wanted = bson::make_document({{"_id", session.lsid}});
  const auto record = TRY(reader->find_by_id(*collection, wanted["_id"]));
  if (!record) return {};
  const auto& document = record->document;
  session.txn_number = document["txnNum"].to_int64().value_or(-1);
  session.last_write = document.view().at_path("lastWriteOpTime.ts").to_timestamp().value_or(bson::Timestamp{});
  if (document["state"]) {
    session.state = Session::State::kCommitted;
    return {};
  }
  session.state = Session::State::kRetryable;
  // The chain may reach back beyond the oplog's beginning: what is lost there can no longer be repeated either.
  for (auto ts = session.last_write; !ts.is_zero();) {
    const auto bytes = TRY(reader->get(kOplog, big_endian(ts.value())));
    if (!bytes) break;
    const auto entry = view_of(*bytes);
    if (const auto several = entry["stmtId"].to_array()) {
      for (const auto& statement : *several) session.statements.emplace(static_cast<std::int32_t>(statement.to_int64().value_or(0)), ts);
    } else {
      session.statements.emplace(static_cast<std::int32_t>(entry["stmtId"].to_int64().value_or(0)), ts);
    }
    ts = entry.at_path("prevOpTime.ts").to_timestamp().value_or(bson::Timestamp{});
  }
  return {};
}

}  // namespace drover::sandbox
