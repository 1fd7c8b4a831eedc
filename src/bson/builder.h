// Builds documents and arrays front to back into one buffer.
//
//   Builder b;
//   b.append("find", "t").append("limit", 1);
//   { auto filter = b.open_document("filter"); filter.append("a", 1); }   // closed by its destructor
//   Document d = std::move(b).finish();
//
// `make_document({{"ping", 1}, {"$db", "admin"}})` builds small fixed ones.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/uuid.h"
#include "bson/document.h"
#include "bson/types.h"

namespace drover::bson {

struct Null {};
struct Undefined {};
struct MinKey {};
struct MaxKey {};
struct Code {
  std::string_view code;
};
struct ArrayView {  // appends `view`'s bytes as an array
  View view;
};

class ArrayBuilder;

class Builder {
 public:
  Builder() : buffer_(&own_), start_(0) { begin(); }
  // A sub-document written into the parent's buffer.
  ~Builder() { close(); }
  Builder(Builder&& other) noexcept;
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;
  Builder& operator=(Builder&&) = delete;

  Builder& append(std::string_view key, double value);
  Builder& append(std::string_view key, std::int32_t value);
  Builder& append(std::string_view key, std::int64_t value);
  Builder& append(std::string_view key, bool value);
  Builder& append(std::string_view key, const char* value) { return append(key, std::string_view(value)); }
  Builder& append(std::string_view key, const std::string& value) { return append(key, std::string_view(value)); }
  Builder& append(std::string_view key, std::string_view value);
  Builder& append(std::string_view key, View value);
  Builder& append(std::string_view key, const Document& value) { return append(key, value.view()); }
  Builder& append(std::string_view key, ArrayView value);
  Builder& append(std::string_view key, ObjectId value);
  Builder& append(std::string_view key, DateTime value);
  Builder& append(std::string_view key, Timestamp value);
  Builder& append(std::string_view key, Decimal128 value);
  Builder& append(std::string_view key, Uuid value);  // binary subtype 4
  Builder& append(std::string_view key, Binary value);
  Builder& append(std::string_view key, Regex value);
  Builder& append(std::string_view key, Code value);
  Builder& append(std::string_view key, Null);
  Builder& append(std::string_view key, Undefined);
  Builder& append(std::string_view key, MinKey);
  Builder& append(std::string_view key, MaxKey);
  // The element's value under another key.
  Builder& append(std::string_view key, const Element& value);
  Builder& append(std::string_view key, const Value& value) { return append(key, value.element()); }
  // Type byte, key and value as they are.
  Builder& append_raw(const Element& element);
  // Every field of `view`.
  Builder& append_all(View view);

  Builder open_document(std::string_view key);
  ArrayBuilder open_array(std::string_view key);

  std::size_t size() const { return buffer_->size() - start_ + 1; }  // bytes if finished now
  bool empty() const { return buffer_->size() - start_ == 4; }
  void reserve(std::size_t bytes) { buffer_->reserve(start_ + bytes); }  // for so many in all, at once
  void close();                 // ends a sub-document early; nothing for a top-level builder
  Document finish() &&;         // top-level only

 private:
  friend class ArrayBuilder;
  Builder(std::vector<std::uint8_t>* parent, std::string_view key, Type type);
  void begin();
  void header(Type type, std::string_view key);
  void bytes(const void* data, std::size_t size);

  std::vector<std::uint8_t> own_;
  std::vector<std::uint8_t>* buffer_;
  std::size_t start_;
  bool open_ = true;
  bool nested_ = false;
};

// As Builder, with keys "0", "1", ... A top-level one finishes into a Document whose bytes are an array's.
class ArrayBuilder {
 public:
  ArrayBuilder() = default;
  ArrayBuilder(ArrayBuilder&&) noexcept = default;

  template <typename T>
  ArrayBuilder& append(T&& value) {
    builder_.append(next_key(), std::forward<T>(value));
    return *this;
  }
  Builder open_document() { return builder_.open_document(next_key()); }
  ArrayBuilder open_array() { return builder_.open_array(next_key()); }
  std::size_t count() const { return next_; }
  std::size_t size() const { return builder_.size(); }
  void reserve(std::size_t bytes) { builder_.reserve(bytes); }
  void close() { builder_.close(); }
  Document finish() && { return std::move(builder_).finish(); }

 private:
  friend class Builder;
  explicit ArrayBuilder(Builder builder) : builder_(std::move(builder)) {}
  std::string_view next_key();

  Builder builder_;
  std::size_t next_ = 0;
  char key_[12];
};

// `document` with the fields of `more` at its end, in its own buffer.
Document append_fields(Document document, View more);

// One field of make_document.
struct Field {
  template <typename T>
  Field(std::string_view k, T&& value) : element(make(k, std::forward<T>(value))) {}
  Document element;  // a document of that one field

 private:
  template <typename T>
  static Document make(std::string_view key, T&& value) {
    Builder builder;
    builder.append(key, std::forward<T>(value));
    return std::move(builder).finish();
  }
};
Document make_document(std::initializer_list<Field> fields);
inline Document make_document() { return Document(); }
// An array whose items are given documents.
Document make_array(std::span<const Document> items);

}  // namespace drover::bson
