// Facts: MongoDB's window_bounds.cpp and partition_iterator.cpp.
#include "sandbox/query/window.h"

#include <algorithm>

#include <fmt/core.h>

#include "bson/compare.h"
#include "bson/decimal.h"
#include "bson/ejson.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;

namespace {

tl::unexpected<Error> unparsed(std::string message) { return bad(code::kFailedToParse, std::move(message)); }

Result<Window::Bound> parse_bound(const Element& e, const Scope& scope, bool range, bool with_unit) {
  if (e.is_string()) {
    if (e.string_value() == "unbounded") return Window::Bound{.kind = Window::Kind::kUnbounded};
    if (e.string_value() == "current") return Window::Bound{.kind = Window::Kind::kCurrent};
    return unparsed("Window bounds must be 'unbounded', 'current', or a number.");
  }
  const auto expression = TRY(parse_expression(e, scope));
  const Datum* value = expression->constant();
  if (!value) return unparsed("Window bounds expression must be a constant.");
  Window::Bound bound{.kind = Window::Kind::kOffset, .distance = value->own()};
  const auto whole = value->is_number() ? whole_number(*value) : std::nullopt;
  const bool integral = whole && *whole == static_cast<std::int32_t>(*whole);
  if (!range && !integral) return unparsed("Numeric document-based bounds must be an integer");
  if (range && with_unit && !integral) return unparsed("With 'unit', range-based bounds must be an integer");
  if (range && !value->is_number()) return unparsed("Range-based bounds expression must be a number");
  bound.documents = whole.value_or(0);
  return bound;
}

Status check_forward(const Window::Bound& lower, const Window::Bound& upper) {
  if (lower.kind == Window::Kind::kUnbounded || upper.kind == Window::Kind::kUnbounded) return {};
  const auto value = [](const Window::Bound& bound) { return bound.kind == Window::Kind::kCurrent ? Datum::from(std::int32_t{0}) : bound.distance; };
  const Datum low = value(lower), high = value(upper);
  if (bson::compare_values(low.element(), high.element()) <= 0) return {};
  return bad(5339900, fmt::format("Lower bound must not exceed upper bound: [{}, {}]", printed(low), printed(high)));
}

}  // namespace

Result<Window> Window::parse(const Element& spec, const SortPattern* sort_by, const Scope& scope) {
  if (!spec.is_document()) return unparsed("'window' field must be an object");
  const bson::View object = spec.document_value();
  const Element documents = object["documents"], range = object["range"], unit = object["unit"];
  const std::size_t count = object.field_count();
  if (documents && range) return unparsed("Window bounds can specify either 'documents' or 'unit', not both.");
  if (!range && unit) return unparsed("Window bounds can only specify 'unit' with range-based bounds.");
  Window window;
  if (!range && !documents) {
    if (count == 0) return window;
    return unparsed("'window' field can only contain 'documents' as the only argument or 'range' with an optional 'unit' field");
  }
  const Element bounds = documents ? documents : range;
  if (documents && count != 1) return unparsed("'window' field that specifies documents cannot have other fields");
  if (!bounds.is_array() || bounds.document_value().field_count() != 2) {
    return unparsed(fmt::format("Window bounds must be a 2-element array: {}: {}", bounds.key(), bson::to_shell(bounds)));
  }
  window.range = range.exists();
  if (unit) {
    if (count != 2) return unparsed("'window' field that specifies unit cannot have other fields besides 'range'");
    if (!unit.is_string()) return unparsed("'unit' must be a string");
  } else if (range && count != 1) {
    return unparsed("'window' field that specifies range cannot have other fields besides 'unit'");
  }
  window.lower = TRY(parse_bound(bounds.document_value()["0"], scope, window.range, unit.exists()));
  window.upper = TRY(parse_bound(bounds.document_value()["1"], scope, window.range, unit.exists()));
  TRY(check_forward(window.lower, window.upper));
  if (unit) window.unit = TRY(parse_date_unit(unit.string_value()));
  if (window.range) {
    if (!sort_by || sort_by->parts().size() != 1) return bad(5339902, "Range-based bounds require sortBy a single field");
    if (sort_by->parts()[0].descending) return bad(8947401, "Range-based bounds require an ascending sortBy");
  } else if (!sort_by && (window.lower.kind != Kind::kUnbounded || window.upper.kind != Kind::kUnbounded)) {
    return bad(5339901, "Document-based bounds require a sortBy");
  }
  return window;
}

Result<std::optional<Frame>> Frames::at(std::size_t index) {
  if (window_.range) return of_range(index);
  return of_documents(index);
}

std::optional<Frame> Frames::of_documents(std::size_t index) const {
  const auto last = static_cast<std::int64_t>(partition_.documents.size()) - 1;
  const auto place = [&](const Window::Bound& bound, std::int64_t open) {
    if (bound.kind == Window::Kind::kUnbounded) return open;
    return static_cast<std::int64_t>(index) + (bound.kind == Window::Kind::kOffset ? bound.documents : 0);
  };
  const std::int64_t lower = place(window_.lower, 0), upper = place(window_.upper, last);
  if (lower > last || upper < 0) return std::nullopt;
  return Frame{static_cast<std::size_t>(std::max<std::int64_t>(lower, 0)), static_cast<std::size_t>(std::min(upper, last)) + 1};
}

bool Frames::has_distance(const Datum& value) const { return window_.unit ? value.type() == Type::kDateTime : value.is_number(); }

Status Frames::check_base(const Datum& base) const {
  const char* type = base.missing() ? "missing" : bson::type_name(base.type());
  if (window_.unit) {
    if (base.type() == Type::kDateTime) return {};
    return bad(5429513, fmt::format("Invalid range: Expected the sortBy field to be a Date, but it was {}", type));
  }
  if (base.type() == Type::kDateTime) {
    return bad(5429413, "Invalid range: For windows that involve date or time ranges, a unit must be provided.");
  }
  if (base.is_number()) return {};
  return bad(5429414, fmt::format("Invalid range: Expected the sortBy field to be a number, but it was {}", type));
}

Result<Datum> Frames::moved(const Datum& base, const Datum& distance) const {
  if (!window_.unit) return Datum::from(bson::decimal_add(as_decimal(base), as_decimal(distance)));
  const auto millis = base.element().date_value().millis;
  return Datum::from(bson::DateTime{TRY(add_units(millis, *window_.unit, whole_number(distance).value_or(0)))});
}

int Frames::compare(const Datum& a, const Datum& b) const {
  static const Datum kNull = Datum::null();
  const auto shown = [](const Datum& value) -> const Datum& { return value.missing() ? kNull : value; };
  return bson::compare_values(shown(a).element(), shown(b).element(), partition_.context->collator.get());
}

Result<std::optional<Frame>> Frames::of_range(std::size_t index) {
  const auto& times = partition_.times;
  const Datum& base = times[index];
  TRY(check_base(base));
  std::size_t begin = index;
  if (window_.lower.kind == Window::Kind::kUnbounded) {
    while (!has_distance(times[first_])) ++first_;  // the base has one
    begin = first_;
  } else if (window_.lower.kind == Window::Kind::kOffset) {
    const Datum threshold = TRY(moved(base, window_.lower.distance));
    while (first_ < times.size() && compare(times[first_], threshold) < 0) ++first_;
    if (first_ == times.size() || !has_distance(times[first_])) return std::nullopt;
    begin = first_;
  }
  std::size_t end = index + 1;
  if (window_.upper.kind == Window::Kind::kUnbounded) {
    last_ = std::max({last_, begin, index});
    while (last_ < times.size() && has_distance(times[last_])) ++last_;
    end = last_;
  } else if (window_.upper.kind == Window::Kind::kOffset) {
    const Datum threshold = TRY(moved(base, window_.upper.distance));
    last_ = std::max(last_, begin);
    while (last_ < times.size() && compare(times[last_], threshold) <= 0) ++last_;
    end = last_;
  }
  if (end <= begin) return std::nullopt;
  return Frame{begin, end};
}

}  // namespace drover::sandbox::query
