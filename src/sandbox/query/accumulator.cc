#include "sandbox/query/accumulator.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/query/accumulator_script.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/numeric.h"
#include "sandbox/query/percentile.h"
#include "sandbox/query/sort.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;

namespace {

struct Sum final : Accumulator {
  Status add(const Datum& value) override {
    sum.add(value);
    return {};
  }
  Datum result() override { return sum.result(); }
  NumberSum sum;
};

struct Average final : Accumulator {
  Status add(const Datum& value) override {
    if (!value.is_number()) return {};
    sum.add(value);
    ++count;
    return {};
  }
  Datum result() override {
    if (count == 0) return Datum::null();
    if (sum.has_decimal())
      return Datum::from(bson::decimal_divide(sum.decimal_result(), bson::decimal_from_int64(count)));
    return Datum::from(sum.as_plain_double() / static_cast<double>(count));
  }
  NumberSum sum;
  std::int64_t count = 0;
};

struct Extreme final : Accumulator {
  Extreme(int s, const bson::Collator* c) : sign(s), collator(c) {}
  Status add(const Datum& value) override {
    if (value.nullish()) return {};
    if (best.missing() || bson::compare_values(value.element(), best.element(), collator) * sign > 0)
      best = value.own();
    return {};
  }
  Datum result() override { return best.missing() ? Datum::null() : best; }
  std::size_t bytes() const override { return best.bytes(); }
  int sign;
  const bson::Collator* collator;
  Datum best;
};

struct First final : Accumulator {
  Status add(const Datum& value) override {
    if (!seen) held = value.own();
    seen = true;
    return {};
  }
  Datum result() override { return held; }
  std::size_t bytes() const override { return held.bytes(); }
  bool seen = false;
  Datum held;
};

struct Last final : Accumulator {
  Status add(const Datum& value) override {
    held = value.own();
    return {};
  }
  Datum result() override { return held; }
  std::size_t bytes() const override { return held.bytes(); }
  Datum held;
};

struct Push final : Accumulator {
  Status add(const Datum& value) override {
    if (!value.missing()) items->append(value.element());
    return {};
  }
  Datum result() override { return Datum::array(std::move(*items)); }
  Datum peek() override {
    const Document held = std::move(*items).finish();
    items.emplace();
    bson::ArrayBuilder copy;
    for (const Element& item : held.view()) {
      items->append(item);
      copy.append(item);
    }
    return Datum::array(std::move(copy));
  }
  std::size_t bytes() const override { return items->size(); }
  std::optional<bson::ArrayBuilder> items{std::in_place};
};

struct AddToSet final : Accumulator {
  explicit AddToSet(const bson::Collator* c) : collator(c) {}
  Status add(const Datum& value) override {
    if (value.missing()) return {};
    std::string key = bson::key_string(value.element(), collator);
    size += key.size() + 64;
    if (keys.insert(std::move(key)).second) {
      values.push_back(value.own());
      size += values.back().bytes();
    }
    return {};
  }
  Datum result() override {
    bson::ArrayBuilder items;
    for (const Datum& value : values) items.append(value.element());
    return Datum::array(std::move(items));
  }
  std::size_t bytes() const override { return size; }
  const bson::Collator* collator;
  std::set<std::string> keys;
  std::vector<Datum> values;
  std::size_t size = 0;
};

struct Deviation final : Accumulator {  // Welford
  explicit Deviation(bool s) : sample(s) {}
  Status add(const Datum& value) override {
    if (!value.is_number()) return {};
    const double number = as_double(value);
    ++count;
    const double delta = number - mean;
    mean += delta / static_cast<double>(count);
    m2 += delta * (number - mean);
    return {};
  }
  Datum result() override {
    const std::int64_t divisor = sample ? count - 1 : count;
    if (divisor <= 0) return Datum::null();
    return Datum::from(std::sqrt(m2 / static_cast<double>(divisor)));
  }
  bool sample;
  std::int64_t count = 0;
  double mean = 0, m2 = 0;
};

struct MergeObjects final : Accumulator {
  Status add(const Datum& value) override {
    if (value.nullish()) return {};
    if (value.type() != Type::kDocument) {
      return bad(40400, fmt::format("$mergeObjects requires object inputs, but input is of type {}",
                                    bson::type_name(value.type())));
    }
    const View over = value.element().document_value();
    bson::Builder builder;
    for (const Element& field : merged) {
      const Element newer = over[field.key()];
      builder.append_raw(newer.exists() ? newer : field);
    }
    for (const Element& field : over) {
      if (!merged[field.key()]) builder.append_raw(field);
    }
    merged = std::move(builder).finish();
    return {};
  }
  Datum result() override { return Datum::document(merged); }
  std::size_t bytes() const override { return merged.size(); }
  Document merged;
};

// $firstN, $lastN, $minN, $maxN, and $topN, $bottomN, which keep {output, key} in the order of a pattern.
struct Several final : Accumulator {
  enum class Keep { kFirst, kLast, kLeast, kGreatest };
  Several(Keep k, std::int64_t n, const bson::Collator* c) : keep(k), limit(static_cast<std::size_t>(n)), collator(c) {}
  Status add(const Datum& value) override {
    if (keep == Keep::kFirst) {
      if (values.size() < limit) values.push_back(value.own());
      return {};
    }
    if (keep == Keep::kLast) {
      values.push_back(value.own());
      if (values.size() > limit) values.erase(values.begin());
      return {};
    }
    if (value.nullish()) return {};
    const int sign = keep == Keep::kLeast ? 1 : -1;
    const auto at = std::upper_bound(values.begin(), values.end(), value, [&](const Datum& a, const Datum& b) {
      return bson::compare_values(a.element(), b.element(), collator) * sign < 0;
    });
    values.insert(at, value.own());
    if (values.size() > limit) values.pop_back();
    return {};
  }
  Datum result() override {
    bson::ArrayBuilder items;
    for (const Datum& value : values) {
      if (value.missing()) {
        items.append(bson::Null{});
      } else {
        items.append(value.element());
      }
    }
    return Datum::array(std::move(items));
  }
  std::size_t bytes() const override {
    std::size_t total = 0;
    for (const Datum& value : values) total += value.bytes();
    return total;
  }
  Keep keep;
  std::size_t limit;
  const bson::Collator* collator;
  std::vector<Datum> values;
};

// The operand is {o: output, d: the document}: the documents' order decides.
struct Top final : Accumulator {
  Top(SortPattern p, std::size_t n, bool b, bool s) : pattern(std::move(p)), limit(n), bottom(b), only_one(s) {}
  Status add(const Datum& value) override {
    const View pair = value.element().document_value();
    std::string key = TRY(pattern.key(pair["d"].document_value()));
    Datum output = pair["o"] ? Datum::copy(pair["o"]) : Datum::null();
    const auto at = std::upper_bound(values.begin(), values.end(), key,
                                     [](const std::string& a, const auto& b) { return a < b.first; });
    values.insert(at, {std::move(key), std::move(output)});
    if (values.size() > limit) values.erase(bottom ? values.begin() : values.end() - 1);
    return {};
  }
  Datum result() override {
    if (only_one) return values.empty() ? Datum::null() : values.front().second;
    bson::ArrayBuilder items;
    for (const auto& [key, value] : values) items.append(value.element());
    return Datum::array(std::move(items));
  }
  std::size_t bytes() const override {
    std::size_t total = 0;
    for (const auto& [key, value] : values) total += key.size() + value.bytes();
    return total;
  }
  SortPattern pattern;
  std::size_t limit;
  bool bottom, only_one;
  std::vector<std::pair<std::string, Datum>> values;
};

// The operand that Top reads.
struct TopOperand final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum value = TRY(output->evaluate(variables));
    bson::Builder pair;
    if (!value.missing()) value.append_to(pair, "o");
    pair.append("d", variables.root());
    return Datum::document(std::move(pair).finish());
  }
  ExpressionPtr output;
};

}  // namespace

struct AccumulatorTable {
  using Maker = AccumulatorFactory::Maker;
  using Context = EvaluationContext;
  using Self = AccumulatorFactory;
  struct Row {
    std::string_view name;
    Maker make;
    ServerVersion since;  // {}: always
  };

  template <typename T, auto... kArguments>
  static std::unique_ptr<Accumulator> plain(const Self&, const Context&, std::int64_t) {
    return std::make_unique<T>(kArguments...);
  }
  template <int kSign>
  static std::unique_ptr<Accumulator> extreme(const Self&, const Context& context, std::int64_t) {
    return std::make_unique<Extreme>(kSign, context.collator.get());
  }
  static std::unique_ptr<Accumulator> add_to_set(const Self&, const Context& context, std::int64_t) {
    return std::make_unique<AddToSet>(context.collator.get());
  }
  template <Several::Keep kKeep>
  static std::unique_ptr<Accumulator> several(const Self&, const Context& context, std::int64_t count) {
    return std::make_unique<Several>(kKeep, count, context.collator.get());
  }
  template <bool kBottom, bool kOne>
  static std::unique_ptr<Accumulator> top(const Self& self, const Context& context, std::int64_t count) {
    auto pattern = SortPattern::parse(self.sort_by_, context.collator);
    return std::make_unique<Top>(pattern ? std::move(*pattern) : SortPattern(), static_cast<std::size_t>(count),
                                 kBottom, kOne);
  }

  static std::unique_ptr<Accumulator> percentile(const Self& self, const Context&, std::int64_t) { return make_percentile(self.fractions_); }

  static constexpr Row kRows[] = {
      {"$sum", plain<Sum>},
      {"$avg", plain<Average>},
      {"$min", extreme<-1>},
      {"$max", extreme<1>},
      {"$first", plain<First>},
      {"$last", plain<Last>},
      {"$push", plain<Push>},
      {"$addToSet", add_to_set},
      {"$stdDevPop", plain<Deviation, false>},
      {"$stdDevSamp", plain<Deviation, true>},
      {"$mergeObjects", plain<MergeObjects>},
      {"$count", plain<Sum>, {5, 0, 0}},
      {"$firstN", several<Several::Keep::kFirst>, {5, 2, 0}},
      {"$lastN", several<Several::Keep::kLast>, {5, 2, 0}},
      {"$minN", several<Several::Keep::kLeast>, {5, 2, 0}},
      {"$maxN", several<Several::Keep::kGreatest>, {5, 2, 0}},
      {"$top", top<false, true>, {5, 2, 0}},
      {"$topN", top<false, false>, {5, 2, 0}},
      {"$bottom", top<true, true>, {5, 2, 0}},
      {"$bottomN", top<true, false>, {5, 2, 0}},
      {"$median", percentile, {7, 0, 0}},
      {"$percentile", percentile, {7, 0, 0}},
  };

  // {n: 3, input: expr}
  static Status parse_n(Self& factory, const Element& op, const Scope& scope) {
    TRY(check_n_form(op));
    factory.count_ = TRY(parse_expression(op.document_value()["n"], scope));
    factory.operand_ = TRY(parse_expression(op.document_value()["input"], scope));
    return {};
  }

  // {n: 3, sortBy: {...}, output: expr}
  static Status parse_top(Self& factory, const Element& op, const Scope& scope) {
    if (!op.is_document()) return bad(5788001, fmt::format("specification must be an object; found {}: {}", op.key(), bson::to_shell(op)));
    const View object = op.document_value();
    const bool counts = op.key().ends_with('N');
    for (const Element& e : object) {
      const bool known = e.key() == "sortBy" || e.key() == "output" || (counts && e.key() == "n");
      if (!known) return bad(5788002, fmt::format("Unknown argument to {} '{}'", op.key(), e.key()));
    }
    if (counts && !object["n"]) return bad(5788003, "Missing value for 'n'");
    if (!object["output"]) return bad(5788004, "Missing value for 'output'");
    if (!object["sortBy"]) return bad(5788005, "Missing value for 'sortBy'");
    if (!object["sortBy"].is_document()) return bad(10065, "invalid parameter: expected an object (sortBy)");
    if (counts) factory.count_ = TRY(parse_expression(object["n"], scope));
    factory.sort_by_ = Document(object["sortBy"].document_value());
    TRY(SortPattern::parse(factory.sort_by_, nullptr, scope.context().version));
    auto operand = std::make_unique<TopOperand>();
    operand->output = TRY(parse_expression(object["output"], scope));
    factory.operand_ = std::move(operand);
    return {};
  }

  static Result<Self> parse(const Element& op, const Scope& scope) {
    for (const Row& row : kRows) {
      if (row.name != op.key() || scope.context().version < row.since) continue;
      Self factory;
      factory.make_ = row.make;
      const bool named = row.since == ServerVersion{5, 2, 0};
      if (named) {
        const bool ordered = op.key().starts_with("$top") || op.key().starts_with("$bottom");
        TRY((ordered ? parse_top : parse_n)(factory, op, scope));
        return factory;
      }
      if (row.since == ServerVersion{7, 0, 0}) {
        auto spec = TRY(parse_percentile(op, scope, op.key() == "$median" ? 7436100 : 7429703));
        factory.operand_ = std::move(spec.input);
        factory.fractions_ = std::move(spec.fractions);
        return factory;
      }
      if (op.key() == "$count") {
        if (!op.is_document() || !op.document_value().empty())
          return bad(code::kTypeMismatch, "$count takes no arguments, i.e. $count:{}");
        bson::Builder one;
        one.append("", 1);
        const Document held = std::move(one).finish();
        factory.operand_ = TRY(parse_expression(held.view().first(), scope));
        return factory;
      }
      if (op.is_array()) return bad(40237, fmt::format("The {} accumulator is a unary operator", op.key()));
      factory.operand_ = TRY(parse_expression(op, scope));
      return factory;
    }
    if (op.key() == "$accumulator") {
      Self factory;
      factory.script_ = TRY(ScriptAccumulatorSpec::parse(op, scope));
      factory.operand_ = make_script_operand(factory.script_);
      factory.make_ = [](const Self& self, const Context& context, std::int64_t) { return make_script_accumulator(self.script_, context); };
      return factory;
    }
    return bad(15952, fmt::format("unknown group operator '{}'", op.key()));
  }
};

Result<std::int64_t> check_n(const Datum& n) {
  if (!n.is_number()) return bad(5787902, fmt::format("Value for 'n' must be of integral type, but found {}", n.missing() ? "MISSING" : printed(n)));
  const auto count = whole_number(n);
  if (!count) return bad(5787903, fmt::format("Value for 'n' must be of integral type, but found {}", printed(n)));
  if (*count <= 0) return bad(5787908, fmt::format("'n' must be greater than 0, found {}", *count));
  return *count;
}

Status check_n_form(const Element& op) {
  if (!op.is_document()) return bad(5787900, fmt::format("specification must be an object; found {}: {}", op.key(), bson::to_shell(op)));
  for (const Element& e : op.document_value()) {
    if (e.key() != "n" && e.key() != "input") return bad(5787901, fmt::format("Unknown argument for 'n' operator: {}", e.key()));
  }
  if (!op.document_value()["n"]) return bad(5787906, "Missing value for 'n'");
  if (!op.document_value()["input"]) return bad(5787907, "Missing value for 'input'");
  return {};
}

Result<std::unique_ptr<Accumulator>> AccumulatorFactory::make(const EvaluationContext& context, View group) const {
  if (!count_) return make_(*this, context, 1);
  Variables variables{group, context};
  return make_(*this, context, TRY(check_n(TRY(count_->evaluate(variables)))));
}

Result<AccumulatorFactory> AccumulatorFactory::parse(const Element& op, const Scope& scope) {
  return AccumulatorTable::parse(op, scope);
}

}  // namespace drover::sandbox::query
