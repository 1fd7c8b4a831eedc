#include "sandbox/query/matcher.h"

#include "bson/builder.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/match_node.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

const MatchNode* find_kind(const MatchNode& node, MatchKind kind) {
  if (node.kind() == kind) return &node;
  switch (node.kind()) {
    case MatchKind::kNot: return find_kind(*static_cast<const NotNode&>(node).child, kind);
    case MatchKind::kAnd:
    case MatchKind::kOr:
    case MatchKind::kNor:
      for (const auto& child : static_cast<const ListNode&>(node).children) {
        if (const auto* found = find_kind(*child, kind)) return found;
      }
      return nullptr;
    default: return nullptr;
  }
}

}  // namespace

Matcher::Matcher() = default;
Matcher::Matcher(Matcher&&) noexcept = default;
Matcher& Matcher::operator=(Matcher&&) noexcept = default;
Matcher::Matcher(const Matcher&) = default;
Matcher& Matcher::operator=(const Matcher&) = default;
Matcher::~Matcher() = default;

Result<Matcher> Matcher::parse(View filter, std::shared_ptr<const bson::Collator> collator, ServerVersion version,
                               std::shared_ptr<const EvaluationContext> context, MatchFeatures allowed) {
  auto parsed = std::make_shared<Parsed>();
  parsed->filter = bson::Document(filter);
  parsed->collator = std::move(collator);
  if (!context && parsed->collator) {  // $expr compares as the rest does
    auto made = std::make_shared<EvaluationContext>();
    made->version = version;
    made->collator = parsed->collator;
    context = std::move(made);
  }
  parsed->context = std::move(context);
  const MatchParser parser{parsed->collator.get(), version, parsed->context, allowed, false};
  parsed->root = TRY(parser.parse_document(parsed->filter.view()));
  parsed->text = static_cast<const TextNode*>(find_kind(*parsed->root, MatchKind::kText));
  parsed->near = static_cast<const NearNode*>(find_kind(*parsed->root, MatchKind::kNear));
  Matcher matcher;
  matcher.parsed_ = std::move(parsed);
  return matcher;
}

bool Matcher::matches(View document, MatchDetails* details) const {
  if (!parsed_) return true;
  MatchFailure failure;
  const bool result = parsed_->root->matches(document, {details, &failure});
  return result && !failure.error;
}

Result<bool> Matcher::try_matches(View document, MatchDetails* details) const {
  if (!parsed_) return true;
  MatchFailure failure;
  const bool result = parsed_->root->matches(document, {details, &failure});
  if (failure.error) return tl::unexpected(std::move(*failure.error));
  return result;
}

bool Matcher::matches_value(const Element& value) const {
  bson::Builder wrapped;
  wrapped.append("", value);
  return matches(std::move(wrapped).finish().view(), nullptr);
}

View Matcher::filter() const { return parsed_ ? parsed_->filter.view() : View(); }

bool Matcher::matches_everything() const {
  if (!parsed_) return true;
  return parsed_->root->kind() == MatchKind::kAnd && static_cast<const ListNode&>(*parsed_->root).children.empty();
}

namespace {

bool never_holds(const MatchNode& node) {
  switch (node.kind()) {
    case MatchKind::kAnd: return std::ranges::any_of(static_cast<const ListNode&>(node).children, [](const auto& child) { return never_holds(*child); });
    case MatchKind::kOr: return std::ranges::all_of(static_cast<const ListNode&>(node).children, [](const auto& child) { return never_holds(*child); });
    case MatchKind::kAlways: return !static_cast<const AlwaysNode&>(node).answer;
    case MatchKind::kIn: {
      const auto& in = static_cast<const InNode&>(node);
      return in.equalities.empty() && in.regexes.empty() && !in.has_null;
    }
    default: return false;
  }
}

}  // namespace

bool Matcher::matches_nothing() const { return parsed_ && never_holds(*parsed_->root); }

bool Matcher::has_text() const { return parsed_ && parsed_->text != nullptr; }

Status Matcher::answer_text_by(View index_spec) const {
  const auto& node = *parsed_->text;
  auto index = TRY(TextIndex::parse(index_spec));
  const auto named = node.asked["$language"].to_string_view();
  const auto language = named ? TRY(text_language(*named)) : index.default_language();
  const bool by_unicode = index.by_unicode();
  node.answer->emplace(TextAnswer{std::move(index), TextQuery(node.asked, language, by_unicode)});
  return {};
}

std::function<Result<double>(View)> Matcher::text_scorer() const {
  return [answer = parsed_->text->answer](View document) -> Result<double> {
    if (!*answer) return 0.0;
    return (*answer)->query.score(document, (*answer)->index);
  };
}

void read_text_score(const Matcher& filter, const EvaluationContext& context) {
  if (!filter.has_text()) return;
  context.text_score_state = EvaluationContext::TextScore::kReadable;
  context.text_score = filter.text_scorer();
}

std::optional<std::string> Matcher::near_path() const {
  if (!parsed_ || parsed_->near == nullptr) return std::nullopt;
  return parsed_->near->path.text();
}

bool Matcher::near_is_answered_by(std::string_view index_kind) const { return parsed_->near->point.is_answered_by(index_kind); }

Result<std::optional<double>> Matcher::distance(View document) const {
  std::optional<double> nearest;
  Status failed;
  visit_path(document, parsed_->near->path.parts(), LeafArrays::kTraverse, [&](const Element& value, const Element&) {
    auto distance = parsed_->near->point.distance(value);
    if (!distance) {
      failed = tl::unexpected(std::move(distance).error());
      return true;
    }
    if (*distance && (!nearest || **distance < *nearest)) nearest = *distance;
    return false;
  });
  TRY(failed);
  return nearest;
}

const bson::Collator* Matcher::collator() const { return parsed_ ? parsed_->collator.get() : nullptr; }

namespace {

bool is_id_compare(const MatchNode& node) {
  if (node.kind() != MatchKind::kCompare) return false;
  const auto& compare = static_cast<const CompareNode&>(node);
  return compare.op == Comparison::kEq && compare.path.text() == "_id" && compare.rhs.type() != Type::kRegex &&
         !compare.rhs.is_array() && compare.rhs.type() != Type::kNull;
}

void collect_equalities(const MatchNode& node, std::vector<std::pair<std::string, Element>>& out) {
  switch (node.kind()) {
    case MatchKind::kCompare: {
      const auto& compare = static_cast<const CompareNode&>(node);
      if (compare.op == Comparison::kEq) out.emplace_back(compare.path.text(), compare.rhs);
      return;
    }
    case MatchKind::kIn: {
      const auto& in = static_cast<const InNode&>(node);
      if (in.equalities.size() == 1 && in.regexes.empty()) out.emplace_back(in.path.text(), in.equalities[0]);
      return;
    }
    case MatchKind::kAnd:
      for (const auto& child : static_cast<const ListNode&>(node).children) collect_equalities(*child, out);
      return;
    case MatchKind::kOr: {
      const auto& children = static_cast<const ListNode&>(node).children;
      if (children.size() == 1) collect_equalities(*children[0], out);
      return;
    }
    default: return;
  }
}

}  // namespace

namespace {

// Null and what is like it stands for nothing too; arrays and documents are compared as wholes or by their items.
bool is_plain_value(const Element& value) {
  switch (value.type()) {
    case Type::kNull:
    case Type::kUndefined:
    case Type::kArray:
    case Type::kDocument:
    case Type::kRegex:
    case Type::kMinKey:
    case Type::kMaxKey: return false;
    default: return true;
  }
}

bool is_decided(const MatchNode& node, const std::function<bool(std::string_view)>& kept) {
  switch (node.kind()) {
    case MatchKind::kAnd:
      return std::ranges::all_of(static_cast<const ListNode&>(node).children, [&](const auto& child) { return is_decided(*child, kept); });
    case MatchKind::kCompare: {
      const auto& compare = static_cast<const CompareNode&>(node);
      return kept(compare.path.text()) && is_plain_value(compare.rhs);
    }
    case MatchKind::kIn: {
      const auto& in = static_cast<const InNode&>(node);
      return kept(in.path.text()) && in.regexes.empty() && std::ranges::all_of(in.equalities, is_plain_value);
    }
    default: return false;
  }
}

}  // namespace

bool Matcher::is_decided_by(const std::function<bool(std::string_view)>& kept) const { return !parsed_ || is_decided(*parsed_->root, kept); }

std::optional<Element> Matcher::is_id_equality() const {
  if (!parsed_ || !is_id_compare(*parsed_->root)) return std::nullopt;
  return static_cast<const CompareNode&>(*parsed_->root).rhs;
}

std::optional<Element> Matcher::id_equality() const {
  if (!parsed_) return std::nullopt;
  if (auto id = is_id_equality()) return id;
  if (parsed_->root->kind() != MatchKind::kAnd) return std::nullopt;
  for (const auto& child : static_cast<const ListNode&>(*parsed_->root).children) {
    if (is_id_compare(*child)) return static_cast<const CompareNode&>(*child).rhs;
  }
  return std::nullopt;
}

std::vector<std::pair<std::string, Element>> Matcher::equalities() const {
  std::vector<std::pair<std::string, Element>> out;
  if (parsed_) collect_equalities(*parsed_->root, out);
  return out;
}

}  // namespace drover::sandbox::query
