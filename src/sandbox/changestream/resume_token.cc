#include "sandbox/changestream/resume_token.h"

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/key_string.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox::changestream {

namespace {

// KeyString's type bytes.
constexpr unsigned char kTimestamp = 0x82;
constexpr unsigned char kZero = 0x29;
constexpr unsigned char kOneByteInt = 0x2b;    // a positive integer n is kOneByteInt - 1 + (bytes of 2n), then 2n
constexpr unsigned char kFalse = 0x6e;
constexpr unsigned char kTrue = 0x6f;
constexpr unsigned char kBinary = 0x5a;
constexpr unsigned char kObject = 0x46;
constexpr unsigned char kNull = 0x14;
constexpr unsigned char kString = 0x3c;
constexpr unsigned char kEnd = 0x04;
constexpr int kNewestVersion = 2;
constexpr std::int64_t kEventType = 128;

void put_int(std::string& out, std::int64_t value) {
  if (value == 0) {
    out += static_cast<char>(kZero);
    return;
  }
  const auto doubled = static_cast<std::uint64_t>(value) << 1;
  int bytes = 1;
  while (bytes < 8 && doubled >> (8 * bytes) != 0) ++bytes;
  out += static_cast<char>(kOneByteInt + bytes - 1);
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(doubled >> (8 * i));
}

class Reader {
 public:
  explicit Reader(std::string_view data) : data_(data) {}
  bool failed() const { return failed_; }
  std::string_view rest() const { return data_; }
  unsigned char byte() {
    if (data_.empty()) {
      failed_ = true;
      return 0;
    }
    const auto value = static_cast<unsigned char>(data_.front());
    data_.remove_prefix(1);
    return value;
  }
  std::uint64_t big_endian(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | byte();
    return value;
  }
  std::int64_t integer() {
    const auto type = byte();
    if (type == kZero) return 0;
    if (type < kOneByteInt || type >= kOneByteInt + 8) {
      failed_ = true;
      return 0;
    }
    return static_cast<std::int64_t>(big_endian(type - kOneByteInt + 1) >> 1);
  }

 private:
  std::string_view data_;
  bool failed_ = false;
};

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

// An identifier ends in a zero byte; what comes after the last is a fragment's number: zero, or one byte of twice its
// value. An event has fewer fields than such a byte can count.
Result<std::optional<int>> take_fragment(std::string_view& rest) {
  if (rest.empty() || rest.back() == 0) return std::optional<int>();
  const auto last = static_cast<unsigned char>(rest.back());
  rest.remove_suffix(1);
  if (last == kZero && !rest.empty() && rest.back() == 0) return std::optional(0);
  if (rest.empty() || static_cast<unsigned char>(rest.back()) != kOneByteInt) return server_error(260, "Bad resume token: malformed");
  rest.remove_suffix(1);
  return std::optional(last / 2);
}

}  // namespace

std::string ResumeToken::to_hex() const {
  std::string bytes;
  bytes += static_cast<char>(kTimestamp);
  for (int i = 7; i >= 0; --i) bytes += static_cast<char>(time.value() >> (8 * i));
  put_int(bytes, version);
  put_int(bytes, is_event ? kEventType : 0);
  put_int(bytes, txn_index);
  bytes += static_cast<char>(from_invalidate ? kTrue : kFalse);
  if (uuid) {
    bytes += static_cast<char>(kBinary);
    bytes += '\x10';
    bytes += '\x04';
    bytes.append(reinterpret_cast<const char*>(uuid->bytes.data()), uuid->bytes.size());
  } else if (version >= 2) {
    bytes += static_cast<char>(kNull);
  }
  if (has_identifier) {
    bytes += static_cast<char>(kObject);
    bytes += identifier;
  }
  if (fragment) put_int(bytes, *fragment);
  bytes += static_cast<char>(kEnd);
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const unsigned char c : bytes) {
    hex += kDigits[c >> 4];
    hex += kDigits[c & 15];
  }
  return hex;
}

bson::Document ResumeToken::to_document() const { return bson::make_document({{"_data", to_hex()}}); }

namespace {

// As the server's KeyString has a field of an object: type, name, type again, value.
void put_field(std::string& out, unsigned char type, std::string_view name) {
  out += static_cast<char>(type);
  out += name;
  out += '\0';
  out += static_cast<char>(type);
}

std::string encode(int version, const ResumeToken::Identity& identity) {
  if (version < 2 && !identity.is_expanded) return bson::key_string(identity.key["_id"]);
  std::string out;
  put_field(out, kString, "operationType");
  out += identity.operation_type;
  out += '\0';
  if (!identity.key_name.empty()) {
    put_field(out, kObject, identity.key_name);
    const auto key = bson::make_document({{"", identity.key}});
    out += bson::key_string(key[""]);
    out += '\0';
  }
  out += '\0';
  return out;
}

}  // namespace

ResumeToken ResumeToken::event(int version, bson::Timestamp time, std::int64_t txn_index, std::optional<Uuid> uuid, const Identity& identity) {
  ResumeToken token{.time = time, .version = version, .is_event = true, .txn_index = txn_index, .uuid = uuid};
  token.has_identifier = version >= 2 || identity.is_expanded || identity.key["_id"].exists();
  if (token.has_identifier) token.identifier = encode(version, identity);
  return token;
}

Result<ResumeToken> ResumeToken::parse(const bson::Element& element) {
  const auto object = element.to_document();
  if (!object) return server_error(40647, "resume token must be an object");
  const auto text = (*object)["_data"].to_string_view();
  if (!text) return server_error(40647, "Bad resume token: _data of missing or of wrong type");
  const auto bytes = from_hex(*text);
  if (!bytes) return server_error(9, "resume token string was not a valid hex string");
  Reader reader(*bytes);
  ResumeToken token;
  if (reader.byte() != kTimestamp) return server_error(260, "Bad resume token: it does not begin with a time");
  token.time = bson::Timestamp::from_value(reader.big_endian(8));
  const auto version = reader.integer();
  if (version < 1 || version > kNewestVersion) return server_error(260, fmt::format("Invalid resume token version: {}", version));
  token.version = static_cast<int>(version);
  const auto type = reader.integer();
  token.is_event = type == kEventType;
  token.txn_index = reader.integer();
  token.from_invalidate = reader.byte() == kTrue;
  auto next = reader.byte();
  if (next == kBinary) {
    if (reader.byte() != 16 || reader.byte() != 4) return server_error(260, "Bad resume token: no UUID where one belongs");
    Uuid uuid;
    for (auto& byte : uuid.bytes) byte = reader.byte();
    token.uuid = uuid;
    next = reader.byte();
  } else if (next == kNull && version >= 2) {
    next = reader.byte();
  }
  if (next == kObject) {
    auto rest = reader.rest();
    if (rest.empty()) return server_error(260, "Bad resume token: cut off");
    next = static_cast<unsigned char>(rest.back());
    rest.remove_suffix(1);
    if (version >= 2) token.fragment = TRY(take_fragment(rest));
    token.identifier = rest;
    token.has_identifier = true;
  }
  if (reader.failed() || next != kEnd || (type != 0 && type != kEventType)) {
    return server_error(260, "Bad resume token: malformed");
  }
  return token;
}

}  // namespace drover::sandbox::changestream
