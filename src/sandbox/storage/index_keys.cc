#include "sandbox/storage/index_keys.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/query/matcher.h"
#include "sandbox/storage/kept_indexes.h"

namespace drover::sandbox {

namespace {

// How far one field's path has been followed.
struct Slot {
  bson::Element value;
  std::string_view rest;  // path below `value`
  bool done = false;
};
using Emit = std::function<void(const std::vector<Slot>&)>;

std::pair<std::string_view, std::string_view> split(std::string_view path) {
  const auto dot = path.find('.');
  if (dot == std::string_view::npos) return {path, {}};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A number is an item's place, unless it names a field of one of the items as well: then it could mean either.
Status check_unambiguous(std::string_view number, bson::View array) {
  for (const auto& item : array) {
    if (!item.is_document() || !item.document_value()[number].exists()) continue;
    return fail(ErrorCode::kFailure,
                fmt::format("Ambiguous field name found in array (do not use numeric field names in embedded elements in an array), "
                            "field: '{}' for array: {}", number, bson::to_shell(array)), 16746);
  }
  return {};
}

// Follows the path until it ends or stands before an array to be expanded; then done is false.
Status follow(Slot& slot) {
  while (!slot.rest.empty()) {
    const auto [head, tail] = split(slot.rest);
    if (slot.value.is_array()) {
      const auto item = is_number(head) ? slot.value.document_value()[head] : bson::Element();
      if (!item.exists()) return {};  // an array in the middle: expanded
      TRY(check_unambiguous(head, slot.value.document_value()));
      slot = {item, tail, false};
    } else if (slot.value.is_document()) {
      slot = {slot.value.document_value()[head], tail, false};
    } else {
      slot = {bson::Element(), {}, true};
      return {};
    }
  }
  slot.done = !slot.value.is_array();
  return {};
}

class Expansion {
 public:
  Expansion(const IndexInfo& index, const Emit& emit) : index_(index), emit_(emit) {}

  Status run(std::vector<Slot> slots) {
    const Slot* array = nullptr;
    std::size_t array_field = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (!slots[i].done) TRY(follow(slots[i]));
      if (slots[i].done) continue;
      multikey_ |= 1ull << i;
      if (!array) {
        array = &slots[i];
        array_field = i;
      } else if (array->value.value() != slots[i].value.value()) {
        return fail(ErrorCode::kFailure,
                    fmt::format("cannot index parallel arrays [{}] [{}]", last_part(index_.fields[i].path),
                                last_part(index_.fields[array_field].path)), 171);
      }
    }
    if (!array) {
      emit_(slots);
      return {};
    }
    const auto items = array->value.document_value();
    if (items.empty()) return expand(slots, undefined_);
    for (const auto& item : items) TRY(expand(slots, item));
    return {};
  }
  std::uint64_t multikey() const { return multikey_; }

 private:
  // Every field that stands before the array goes on from one of its items.
  Status expand(const std::vector<Slot>& slots, const bson::Element& item) {
    auto next = slots;
    for (auto& slot : next) {
      if (slot.done) continue;
      if (slot.rest.empty()) {
        slot = {item, {}, true};
      } else if (item.is_document()) {
        slot = {item, slot.rest, false};
      } else {
        slot = {bson::Element(), {}, true};
      }
    }
    return run(std::move(next));
  }
  static std::string_view last_part(std::string_view path) { return path.substr(path.rfind('.') + 1); }

  const IndexInfo& index_;
  const Emit& emit_;
  std::uint64_t multikey_ = 0;
  bson::Document undefined_document_ = bson::make_document({{"", bson::Undefined{}}});
  bson::Element undefined_ = undefined_document_.view().first();
};

const bson::Element& null_element() {
  static const bson::Document document = bson::make_document({{"", bson::Null{}}});
  static const bson::Element element = document.view().first();
  return element;
}

const bson::Element& or_null(const bson::Element& value) { return value.exists() ? value : null_element(); }

std::string encode(const IndexInfo& index, const std::vector<Slot>& slots) {
  std::string key;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    bson::append_key_string(key, or_null(slots[i].value), index.collator.get(), index.fields[i].descending);
  }
  return key;
}

bool all_missing(const std::vector<Slot>& slots) {
  return std::none_of(slots.begin(), slots.end(), [](const Slot& slot) { return slot.value.exists(); });
}

Result<std::uint64_t> for_each_key(const IndexInfo& index, bson::View document, const Emit& emit) {
  std::vector<Slot> slots;
  for (const auto& field : index.fields) {
    const auto [head, tail] = split(field.path);
    slots.push_back({document[head], tail, false});
  }
  Expansion expansion(index, emit);
  TRY(expansion.run(std::move(slots)));
  return expansion.multikey();
}

}  // namespace

Result<IndexKeys> index_keys(const IndexInfo& index, bson::View document) {
  IndexKeys result;
  if (index.is_id()) {  // the common one: never an array
    result.keys.emplace_back();
    bson::append_key_string(result.keys.back(), or_null(document["_id"]), index.collator.get());
    return result;
  }
  if (!index.is_plain()) {
    if (!index.partial_filter || index.partial_filter->matches(document)) TRY(check_kept(index, document));
    return result;
  }
  if (index.partial_filter && !index.partial_filter->matches(document)) return result;
  result.multikey = TRY(for_each_key(index, document, [&](const std::vector<Slot>& slots) {
    if (index.sparse && all_missing(slots)) return;
    result.keys.push_back(encode(index, slots));
  }));
  std::sort(result.keys.begin(), result.keys.end());
  result.keys.erase(std::unique(result.keys.begin(), result.keys.end()), result.keys.end());
  return result;
}

bson::Document index_key_value(const IndexInfo& index, bson::View document, std::string_view encoded) {
  std::optional<bson::Document> found;
  (void)for_each_key(index, document, [&](const std::vector<Slot>& slots) {
    if (found || encode(index, slots) != encoded) return;
    bson::Builder out;
    for (std::size_t i = 0; i < slots.size(); ++i) out.append(index.fields[i].path, or_null(slots[i].value));
    found = std::move(out).finish();
  });
  return found.value_or(bson::Document());
}

}  // namespace drover::sandbox
