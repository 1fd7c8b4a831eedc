#include "sandbox/query/sort.h"

#include <cmath>
#include <optional>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/path.h"
#include "sandbox/query/projection_tree.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

const bson::Document& constants() {
  static const bson::Document values = [] {
    bson::Builder builder;
    builder.append("null", bson::Null{}).append("undefined", bson::Undefined{});
    return std::move(builder).finish();
  }();
  return values;
}

// How far one part of the pattern has come: at `value`, with the components from `next` on still to be walked.
struct Walk {
  const std::vector<std::string>* components;
  std::size_t next = 0;
  Element value;
  bool finished = false;
};

// Descends from `object` until the path ends, breaks off, or meets an array that has to be expanded.
void descend(Walk& walk, View object) {
  while (true) {
    Element field = object[(*walk.components)[walk.next++]];
    while (field.type() == Type::kArray && walk.next < walk.components->size() &&
           is_array_index((*walk.components)[walk.next])) {
      field = field.document_value()[(*walk.components)[walk.next++]];
    }
    walk.value = field;
    const bool ended = walk.next == walk.components->size();
    if (field.type() == Type::kArray) return;
    if (ended || field.type() != Type::kDocument) {
      walk.finished = true;
      if (!ended) walk.value = Element();
      return;
    }
    object = field.document_value();
  }
}

Element value_of(const Walk& walk) { return walk.value.exists() ? walk.value : constants()["null"]; }

struct KeyMaker {
  const std::vector<SortPattern::Part>& parts;
  const bson::Collator* collator;
  std::optional<std::string> best;
  std::vector<Element>* values = nullptr;  // of `best`, where they are wanted

  void emit(const std::vector<Walk>& walks) {
    std::string key;
    for (std::size_t i = 0; i < walks.size(); ++i) bson::append_key_string(key, value_of(walks[i]), collator, parts[i].descending);
    if (best && key >= *best) return;
    best = std::move(key);
    if (values == nullptr) return;
    values->clear();
    for (const Walk& walk : walks) values->push_back(value_of(walk));
  }

  Status expand(const std::vector<Walk>& walks) {
    Element array;
    for (const Walk& walk : walks) {
      if (walk.finished) continue;
      if (array.exists() && array.raw().data() != walk.value.raw().data()) {
        return bad(code::kBadValue, "cannot sort with keys that are parallel arrays");
      }
      array = walk.value;
    }
    if (!array.exists()) {
      emit(walks);
      return {};
    }
    if (array.document_value().empty()) return expand_into(walks, Element());
    for (const Element& item : array.document_value()) TRY(expand_into(walks, item));
    return {};
  }

  // Every walk that stands at the array goes on inside `item` (missing: the array is empty).
  Status expand_into(std::vector<Walk> walks, const Element& item) {
    for (Walk& walk : walks) {
      if (walk.finished) continue;
      const bool ended = walk.next == walk.components->size();
      if (!ended && item.type() == Type::kDocument) {
        descend(walk, item.document_value());
        continue;
      }
      walk.finished = true;
      walk.value = ended ? (item.exists() ? item : constants()["undefined"]) : Element();
    }
    return expand(walks);
  }
};

}  // namespace

Result<SortPattern> SortPattern::parse(View spec, std::shared_ptr<const bson::Collator> collator, ServerVersion version,
                                       std::shared_ptr<const EvaluationContext> evaluation) {
  SortPattern pattern;
  pattern.collator_ = std::move(collator);
  for (const Element& e : spec) {
    if (e.is_document()) {
      const Element meta = e.document_value().first();
      if (meta.key() != "$meta") return bad(17312, "$meta is the only expression supported by $sort right now");
      if (!meta.is_string()) return bad(17307, "$meta only supports string arguments");
      using Score = EvaluationContext::TextScore;
      const auto score = evaluation ? evaluation->text_score_state : Score::kNone;
      if (meta.string_value() == "textScore" && (score == Score::kReadable || score == Score::kCarried)) {
        pattern.parts_.push_back({.path = "", .descending = true, .components = {}, .text_score = true, .carried_score = score == Score::kCarried});
        pattern.evaluation_ = evaluation;
        continue;
      }
      if (meta.string_value() == "textScore") return bad(40218, "query requires text score metadata, but it is not available");
      return bad(31138, fmt::format("Illegal $meta sort: {}: {}", e.key(), bson::to_shell(e)));
    }
    if (!e.is_number()) {
      return bad(15974, fmt::format("Illegal key in $sort specification: {}: {}", e.key(), bson::to_shell(e)));
    }
    const auto direction = std::trunc(e.to_double().value_or(0));  // as the server takes it: 1.5 is 1
    if (direction != 1 && direction != -1) {
      return bad(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)");
    }
    if (e.key() == "$natural") {
      pattern.natural_ = static_cast<int>(direction);
      continue;
    }
    TRY(check_projection_path(e.key(), version));
    pattern.parts_.push_back({std::string(e.key()), direction < 0, split_path(e.key()), false});
  }
  if (pattern.natural_ != 0 && !pattern.parts_.empty()) {
    return bad(code::kBadValue, "Cannot include '$natural' in compound sort: " + bson::to_shell(spec));
  }
  return pattern;
}

// {"": score}; null for a document that came without one.
Result<bson::Document> SortPattern::score_of(View document, bool carried) const {
  const auto& scorer = evaluation_->text_score;
  const auto score = carried ? evaluation_->carried_score : std::optional(scorer ? TRY(scorer(document)) : 0.0);
  return score ? bson::make_document({{"", *score}}) : bson::make_document({{"", bson::Null{}}});
}

Status SortPattern::find_best(View document, std::string& key, bson::Document* values) const {
  std::vector<Walk> walks;
  walks.reserve(parts_.size());
  std::optional<bson::Document> score;
  for (const Part& part : parts_) {
    walks.push_back({&part.components, 0, Element(), part.text_score});
    if (part.text_score) {
      if (!score) score = TRY(score_of(document, part.carried_score));
      walks.back().value = score->view().first();
    } else {
      descend(walks.back(), document);
    }
  }
  std::vector<Element> elements;
  KeyMaker maker{parts_, collator_.get(), {}, values == nullptr ? nullptr : &elements};
  TRY(maker.expand(walks));
  key = std::move(*maker.best);
  if (values == nullptr) return {};
  bson::ArrayBuilder list;
  for (const Element& value : elements) {
    if (collator_ && value.is_string()) list.append(collator_->sort_key(value.string_value()));
    else list.append(value);
  }
  *values = bson::make_document({{"", bson::ArrayView{std::move(list).finish()}}});
  return {};
}

Result<std::string> SortPattern::key(View document) const {
  std::string key;
  TRY(find_best(document, key, nullptr));
  return key;
}

Result<bson::Document> SortPattern::values(View document) const {
  std::string key;
  bson::Document values;
  TRY(find_best(document, key, &values));
  return values;
}

int SortPattern::compare(View a, View b) const {
  const auto key_a = key(a);
  const auto key_b = key(b);
  if (!key_a || !key_b) return 0;
  return key_a->compare(*key_b);
}

}  // namespace drover::sandbox::query
