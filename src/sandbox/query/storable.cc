#include "sandbox/query/storable.h"

#include <fmt/core.h>

#include "bson/validate.h"
#include "sandbox/query/update.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

constexpr ServerVersion kFive{5, 0, 0};
constexpr int kInvalidDBRef = 55;

std::string joined(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

// The field `name` of `object`, which begins with $.
Status check_dollar(View object, std::string_view name, const std::string& path) {
  Element before_previous, previous, current, next;
  for (const Element& field : object) {
    if (current) {
      next = field;
      break;
    }
    if (field.key() == name) {
      current = field;
    } else {
      before_previous = previous;
      previous = field;
    }
  }
  std::string_view role = name;
  if (role == "$db") {
    if (!current.is_string()) {
      return bad(kInvalidDBRef, fmt::format("The DBRef $db field must be a String, not a {}", bson::type_name(current.type())));
    }
    if (!previous || previous.key() != "$id") return bad(kInvalidDBRef, "Found $db field without a $id before it, which is invalid.");
    next = current;
    current = previous;
    previous = before_previous;
    role = "$id";
  }
  if (role == "$id") {
    if (!previous || previous.key() != "$ref") return bad(kInvalidDBRef, "Found $id field without a $ref before it, which is invalid.");
    next = current;
    current = previous;
    role = "$ref";
  }
  if (role == "$ref") {
    if (!current.is_string()) {
      return bad(kInvalidDBRef, fmt::format("The DBRef $ref field must be a String, not a {}", bson::type_name(current.type())));
    }
    if (!next || next.key() != "$id") return bad(kInvalidDBRef, "The DBRef $ref field must be followed by a $id field");
    return {};
  }
  return bad(code::kDollarPrefixedFieldName,
             fmt::format("The dollar ($) prefixed field '{}' in '{}' is not valid for storage.", name, joined(path, name)));
}

// The field names below `value`, which stands at `path`.
Status check_names(const Element& value, const std::string& path) {
  const View object = value.document_value();
  for (const Element& field : object) {
    if (!value.is_array() && field.key().starts_with('$')) TRY(check_dollar(object, field.key(), path));
    if (field.is_document() || field.is_array()) TRY(check_names(field, joined(path, field.key())));
  }
  return {};
}

bool is_reference(std::string_view name) { return name == "$ref" || name == "$id" || name == "$db"; }

// As BSON itself judges an _id: its message has the name alone.
Status check_embedded(View object) {
  bool first = true;
  for (auto at = object.begin(); at != object.end(); ++at, first = false) {
    const Element field = *at;
    if (!field.key().starts_with('$')) {
      if (field.is_document() || field.is_array()) TRY(check_embedded(field.document_value()));
      continue;
    }
    const bool reference = is_reference(field.key()) && (!first || (field.key() == "$ref" && field.is_string()));
    if (!reference || !check_dollar(object, field.key(), "")) {
      return bad(code::kDollarPrefixedFieldName, fmt::format("{} is not valid for storage.", field.key()));
    }
  }
  return {};
}

Status check_own_name(std::string_view name) {
  if (!name.starts_with('$') || is_reference(name)) return {};
  return bad(code::kDollarPrefixedFieldName,
             fmt::format("The dollar ($) prefixed field '{0}' in '{0}' is not allowed in the context of an update's replacement document. "
                         "Consider using an aggregation pipeline with $replaceWith.", name));
}

}  // namespace

Status check_written_names(View document, const LogEntry& entry) {
  Element parent;
  View object = document;
  std::string path;
  const std::size_t from = entry.kind == LogEntry::Kind::kCreate ? entry.first_new : entry.path.size() - 1;
  for (std::size_t i = 0; i < entry.path.size(); ++i) {
    const auto& name = entry.path[i].name;
    const bool in_array = i > 0 && parent.is_array();
    if (entry.kind == LogEntry::Kind::kUnset) {
      // What is left of a reference must still be one.
      if (i + 1 == entry.path.size() && is_reference(name) && !in_array) {
        for (const Element& field : object) {
          if (is_reference(field.key())) TRY(check_dollar(object, field.key(), path));
        }
      }
    } else if (i >= from && !in_array && name.starts_with('$')) {
      TRY(check_dollar(object, name, path));
    }
    path = joined(path, name);
    parent = object[name];
    if (i + 1 < entry.path.size()) {
      if (!parent.is_document() && !parent.is_array()) break;
      object = parent.document_value();
    }
  }
  const Element value = entry.value.element();
  if (entry.kind == LogEntry::Kind::kUnset || (!value.is_document() && !value.is_array())) return {};
  return check_names(value, path);
}

Status check_written_field(const LogEntry& entry) {
  const bool own = entry.kind == LogEntry::Kind::kCreate ? entry.first_new == 0 : entry.path.size() == 1;
  return own && entry.kind != LogEntry::Kind::kUnset ? check_own_name(entry.path.front().name) : Status();
}

Status check_replacement_fields(View replacement) {
  for (const Element& field : replacement) TRY(check_own_name(field.key()));
  return {};
}

Status check_levels(View document) {
  if (!bson::exceeds_levels(document, bson::kMaxStoredLevels)) return {};
  return bad(code::kOverflow, fmt::format("Document exceeds maximum nesting depth of {}", bson::kMaxStoredLevels));
}

Status check_storable(View document, ServerVersion version) {
  TRY(check_levels(document));
  const Element id = document["_id"];
  if (id.is_array() || id.type() == Type::kRegex || id.type() == Type::kUndefined) {
    return bad(code::kInvalidIdField, fmt::format("The '_id' value cannot be of type {}", bson::type_name(id.type())));
  }
  if (version < kFive) {
    bson::Builder wrapped;
    wrapped.append("", document);
    const auto held = std::move(wrapped).finish();
    return check_names(held.view().first(), "");
  }
  if (!id.is_document()) return {};
  // As it is anywhere within documents: a DBRef may be there, other names with a dollar may not.
  const auto embedded = check_embedded(id.document_value());
  if (embedded) return {};
  return bad(code::kDollarPrefixedFieldName, "_id fields may not contain '$'-prefixed fields: " + embedded.error().message);
}

Status check_insertable(View document, ServerVersion version) {
  if (bson::exceeds_levels(document, bson::kMaxStoredLevels)) {
    return bad(code::kOverflow, fmt::format("cannot insert document because it exceeds {} levels of nesting", bson::kMaxStoredLevels));
  }
  bool has_id = false;
  for (const Element& field : document) {
    if (version < kFive && field.key().starts_with('$')) {
      return bad(code::kBadValue, fmt::format("Document can't have $ prefixed field names: {}", field.key()));
    }
    if (field.key() != "_id") continue;
    if (version < kFive) {
      if (field.type() == Type::kRegex) return bad(code::kBadValue, "can't use a regex for _id");
      if (field.type() == Type::kUndefined) return bad(code::kBadValue, "can't use a undefined for _id");
      if (field.is_array()) return bad(code::kBadValue, "can't use an array for _id");
      if (field.is_document()) TRY(check_embedded(field.document_value()));
    } else {
      TRY(check_storable(document, version));
    }
    if (std::exchange(has_id, true)) return bad(code::kBadValue, "can't have multiple _id fields in one document");
  }
  return {};
}

}  // namespace drover::sandbox::query
