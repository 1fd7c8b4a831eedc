#include <cstring>

#include "bson/builder.h"

#include <charconv>

#include "base/check.h"

namespace drover::bson {

namespace {

void put_size(std::vector<std::uint8_t>& buffer, std::size_t at, std::size_t size) {
  CHECK(size <= INT32_MAX, "a document outgrew BSON's 2 GB");
  const auto value = static_cast<std::int32_t>(size);
  std::memcpy(buffer.data() + at, &value, sizeof value);
}

}  // namespace

Builder::Builder(Builder&& other) noexcept
    : own_(std::move(other.own_)),
      buffer_(other.buffer_ == &other.own_ ? &own_ : other.buffer_),
      start_(other.start_),
      open_(other.open_),
      nested_(other.nested_) {
  other.open_ = false;
}

Builder::Builder(std::vector<std::uint8_t>* parent, std::string_view key, Type type) : buffer_(parent), nested_(true) {
  header(type, key);
  start_ = buffer_->size();
  begin();
}

void Builder::begin() { buffer_->resize(buffer_->size() + 4); }

void Builder::header(Type type, std::string_view key) {
  CHECK(open_, "append to a finished builder");
  key = key.substr(0, key.find('\0'));  // a name ends at its first NUL byte, wherever it came from
  const auto at = buffer_->size();
  buffer_->resize(at + key.size() + 2);  // the name's NUL with it
  auto* to = buffer_->data() + at;
  *to = static_cast<std::uint8_t>(type);
  if (!key.empty()) std::memcpy(to + 1, key.data(), key.size());
}

void Builder::bytes(const void* data, std::size_t size) {
  const auto* first = static_cast<const std::uint8_t*>(data);
  buffer_->insert(buffer_->end(), first, first + size);
}

void Builder::close() {
  if (!nested_ || !open_) return;
  open_ = false;
  buffer_->push_back(0);
  put_size(*buffer_, start_, buffer_->size() - start_);
}

Document Builder::finish() && {
  CHECK(!nested_ && open_, "only a top-level builder is finished, and once");
  open_ = false;
  own_.push_back(0);
  put_size(own_, 0, own_.size());
  return Document(std::move(own_));
}

Builder Builder::open_document(std::string_view key) { return Builder(buffer_, key, Type::kDocument); }
ArrayBuilder Builder::open_array(std::string_view key) { return ArrayBuilder(Builder(buffer_, key, Type::kArray)); }

Builder& Builder::append(std::string_view key, double value) {
  header(Type::kDouble, key);
  bytes(&value, sizeof value);
  return *this;
}

Builder& Builder::append(std::string_view key, std::int32_t value) {
  header(Type::kInt32, key);
  bytes(&value, sizeof value);
  return *this;
}

Builder& Builder::append(std::string_view key, std::int64_t value) {
  header(Type::kInt64, key);
  bytes(&value, sizeof value);
  return *this;
}

Builder& Builder::append(std::string_view key, bool value) {
  header(Type::kBool, key);
  buffer_->push_back(value ? 1 : 0);
  return *this;
}

namespace {

// A BSON string: length with its NUL, bytes, NUL.
void put_string(std::vector<std::uint8_t>& buffer, std::string_view text) {
  const std::size_t at = buffer.size();
  buffer.resize(at + 4);
  put_size(buffer, at, text.size() + 1);
  buffer.insert(buffer.end(), text.begin(), text.end());
  buffer.push_back(0);
}

}  // namespace

Builder& Builder::append(std::string_view key, std::string_view value) {
  header(Type::kString, key);
  put_string(*buffer_, value);
  return *this;
}

Builder& Builder::append(std::string_view key, View value) {
  header(Type::kDocument, key);
  bytes(value.data(), value.size());
  return *this;
}

Builder& Builder::append(std::string_view key, ArrayView value) {
  header(Type::kArray, key);
  bytes(value.view.data(), value.view.size());
  return *this;
}

Builder& Builder::append(std::string_view key, ObjectId value) {
  header(Type::kObjectId, key);
  bytes(value.bytes.data(), value.bytes.size());
  return *this;
}

Builder& Builder::append(std::string_view key, DateTime value) {
  header(Type::kDateTime, key);
  bytes(&value.millis, sizeof value.millis);
  return *this;
}

Builder& Builder::append(std::string_view key, Timestamp value) {
  header(Type::kTimestamp, key);
  const std::uint64_t bits = value.value();
  bytes(&bits, sizeof bits);
  return *this;
}

Builder& Builder::append(std::string_view key, Decimal128 value) {
  header(Type::kDecimal128, key);
  bytes(&value.low, sizeof value.low);
  bytes(&value.high, sizeof value.high);
  return *this;
}

Builder& Builder::append(std::string_view key, Uuid value) {
  return append(key, Binary{.subtype = 4, .data = value.bytes});
}

Builder& Builder::append(std::string_view key, Binary value) {
  header(Type::kBinary, key);
  const std::size_t at = buffer_->size();
  buffer_->resize(at + 4);
  put_size(*buffer_, at, value.data.size());
  buffer_->push_back(value.subtype);
  bytes(value.data.data(), value.data.size());
  return *this;
}

Builder& Builder::append(std::string_view key, Regex value) {
  CHECK(value.pattern.find('\0') == std::string_view::npos && value.options.find('\0') == std::string_view::npos,
        "a regular expression with a NUL byte");
  header(Type::kRegex, key);
  bytes(value.pattern.data(), value.pattern.size());
  buffer_->push_back(0);
  bytes(value.options.data(), value.options.size());
  buffer_->push_back(0);
  return *this;
}

Builder& Builder::append(std::string_view key, Code value) {
  header(Type::kCode, key);
  put_string(*buffer_, value.code);
  return *this;
}

Builder& Builder::append(std::string_view key, Null) {
  header(Type::kNull, key);
  return *this;
}

Builder& Builder::append(std::string_view key, Undefined) {
  header(Type::kUndefined, key);
  return *this;
}

Builder& Builder::append(std::string_view key, MinKey) {
  header(Type::kMinKey, key);
  return *this;
}

Builder& Builder::append(std::string_view key, MaxKey) {
  header(Type::kMaxKey, key);
  return *this;
}

Builder& Builder::append(std::string_view key, const Element& value) {
  CHECK(value.exists(), "append of a missing element");
  header(value.type(), key);
  bytes(value.value(), value.value_size());
  return *this;
}

Builder& Builder::append_raw(const Element& element) {
  CHECK(open_ && element.exists(), "append of a missing element or to a finished builder");
  bytes(element.raw().data(), element.size());
  return *this;
}

Builder& Builder::append_all(View view) {
  CHECK(open_, "append to a finished builder");
  bytes(view.data() + 4, view.size() - 5);
  return *this;
}

std::string_view ArrayBuilder::next_key() {
  const auto [end, error] = std::to_chars(key_, key_ + sizeof key_, next_);
  CHECK(error == std::errc(), "an array with more items than a document can hold");
  ++next_;
  return {key_, static_cast<std::size_t>(end - key_)};
}

Document make_document(std::initializer_list<Field> fields) {
  Builder builder;
  for (const Field& field : fields) builder.append_all(field.element);
  return std::move(builder).finish();
}

Document make_array(std::span<const Document> items) {
  ArrayBuilder builder;
  for (const Document& item : items) builder.append(item);
  return std::move(builder).finish();
}

Document append_fields(Document document, View more) {
  auto bytes = std::move(document).bytes();
  bytes.pop_back();
  bytes.insert(bytes.end(), more.data() + 4, more.data() + more.size());
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::memcpy(bytes.data(), &size, sizeof size);
  return Document(std::move(bytes));
}

}  // namespace drover::bson
