#include "sandbox/query/update_array_modifiers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/query/match_node.h"
#include "sandbox/query/item_order.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

namespace {

using ModifierPtr = Result<std::shared_ptr<const Modifier>>;

Value array_value(const std::vector<Value>& items) {
  bson::ArrayBuilder builder;
  for (const Value& item : items) builder.append(item.element());
  const bson::Document bytes = std::move(builder).finish();
  bson::Builder wrapped;
  wrapped.append("", bson::ArrayView{bytes.view()});
  return Value(std::move(wrapped).finish().view().first());
}

std::vector<Value> each_of(const Element& list) {
  std::vector<Value> values;
  for (const Element& item : list.document_value()) values.emplace_back(item);
  return values;
}

bool is_each(const Element& e) { return e.is_document() && e.document_value()["$each"].exists(); }

struct PushModifier final : Modifier {
  Result<Effect> update(MutableNode& target, const ModifierContext& context) const override {
    if (!target.is_array()) {
      const std::string id = context.id.exists() ? show_field("_id", context.id) : "no id";
      return bad(code::kBadValue, fmt::format("The field '{}' must be an array but is of type {} in document {{{}}}",
                                              join_path(*context.path), bson::type_name(target.type()), id));
    }
    auto& items = target.children();
    const std::size_t before = items.size();
    std::size_t at = before;
    if (position && *position >= 0) at = std::min(before, static_cast<std::size_t>(*position));
    if (position && *position < 0)
      at = static_cast<std::size_t>(std::max<std::int64_t>(0, static_cast<std::int64_t>(before) + *position));
    const bool at_end = !position || *position > static_cast<std::int64_t>(before);
    const bool trims = slice && before + values.size() > kept();
    if (values.empty() && !order && !trims) return Effect::kNone;
    const bool appends = at_end && before > 0 && !order && !trims;
    if (appends) {
      for (const Value& value : values) target.append(std::make_unique<MutableNode>("", value));
      return Effect::kAppended;
    }
    std::vector<Value> all;
    for (const auto& item : items) all.emplace_back(item->value());
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(at), values.begin(), values.end());
    arrange(all, context.collator);
    target.set(array_value(all));
    return Effect::kReplaced;
  }

  Result<std::optional<Value>> create(const ModifierContext& context) const override {
    std::vector<Value> all = values;
    arrange(all, context.collator);
    return array_value(all);
  }
  std::size_t appended() const override { return values.size(); }

  void arrange(std::vector<Value>& all, const bson::Collator* collator) const {
    if (order) {
      std::stable_sort(all.begin(), all.end(), [&](const Value& a, const Value& b) { return order->compare(a.element(), b.element(), collator) < 0; });
    }
    if (!slice || kept() >= all.size()) return;
    if (*slice >= 0) {
      all.resize(kept());
    } else {
      all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(kept()));
    }
  }
  std::size_t kept() const {
    constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
    return static_cast<std::size_t>(std::llabs(*slice == kLeast ? kLeast + 1 : *slice));
  }

  std::vector<Value> values;
  std::optional<std::int64_t> position, slice;
  std::optional<ItemOrder> order;
};

Result<std::int64_t> integer_clause(const Element& e, std::string_view name, std::string_view wording) {
  const auto whole = e.is_number() ? e.to_int64() : std::nullopt;
  if (!whole || e.to_double() != static_cast<double>(*whole)) {
    return bad(code::kBadValue, fmt::format("The value for {} must be an integer value{}: {}", name, wording,
                                            bson::type_name(e.type())));
  }
  return *whole;
}

struct AddToSetModifier final : Modifier {
  Result<Effect> update(MutableNode& target, const ModifierContext& context) const override {
    if (!target.is_array()) {
      return bad(code::kBadValue,
                 fmt::format("Cannot apply $addToSet to non-array field. Field named '{}' has non-array type {}",
                             target.key(), bson::type_name(target.type())));
    }
    auto& items = target.children();
    std::vector<const Value*> missing;
    for (const Value& value : values) {
      const bool held = std::ranges::any_of(
          items, [&](const auto& item) { return equal_values(item->value(), value.element(), context.collator); });
      const bool twice = std::ranges::any_of(missing, [&](const Value* other) {
        return equal_values(other->element(), value.element(), context.collator);
      });
      if (!held && !twice) missing.push_back(&value);
    }
    if (missing.empty()) return Effect::kNone;
    for (const Value* value : missing) target.append(std::make_unique<MutableNode>("", *value));
    return Effect::kReplaced;
  }
  Result<std::optional<Value>> create(const ModifierContext& context) const override {
    std::vector<Value> unique;
    for (const Value& value : values) {
      const bool twice = std::ranges::any_of(
          unique, [&](const Value& other) { return equal_values(other.element(), value.element(), context.collator); });
      if (!twice) unique.push_back(value);
    }
    return array_value(unique);
  }
  std::vector<Value> values;
};

struct PopModifier final : Modifier {
  Result<Effect> update(MutableNode& target, const ModifierContext& context) const override {
    if (!target.is_array()) {
      return bad(code::kTypeMismatch, fmt::format("Path '{}' contains an element of non-array type '{}'", join_path(*context.path),
                                                  bson::type_name(target.type())));
    }
    auto& items = target.children();
    if (items.empty()) return Effect::kNone;
    items.erase(from_front ? items.begin() : items.end() - 1);
    return Effect::kReplaced;
  }
  Result<std::optional<Value>> create(const ModifierContext&) const override { return std::nullopt; }
  bool must_be_viable() const override { return true; }
  bool from_front = false;
};

struct PullModifier : Modifier {
  virtual bool pulls(const Element& item, const bson::Collator* collator) const = 0;
  Result<Effect> update(MutableNode& target, const ModifierContext& context) const override {
    if (!target.is_array()) return bad(code::kBadValue, "Cannot apply $pull to a non-array value");
    const std::size_t removed =
        std::erase_if(target.children(), [&](const auto& item) { return pulls(item->value(), context.collator); });
    return removed > 0 ? Effect::kReplaced : Effect::kNone;
  }
  Result<std::optional<Value>> create(const ModifierContext&) const override { return std::nullopt; }
  bool must_be_viable() const override { return true; }
};

struct PullAllModifier final : PullModifier {
  bool pulls(const Element& item, const bson::Collator* collator) const override {
    return std::ranges::any_of(values,
                               [&](const Value& value) { return equal_values(value.element(), item, collator); });
  }
  std::vector<Value> values;
};

// {$pull: {a: {$gt: 1}}}: the condition is on the item itself.
struct PullWhereModifier final : PullModifier {
  bool pulls(const Element& item, const bson::Collator*) const override { return matcher.matches_value(item); }
  Matcher matcher;
};

// {$pull: {a: {k: 1}}}: the condition is on items that are documents.
struct PullDocumentModifier final : PullModifier {
  bool pulls(const Element& item, const bson::Collator*) const override {
    return item.is_document() && matcher.matches(item.document_value());
  }
  Matcher matcher;
};

}  // namespace

ModifierPtr make_push(const Element& e, const UpdateOptions&) {
  auto push = std::make_shared<PushModifier>();
  if (!is_each(e)) {
    push->values.emplace_back(e);
    return push;
  }
  for (const Element& clause : e.document_value()) {
    if (clause.key() == "$each") {
      if (!clause.is_array()) {
        return bad(code::kBadValue,
                   fmt::format("The argument to $each in $push must be an array but it was of type: {}",
                               bson::type_name(clause.type())));
      }
      push->values = each_of(clause);
    } else if (clause.key() == "$slice") {
      push->slice = TRY(integer_clause(clause, "$slice", " but was given type"));
    } else if (clause.key() == "$position") {
      push->position = TRY(integer_clause(clause, "$position", ", not of type"));
    } else if (clause.key() == "$sort") {
      push->order = TRY(ItemOrder::parse(clause));
    } else {
      return bad(code::kBadValue, fmt::format("Unrecognized clause in $push: {}", clause.key()));
    }
  }
  return push;
}

ModifierPtr make_add_to_set(const Element& e, const UpdateOptions&) {
  auto modifier = std::make_shared<AddToSetModifier>();
  const bool each = e.is_document() && e.document_value().first().key() == "$each";
  if (!each) {
    modifier->values.emplace_back(e);
    return modifier;
  }
  const View object = e.document_value();
  if (!object["$each"].is_array()) {
    return bad(code::kTypeMismatch,
               fmt::format("The argument to $each in $addToSet must be an array but it was of type {}",
                           bson::type_name(object["$each"].type())));
  }
  if (object.field_count() > 1) {
    return bad(code::kBadValue, fmt::format("Found unexpected fields after $each in $addToSet: {}", bson::to_shell(object)));
  }
  modifier->values = each_of(object["$each"]);
  return modifier;
}

ModifierPtr make_pop(const Element& e, const UpdateOptions&) {
  const std::int64_t direction = TRY(whole_number(e));
  if (direction != 1 && direction != -1)
    return bad(code::kFailedToParse, fmt::format("$pop expects 1 or -1, found: {}", direction));
  auto pop = std::make_shared<PopModifier>();
  pop->from_front = direction < 0;
  return pop;
}

ModifierPtr make_pull(const Element& e, const UpdateOptions& options) {
  const bool on_value = e.type() == Type::kRegex || (e.is_document() && takes_path(e.document_value().first().key(), options.version));
  if (on_value) {
    bson::Builder filter;
    filter.append("", e);
    auto pull = std::make_shared<PullWhereModifier>();
    pull->matcher = TRY(Matcher::parse(std::move(filter).finish(), options.collator, options.version, nullptr, MatchFeatures::none()));
    return pull;
  }
  if (e.is_document()) {
    auto pull = std::make_shared<PullDocumentModifier>();
    pull->matcher = TRY(Matcher::parse(e.document_value(), options.collator, options.version, nullptr, MatchFeatures::none()));
    return pull;
  }
  auto pull = std::make_shared<PullAllModifier>();
  pull->values.emplace_back(e);
  return pull;
}

ModifierPtr make_pull_all(const Element& e, const UpdateOptions&) {
  if (!e.is_array())
    return bad(code::kBadValue,
               fmt::format("$pullAll requires an array argument but was given a {}", bson::type_name(e.type())));
  auto pull = std::make_shared<PullAllModifier>();
  pull->values = each_of(e);
  return pull;
}

}  // namespace drover::sandbox::query
