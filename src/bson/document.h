// Documents as bytes. `View` and `Element` borrow; `Document` owns. Nothing here decodes more than it is asked for, and
// nothing checks: bytes from outside go through validate() (validate.h) once, where they enter; after that iteration is
// trusted. Not thread-safe beyond const use.
#pragma once

#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/uuid.h"
#include "bson/types.h"

namespace drover::bson {

class View;

struct Binary {
  std::uint8_t subtype = 0;
  std::span<const std::uint8_t> data;
};
struct Regex {
  std::string_view pattern;
  std::string_view options;
};
struct DbPointer {
  std::string_view ns;
  ObjectId id;
};

// One field of a document: pointers into its bytes. A default one is "missing" (type kEnd).
class Element {
 public:
  Element() = default;
  // `start` is at the type byte. Finds where key and value end; decodes nothing.
  explicit Element(const std::uint8_t* start)
      : start_(start),
        key_size_(static_cast<std::uint32_t>(std::strlen(reinterpret_cast<const char*>(start + 1)))),
        value_size_(value_size_at(static_cast<Type>(*start), start + 2 + key_size_)) {}

  bool exists() const { return start_ != nullptr; }
  explicit operator bool() const { return exists(); }
  Type type() const { return start_ ? static_cast<Type>(*start_) : Type::kEnd; }
  std::string_view key() const { return start_ ? std::string_view(reinterpret_cast<const char*>(start_ + 1), key_size_) : std::string_view(); }
  const std::uint8_t* value() const { return start_ + 2 + key_size_; }  // first byte after the key's NUL
  std::size_t value_size() const { return value_size_; }
  std::span<const std::uint8_t> value_bytes() const { return {value(), value_size_}; }
  // Type byte, key, NUL and value.
  std::span<const std::uint8_t> raw() const { return {start_, 2 + key_size_ + value_size_}; }
  std::size_t size() const { return 2 + key_size_ + value_size_; }

  // Valid only for the matching type.
  double double_value() const { return read<double>(); }
  std::int32_t int32_value() const { return read<std::int32_t>(); }
  std::int64_t int64_value() const { return read<std::int64_t>(); }
  bool bool_value() const { return *value() != 0; }
  DateTime date_value() const { return {read<std::int64_t>()}; }
  Timestamp timestamp_value() const { return Timestamp::from_value(read<std::uint64_t>()); }
  ObjectId object_id_value() const;
  Decimal128 decimal_value() const;
  std::string_view string_value() const;  // string, symbol, code
  View document_value() const;            // document, array
  Binary binary_value() const;
  Regex regex_value() const;
  DbPointer db_pointer_value() const;
  std::string_view code_with_scope_code() const;
  View code_with_scope_scope() const;

  bool is_number() const {
    return type() == Type::kInt32 || type() == Type::kInt64 || type() == Type::kDouble || type() == Type::kDecimal128;
  }
  bool is_string() const { return type() == Type::kString; }
  bool is_document() const { return type() == Type::kDocument; }
  bool is_array() const { return type() == Type::kArray; }
  bool is_null() const { return type() == Type::kNull; }

  // Forgiving readers: nothing when the type does not fit. Numbers convert when the value is exactly representable
  // (doubles and decimals are truncated toward zero for to_int64, as the server's safeNumberLong does; nothing when out of
  // range). to_double gives the nearest double.
  std::optional<std::int64_t> to_int64() const;
  std::optional<double> to_double() const;
  std::optional<std::string_view> to_string_view() const;
  std::optional<View> to_document() const;  // documents only
  std::optional<View> to_array() const;
  std::optional<Uuid> to_uuid() const;      // binary subtype 4, 16 bytes
  std::optional<Timestamp> to_timestamp() const;
  // The server's trueValue(): false for missing, null, undefined, false and any zero; true otherwise.
  bool is_truthy() const;

  // Same type and same value bytes (keys are not compared).
  bool same_value_bytes(const Element& other) const;

 private:
  template <typename T>
  T read() const {
    T result;
    std::memcpy(&result, value(), sizeof result);
    return result;
  }

  static std::uint32_t value_size_at(Type type, const std::uint8_t* value) {
    const auto stored = [&] {
      std::uint32_t size;
      std::memcpy(&size, value, sizeof size);
      return size;
    };
    switch (type) {
      case Type::kNull:
      case Type::kUndefined:
      case Type::kMinKey:
      case Type::kMaxKey: return 0;
      case Type::kBool: return 1;
      case Type::kInt32: return 4;
      case Type::kDouble:
      case Type::kInt64:
      case Type::kDateTime:
      case Type::kTimestamp: return 8;
      case Type::kObjectId: return 12;
      case Type::kDecimal128: return 16;
      case Type::kString:
      case Type::kSymbol:
      case Type::kCode: return 4 + stored();
      case Type::kDocument:
      case Type::kArray:
      case Type::kCodeWithScope: return stored();
      case Type::kBinary: return 5 + stored();
      default: return rare_value_size_at(type, value);
    }
  }
  // Regular expressions and DBPointers. A type that does not exist stops the process: the bytes were not validated.
  static std::uint32_t rare_value_size_at(Type type, const std::uint8_t* value);

  const std::uint8_t* start_ = nullptr;
  std::uint32_t key_size_ = 0;
  std::uint32_t value_size_ = 0;
};

// A borrowed document. The default one is the empty document.
class View {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Element;
    using difference_type = std::ptrdiff_t;
    using pointer = const Element*;
    using reference = const Element&;

    Iterator() = default;
    explicit Iterator(const std::uint8_t* at) : element_(*at == 0 ? Element() : Element(at)) {}
    const Element& operator*() const { return element_; }
    const Element* operator->() const { return &element_; }
    Iterator& operator++() {
      const std::uint8_t* next = element_.raw().data() + element_.size();
      element_ = *next == 0 ? Element() : Element(next);
      return *this;
    }
    Iterator operator++(int) { Iterator copy = *this; ++*this; return copy; }
    bool operator==(const Iterator& other) const {
      return element_.exists() == other.element_.exists() &&
             (!element_.exists() || element_.raw().data() == other.element_.raw().data());
    }

   private:
    Element element_;
  };

  View();
  explicit View(const std::uint8_t* data) : data_(data) {}

  const std::uint8_t* data() const { return data_; }
  std::size_t size() const {
    std::uint32_t size;
    std::memcpy(&size, data_, sizeof size);
    return size;
  }
  std::span<const std::uint8_t> bytes() const { return {data_, size()}; }
  bool empty() const { return size() <= 5; }
  Iterator begin() const { return Iterator(data_ + 4); }
  Iterator end() const { return Iterator(); }
  // The first field of that name, or a missing element. Linear.
  Element operator[](std::string_view key) const;
  // "a.b.0": documents by name, arrays by index. No array traversal.
  Element at_path(std::string_view dotted) const;
  std::size_t field_count() const;
  Element first() const { return empty() ? Element() : *begin(); }
  bool same_bytes(View other) const {
    return size() == other.size() && std::memcmp(data_, other.data_, size()) == 0;
  }

 private:
  const std::uint8_t* data_;
};

// An owned document. Cheap to move; copies are explicit in what they cost (one allocation).
class Document {
 public:
  Document();
  explicit Document(View view) : bytes_(view.data(), view.data() + view.size()) {}
  // `bytes` is a whole document.
  explicit Document(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}

  View view() const { return View(bytes_.data()); }
  operator View() const { return view(); }
  Element operator[](std::string_view key) const { return view()[key]; }
  std::size_t size() const { return bytes_.size(); }
  const std::vector<std::uint8_t>& bytes() const& { return bytes_; }
  std::vector<std::uint8_t> bytes() && { return std::move(bytes_); }
  bool empty() const { return bytes_.size() <= 5; }
  View::Iterator begin() const { return view().begin(); }
  View::Iterator end() const { return view().end(); }
  bool operator==(const Document& other) const { return bytes_ == other.bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

// An owned single value with its type: what a field held, kept beyond its document. Internally {"": value}.
class Value {
 public:
  Value() = default;  // missing
  explicit Value(const Element& element);
  Element element() const { return exists() ? document_->view().first() : Element(); }
  bool exists() const { return document_ != nullptr; }
  Type type() const { return element().type(); }

 private:
  std::shared_ptr<const Document> document_;
};

}  // namespace drover::bson
