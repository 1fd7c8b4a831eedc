#include "sandbox/server/cluster_time.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "net/crypto.h"
#include "sandbox/commands/fsync_lock.h"
#include "sandbox/commands/support.h"
#include "sandbox/server/server_state.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

namespace {

constexpr int kNoSuchKey = 4;
constexpr int kUnsupportedFormat = 12;
constexpr int kTimeProofMismatch = 204;
constexpr int kClusterTimeFailsRateLimiter = 205;
constexpr int kKeyNotFound = 211;
constexpr std::uint32_t kMaxDriftSeconds = 365 * 24 * 3600;     // maxAcceptableLogicalClockDriftSecs
constexpr std::uint32_t kKeySeconds = 90 * 24 * 3600;           // KeysRotationIntervalSec
constexpr std::size_t kKeyBytes = 20, kHashBytes = 20;
constexpr std::size_t kMostKeys = 1000;                           // documents of system.keys that are looked at
constexpr std::string_view kPurpose = "HMAC";
// A proof is for all times that differ in these bits alone. Facts: MongoDB's time_proof_service.cpp.
constexpr std::uint64_t kRange = 0x3ffff;

Namespace keys_namespace() { return {"admin", "system.keys"}; }

std::span<const std::uint8_t> as_bytes(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

std::string proof(std::string_view key, std::uint64_t range) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(range >> (8 * i));
  return net::hmac(net::Digest::kSha1, key, bytes);
}

std::string shown(bson::Timestamp time) { return fmt::format("{{ ts: Timestamp({}, {}) }}", time.seconds, time.increment); }

// A field of $clusterTime or its signature, of the type that it must have: as each server's parser refuses it.
class Shape {
 public:
  Shape(const ServerSettings& settings, std::string_view command) : by_idl_(settings.at_least(8, 0)), path_(command) {}

  Result<bson::View> object(const bson::Element& field) const {
    if (const auto document = field.to_document()) return *document;
    if (by_idl_) return wrong_type(field, field.key(), "object");
    return server_error(10065, fmt::format("invalid parameter: expected an object ({})", field.key()));
  }

  Result<bson::Element> field(bson::View in, std::string_view name, std::string_view parent, bson::Type type) const {
    const auto found = in[name];
    if (!found) {
      if (by_idl_) return server_error(code::kMissingField, fmt::format("BSON field '{}.{}.{}' is missing but a required field", path_, parent, name));
      return server_error(kNoSuchKey, fmt::format("Missing expected field \"{}\"", name));
    }
    if (found.type() == type || (type == bson::Type::kInt64 && found.is_number())) return found;
    return wrong_type(found, fmt::format("{}.{}", parent, name), bson::type_name(type));
  }

 private:
  tl::unexpected<Error> wrong_type(const bson::Element& found, std::string_view name, std::string_view wanted) const {
    const auto* type = bson::type_name(found.type());
    if (by_idl_) return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type '{}'", path_, name, type, wanted));
    if (wanted == "long") return server_error(code::kTypeMismatch, fmt::format("\"{}\" had the wrong type. Expected a number, found {}", found.key(), type));
    return server_error(code::kTypeMismatch, fmt::format("\"{}\" had the wrong type. Expected {}, found {}", found.key(), wanted, type));
  }

  const bool by_idl_;
  const std::string_view path_;
};

}  // namespace

bool ClusterTime::may_advance(const ClientConnection* connection) const {
  if (!services_.settings.auth) return true;
  return connection != nullptr && connection->auth.is_allowed("advanceClusterTime", {Resource::Kind::kCluster, {}});
}

Status ClusterTime::accept(const ClientConnection& connection, const Command& command, bson::View body) {
  const auto given = body["$clusterTime"];
  if (!given) return {};
  const auto& settings = services_.settings;
  const Shape shape(settings, command.name);
  const auto object = TRY(shape.object(given));
  const auto time = TRY(shape.field(object, "clusterTime", "$clusterTime", bson::Type::kTimestamp)).timestamp_value();
  Signature signature;
  // Since 8.0 one that needs no signature may do without.
  if (object["signature"] || !settings.at_least(8, 0)) {
    const auto inner = TRY(shape.field(object, "signature", "$clusterTime", bson::Type::kDocument)).document_value();
    const auto hash = TRY(shape.field(inner, "hash", "$clusterTime.signature", bson::Type::kBinary)).binary_value();
    signature.key = TRY(shape.field(inner, "keyId", "$clusterTime.signature", bson::Type::kInt64)).to_int64().value_or(0);
    signature.hash.assign(reinterpret_cast<const char*>(hash.data.data()), hash.data.size());
    if (hash.subtype != 0) return server_error(kUnsupportedFormat, "SHA1Block only accepts BinDataGeneral type");
    if (signature.hash.size() != kHashBytes) return server_error(kUnsupportedFormat, fmt::format("Unsupported SHA1Block hash length: {}", signature.hash.size()));
  }
  if (settings.auth) {
    const bool dummy = signature.hash == Signature().hash;
    const auto& auth = connection.auth;
    if ((command.flags & kNoAuth) != 0 && dummy && !auth.is_authenticated() && !auth.localhost_exception()) return {};
    if (!may_advance(&connection)) TRY(check_signature(time, signature));
  }
  const auto wall = static_cast<std::uint32_t>(wall_millis(services_.runtime) / 1000);
  const bool five = settings.at_least(5, 0);
  if (time.seconds > wall && time.seconds - wall > kMaxDriftSeconds) {
    return server_error(kClusterTimeFailsRateLimiter, fmt::format("New {}, {}, is too far from this node's wall clock time, {}.", five ? "$clusterTime" : "cluster time", time.seconds, wall));
  }
  if (time.seconds > INT32_MAX || time.increment > INT32_MAX) {
    return server_error(40484, fmt::format("{} cannot be advanced beyond its maximum value", five ? "$clusterTime" : "cluster time"));
  }
  services_.engine.advance_cluster_time(time);
  return {};
}

Status ClusterTime::check_signature(bson::Timestamp time, const Signature& given) {
  std::lock_guard lock(mutex_);
  if (time <= seen_) return {};
  const auto key = std::ranges::find(keys_, given.key, &Key::id);
  if (key == keys_.end() || key->expires <= time) {
    const auto* who = services_.settings.at_least(5, 0) ? "" : "Cache Reader ";
    return server_error(kKeyNotFound, fmt::format("{}No keys found for HMAC that is valid for time: {} with id: {}", who, shown(time), given.key));
  }
  if (!net::equal_constant_time(proof(key->bytes, time.value() | kRange), given.hash)) return server_error(kTimeProofMismatch, "Proof does not match the cluster time");
  seen_ = time;
  return {};
}

const ClusterTime::Signature& ClusterTime::sign(bson::Timestamp time) {
  const auto range = time.value() | kRange;
  const auto key = std::ranges::find_if(keys_, [&](const Key& each) { return each.expires > time; });
  if (range == signed_range_ && key != keys_.end() && signature_.key == key->id) {
    seen_ = std::max(seen_, time);
    return signature_;
  }
  signed_range_ = range;
  signature_ = key == keys_.end() ? Signature() : Signature{.key = key->id, .hash = proof(key->bytes, range)};
  if (key != keys_.end()) seen_ = std::max(seen_, time);
  return signature_;
}

void ClusterTime::append(bson::Builder& out, const ClientConnection* connection, bson::Timestamp operation_time) {
  const auto time = std::max(services_.engine.cluster_time(), operation_time);
  Signature signature;
  if (!may_advance(connection)) {
    std::lock_guard lock(mutex_);
    signature = sign(time);
    if (signature.key == 0) return;
  }
  {
    auto cluster = out.open_document("$clusterTime");
    cluster.append("clusterTime", time);
    auto inner = cluster.open_document("signature");
    inner.append("hash", bson::Binary{0, as_bytes(signature.hash)}).append("keyId", signature.key);
  }
  out.append("operationTime", operation_time);
}

Status ClusterTime::provide_keys() {
  auto& engine = services_.engine;
  if (!services_.settings.auth || !engine.is_primary()) return {};
  const auto now = std::max(engine.cluster_time(), bson::Timestamp{static_cast<std::uint32_t>(wall_millis(services_.runtime) / 1000), 0});
  const auto lasting = [&](const Key& key) { return key.expires > now; };
  {
    std::lock_guard lock(mutex_);
    if (std::ranges::count_if(keys_, lasting) >= 2) return {};
  }
  auto unit = begin_own_unit(engine);
  if (!unit) return {};
  auto collection = unit->catalog().find(keys_namespace());
  if (!collection) collection = TRY(unit->create_collection(keys_namespace(), bson::View(), default_id_index(nullptr)));
  if (collection->is_view()) return server_error(code::kCommandNotSupportedOnView, keys_namespace().to_string() + " is a view");
  auto keys = TRY(stored_keys(*unit, *collection));
  std::erase_if(keys, std::not_fn(lasting));
  while (keys.size() < 2) {
    const auto begins = keys.empty() ? now : keys.back().expires;
    Key key{.id = static_cast<std::int64_t>(unit->upcoming_time().value() + keys.size()), .bytes = net::random_bytes(kKeyBytes), .expires = {begins.seconds + kKeySeconds, 0}};
    bson::Builder document;
    document.append("_id", key.id).append("purpose", kPurpose).append("key", bson::Binary{0, as_bytes(key.bytes)}).append("expiresAt", key.expires);
    TRY(unit->insert(collection, std::move(document).finish()));
    keys.push_back(std::move(key));
  }
  TRY(unit->commit());
  std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
  return {};
}

Result<std::vector<ClusterTime::Key>> ClusterTime::stored_keys(const Reader& reader, const CollectionInfo& collection) {
  std::vector<Key> keys;
  RecordCursor stored(reader, collection);
  for (std::size_t looked_at = 0; looked_at < kMostKeys; ++looked_at) {
    const auto document = TRY(stored.next());
    if (!document) break;
    const auto expires = (*document)["expiresAt"].to_timestamp();
    const auto bytes = (*document)["key"];
    const auto id = (*document)["_id"].to_int64();
    if (!expires || !id || bytes.type() != bson::Type::kBinary || (*document)["purpose"].to_string_view() != kPurpose) continue;
    const auto data = bytes.binary_value().data;
    keys.push_back({*id, std::string(reinterpret_cast<const char*>(data.data()), data.size()), *expires});
  }
  std::ranges::sort(keys, {}, &Key::expires);
  return keys;
}

}  // namespace drover::sandbox
