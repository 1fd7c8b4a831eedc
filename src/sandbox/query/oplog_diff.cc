#include "sandbox/query/oplog_diff.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/path.h"
#include "sandbox/query/update.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;

namespace {

bool same_container(const Element& a, const Element& b) {
  return a.type() == b.type() && (a.is_document() || a.is_array());
}

Document diff_arrays(View before, View after);

Document diff_documents(View before, View after) {
  std::set<std::string, std::less<>> deletes;
  bson::Builder updates, inserts, below;
  auto old = before.begin();
  auto now = after.begin();
  for (; old != before.end() && now != after.end(); ++old) {
    if (old->key() != now->key()) {
      deletes.emplace(old->key());
      continue;
    }
    if (!old->same_value_bytes(*now)) {
      if (same_container(*old, *now)) {
        const Document inner = old->is_array() ? diff_arrays(old->document_value(), now->document_value())
                                               : diff_documents(old->document_value(), now->document_value());
        if (inner.size() < now->value_size()) {
          below.append("s" + std::string(now->key()), inner);
        } else {
          updates.append(now->key(), *now);
        }
      } else {
        updates.append(now->key(), *now);
      }
    }
    ++now;
  }
  for (; now != after.end(); ++now) {
    inserts.append(now->key(), *now);
    if (const auto again = deletes.find(now->key()); again != deletes.end()) deletes.erase(again);
  }
  for (; old != before.end(); ++old) deletes.emplace(old->key());
  bson::Builder out;
  if (!deletes.empty()) {
    auto section = out.open_document("d");
    for (const auto& name : deletes) section.append(name, false);
  }
  if (!updates.empty()) out.append("u", std::move(updates).finish());
  if (!inserts.empty()) out.append("i", std::move(inserts).finish());
  out.append_all(std::move(below).finish().view());
  return std::move(out).finish();
}

Document diff_arrays(View before, View after) {
  bson::Builder out;
  out.append("a", true);
  const std::size_t old_count = before.field_count();
  const std::size_t new_count = after.field_count();
  if (new_count < old_count) out.append("l", static_cast<std::int32_t>(new_count));
  auto old = before.begin();
  std::size_t index = 0;
  for (const Element& now : after) {
    const std::string name = std::to_string(index);
    if (index >= old_count) {
      out.append("u" + name, now);
    } else {
      if (!old->same_value_bytes(now) || old->type() != now.type()) {
        Document inner;
        if (same_container(*old, now)) {
          inner = old->is_array() ? diff_arrays(old->document_value(), now.document_value())
                                  : diff_documents(old->document_value(), now.document_value());
        }
        if (!inner.empty() && inner.size() < now.value_size()) {
          out.append("s" + name, inner);
        } else {
          out.append("u" + name, now);
        }
      }
      ++old;
    }
    ++index;
  }
  return std::move(out).finish();
}

tl::unexpected<Error> malformed(std::string_view what) {
  return bad(4770500, fmt::format("applying an oplog diff: {}; the entry is damaged", what));
}

Status apply_to_array(View before, View diff, bson::Builder& out);

Status apply_to_document(View before, View diff, bson::Builder& out) {
  const View deletes = diff["d"].to_document().value_or(View());
  const View updates = diff["u"].to_document().value_or(View());
  const View inserts = diff["i"].to_document().value_or(View());
  for (const Element& field : before) {
    // Of several fields of one name the first is meant, as in updates.
    if (before[field.key()].raw().data() != field.raw().data()) {
      out.append_raw(field);
      continue;
    }
    const std::string sub = "s" + std::string(field.key());
    if (deletes[field.key()] || inserts[field.key()]) continue;
    if (const Element newer = updates[field.key()]) {
      out.append_raw(newer);
    } else if (const Element below = diff[sub]; below.is_document()) {
      const View inner = below.document_value();
      if (inner["a"] && field.is_array()) {
        bson::Builder items;
        TRY(apply_to_array(field.document_value(), inner, items));
        out.append(field.key(), bson::ArrayView{std::move(items).finish().view()});
      } else if (field.is_document()) {
        auto object = out.open_document(field.key());
        TRY(apply_to_document(field.document_value(), inner, object));
      } else {
        out.append_raw(field);  // replaced meanwhile: a later entry says what it became
      }
    } else {
      out.append_raw(field);
    }
  }
  for (const Element& field : updates) {
    if (!before[field.key()]) out.append_raw(field);
  }
  for (const Element& field : inserts) out.append_raw(field);
  return {};
}

// More than a document of 16 MB can hold: a larger index is damage.
constexpr std::size_t kMaxItems = 4'000'000;

struct ItemChange {
  Element value;
  Element diff;
};

Status apply_to_array(View before, View diff, bson::Builder& out) {
  std::optional<std::size_t> length;
  std::vector<std::pair<std::size_t, ItemChange>> changes;
  for (const Element& e : diff) {
    if (e.key() == "a") continue;
    if (e.key() == "l") {
      length = static_cast<std::size_t>(e.to_int64().value_or(0));
      continue;
    }
    const auto index = e.key().size() > 1 ? array_index(e.key().substr(1)) : std::nullopt;
    if (!index || *index > kMaxItems) return malformed("an unknown field in an array's diff");
    if (e.key()[0] == 's' && !e.is_document()) return malformed("a part of an array's diff is no document");
    changes.push_back({*index, e.key()[0] == 'u' ? ItemChange{e, {}} : ItemChange{{}, e}});
  }
  std::size_t count = before.field_count();
  if (length) count = std::min(count, *length);
  for (const auto& [index, change] : changes) count = std::max(count, index + 1);
  auto old = before.begin();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = std::to_string(i);
    Element held = old != before.end() ? *old : Element();
    if (held.exists()) ++old;
    const ItemChange* change = nullptr;
    for (const auto& [index, candidate] : changes) {
      if (index == i) change = &candidate;
    }
    if (change && change->value.exists()) {
      out.append(name, change->value);
    } else if (change && held.is_document()) {
      auto object = out.open_document(name);
      TRY(apply_to_document(held.document_value(), change->diff.document_value(), object));
    } else if (change && held.is_array()) {
      bson::Builder items;
      TRY(apply_to_array(held.document_value(), change->diff.document_value(), items));
      out.append(name, bson::ArrayView{std::move(items).finish().view()});
    } else if (held.exists()) {
      out.append(name, held);
    } else {
      out.append(name, bson::Null{});
    }
  }
  return {};
}

}  // namespace

std::optional<Document> compute_diff(View before, View after) {
  Document diff = diff_documents(before, after);
  if (diff.size() >= after.size()) return std::nullopt;
  // A name that stands twice in a document makes a diff ambiguous.
  const auto again = apply_diff(before, diff.view());
  if (!again || !again->view().same_bytes(after)) return std::nullopt;
  return diff;
}

Result<Document> apply_diff(View before, View diff) {
  bson::Builder out;
  TRY(apply_to_document(before, diff, out));
  return std::move(out).finish();
}

bool is_replacement_entry(View oplog_object) {
  if (oplog_object["$v"]) return false;
  return !oplog_object.first().key().starts_with('$');
}

Result<Document> apply_oplog_update(View before, View oplog_object) {
  if (is_replacement_entry(oplog_object)) return Document(oplog_object);
  if (const auto diff = oplog_object["diff"].to_document()) return apply_diff(before, *diff);
  bson::Builder modifiers;
  for (const Element& e : oplog_object) {
    if (e.key() != "$v") modifiers.append_raw(e);
  }
  bson::Builder wrapped;
  wrapped.append("u", std::move(modifiers).finish());
  const Document update_spec = std::move(wrapped).finish();
  const auto update = TRY(Update::parse(update_spec["u"], {}));
  return TRY(update.apply(before, {})).document;
}

}  // namespace drover::sandbox::query
