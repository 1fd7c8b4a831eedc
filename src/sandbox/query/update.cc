#include "sandbox/query/update.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "bson/validate.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/oplog_diff.h"
#include "sandbox/query/path.h"
#include "sandbox/query/storable.h"
#include "sandbox/query/update_node.h"
#include "sandbox/query/update_pipeline.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;

struct Update::Parsed {
  UpdateKind kind = UpdateKind::kReplacement;
  ServerVersion version;
  std::shared_ptr<const bson::Collator> collator;
  Document source;  // {"u": ...}: what elements below point into
  Document filters_source;
  std::vector<Assignment> assignments;
  std::vector<NamedFilter> array_filters;
  std::shared_ptr<UpdateTree> tree;  // when not positional
  bool positional = false;
  UpdatePipeline pipeline;

  PathOrder order() const { return {version >= ServerVersion{5, 0, 0}}; }
  Result<Applied> apply_modifiers(View old, const UpdateContext& context) const;
  Result<Document> replacement_of(View old, View newer) const;
  Document replacement_with_times(const UpdateContext& context) const;
};

namespace {

constexpr ServerVersion kFive{5, 0, 0};

tl::unexpected<Error> unknown_modifier(std::string_view name) {
  return bad(
      code::kFailedToParse,
      fmt::format(
          "Unknown modifier: {}. Expected a valid update modifier or pipeline-style update specified as an array",
          name));
}

tl::unexpected<Error> too_deep() {
  return bad(code::kOverflow, fmt::format("Document exceeds maximum nested object depth: {}", kMaxPathDepth));
}

// How many levels of documents and arrays `value` holds.
std::size_t depth_of(const Element& value) {
  if (!value.is_document() && !value.is_array()) return 0;
  std::size_t deepest = 0;
  for (const Element& inner : value.document_value()) deepest = std::max(deepest, depth_of(inner));
  return deepest + 1;
}

Status check_size(View document, int error_code, std::string_view what) {
  if (document.size() <= bson::kMaxDocumentBytes) return {};
  return bad(error_code, fmt::format("{} is larger than {}", what, bson::kMaxDocumentBytes));
}

Status check_update_path(const std::string& text, const std::vector<std::string>& parts) {
  if (text.empty()) return bad(code::kEmptyFieldName, "An empty update path is not valid.");
  if (parts.size() > kMaxPathDepth) return too_deep();
  std::size_t positional = 0;
  for (const auto& part : parts) {
    if (part.empty()) {
      return bad(code::kEmptyFieldName,
                 fmt::format("The update path '{}' contains an empty field name, which is not allowed.", text));
    }
    positional += part == "$";
  }
  if (parts[0] == "$") {
    return bad(code::kBadValue,
               fmt::format("Cannot have positional (i.e. '$') element in the first position in path '{}'", text));
  }
  if (is_array_filter(parts[0])) {
    return bad(
        code::kBadValue,
        fmt::format("Cannot have array filter identifier (i.e. '$[<id>]') element in the first position in path '{}'",
                    text));
  }
  if (positional > 1) {
    return bad(code::kBadValue, fmt::format("Too many positional (i.e. '$') elements found in path '{}'", text));
  }
  return {};
}

class ModifierParser {
 public:
  ModifierParser(const UpdateOptions& options, std::vector<NamedFilter>& filters)
      : options_(options), filters_(filters) {}

  std::vector<Assignment> assignments;
  bool positional = false;

  Status parse(View update) {
    for (const Element& e : update) {
      if (!is_update_operator(e.key())) return unknown_modifier(e.key());
      if (!e.is_document()) {
        return bad(code::kFailedToParse, fmt::format("Modifiers operate on fields but we found type {} instead. For "
                                                     "example: {{$mod: {{<field>: ...}}}} not {{{}}}",
                                                     bson::type_name(e.type()), show_field(e.key(), e)));
      }
      if (e.document_value().empty() && options_.version < kFive) {
        return bad(
            code::kFailedToParse,
            fmt::format("'{}' is empty. You must specify a field like so: {{{}: {{<field>: ...}}}}", e.key(), e.key()));
      }
      for (const Element& argument : e.document_value()) TRY(one(e.key(), argument));
    }
    for (const NamedFilter& filter : filters_) {
      if (used_.contains(filter.name)) continue;
      return bad(code::kFailedToParse, fmt::format("The array filter for identifier '{}' was not used in the update {}",
                                                   filter.name, bson::to_shell(update)));
    }
    return {};
  }

 private:
  Status one(std::string_view op, const Element& argument) {
    auto modifier = TRY(make_modifier(op, argument, options_));
    std::string text(argument.key());
    if (modifier->rename_source()) {
      TRY(check_update_path(text, *modifier->rename_source()));
      assignments.push_back({*modifier->rename_source(), nullptr});
      text = argument.string_value();
    }
    auto parts = split_path(text);
    TRY(check_update_path(text, parts));
    for (const auto& part : parts) {
      positional |= part == "$";
      if (!is_array_filter(part)) continue;
      const std::string id = part.substr(2, part.size() - 3);
      const bool known = std::ranges::any_of(filters_, [&](const auto& filter) { return filter.name == id; });
      if (!id.empty() && !known) {
        return bad(code::kBadValue, fmt::format("No array filter found for identifier '{}' in path '{}'", id, text));
      }
      used_.insert(id);
    }
    assignments.push_back({std::move(parts), std::move(modifier)});
    return {};
  }

  const UpdateOptions& options_;
  std::vector<NamedFilter>& filters_;
  std::set<std::string> used_;
};

// The identifier that a filter is about: the first component of its field names, wherever they stand.
Status find_identifier(View filter, std::string& name) {
  for (const Element& e : filter) {
    if (e.key() == "$and" || e.key() == "$or" || e.key() == "$nor") {
      if (!e.is_array()) continue;
      for (const Element& item : e.document_value()) {
        if (item.is_document()) TRY(find_identifier(item.document_value(), name));
      }
      continue;
    }
    if (e.key().starts_with('$')) continue;
    const std::string found(e.key().substr(0, e.key().find('.')));
    if (!name.empty() && name != found) {
      return bad(
          code::kFailedToParse,
          fmt::format(
              "Error parsing array filter :: caused by :: Expected a single top-level field name, found '{}' and '{}'",
              name, found));
    }
    name = found;
  }
  return {};
}

Result<std::vector<NamedFilter>> parse_array_filters(View filters, const UpdateOptions& options) {
  std::vector<NamedFilter> parsed;
  for (const Element& e : filters) {
    if (!e.is_document()) {
      return bad(
          code::kTypeMismatch,
          fmt::format("BSON field 'update.updates.arrayFilters.{}' is the wrong type '{}', expected type 'object'",
                      e.key(), bson::type_name(e.type())));
    }
    NamedFilter filter;
    filter.matcher = TRY(Matcher::parse(e.document_value(), options.collator, options.version, options.context,
                                       MatchFeatures::none())
                            .map_error([](Error error) { return std::move(error).with_context("Error parsing array filter :: caused by :"); }));
    TRY(find_identifier(e.document_value(), filter.name));
    if (filter.name.empty())
      return bad(code::kFailedToParse, "Cannot use an expression without a top-level field name in arrayFilters");
    const bool lower = filter.name[0] >= 'a' && filter.name[0] <= 'z';
    const bool plain = std::ranges::all_of(filter.name, [](unsigned char c) { return std::isalnum(c) != 0; });
    if (!lower || !plain) {
      return bad(code::kBadValue,
                 fmt::format("Error parsing array filter :: caused by :: The top-level field name must be an "
                             "alphanumeric string beginning with a lowercase letter, found '{}'",
                             filter.name));
    }
    if (std::ranges::any_of(parsed, [&](const auto& other) { return other.name == filter.name; })) {
      return bad(code::kFailedToParse,
                 fmt::format("Found multiple array filters with the same top-level field name {}", filter.name));
    }
    parsed.push_back(std::move(filter));
  }
  return parsed;
}

Document with_id_first(View document) {
  const Element id = document["_id"];
  if (!id || document.first().key() == "_id") return Document(document);
  bson::Builder out;
  out.append_raw(id);
  for (const Element& field : document) {
    if (field.key() != "_id") out.append_raw(field);
  }
  return std::move(out).finish();
}

}  // namespace

Update::Update(Update&&) noexcept = default;
Update& Update::operator=(Update&&) noexcept = default;
Update::~Update() = default;

Result<Update> Update::parse(const Element& u, const UpdateOptions& options) {
  auto parsed = std::make_unique<Parsed>();
  parsed->version = options.version;
  parsed->collator = options.collator;
  bson::Builder wrapped;
  wrapped.append("u", u);
  parsed->source = std::move(wrapped).finish();
  const Element held = parsed->source["u"];
  if (held.is_array()) {
    parsed->kind = UpdateKind::kPipeline;
    if (options.array_filters && !options.array_filters->empty()) {
      return bad(code::kFailedToParse, "arrayFilters may not be specified for pipeline-syle updates");
    }
    parsed->pipeline = TRY(UpdatePipeline::parse(held.document_value(), options));
  } else if (!held.is_document()) {
    return bad(code::kFailedToParse, "Update argument must be either an object or an array");
  } else {
    const View update = held.document_value();
    if (options.constants) return bad(51198, "Constant values may only be specified for pipeline updates");
    if (options.array_filters) {
      parsed->filters_source = Document(*options.array_filters);
      parsed->array_filters = TRY(parse_array_filters(parsed->filters_source.view(), options));
    }
    if (update.first().key().starts_with('$')) {
      parsed->kind = UpdateKind::kModifiers;
      ModifierParser parser(options, parsed->array_filters);
      TRY(parser.parse(update));
      parsed->assignments = std::move(parser.assignments);
      parsed->positional = parser.positional;
      parsed->tree = TRY(build_tree(parsed->assignments, parsed->order(), nullptr));
    } else {
      if (options.multi) return bad(code::kFailedToParse, "multi update is not supported for replacement-style update");
      TRY(check_storable(update, options.version));
      if (options.version >= kFive) TRY(check_replacement_fields(update));
    }
  }
  return Update(std::move(parsed));
}

Update::Update(std::unique_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}

UpdateKind Update::kind() const { return parsed_->kind; }
bool Update::is_positional() const { return parsed_->positional; }

Result<Applied> Update::Parsed::apply_modifiers(View old, const UpdateContext& context) const {
  auto work = tree;
  if (positional) {
    if (!context.details || !context.details->array_index) {
      return bad(code::kBadValue, "The positional operator did not find the match needed from the query.");
    }
    work = TRY(build_tree(assignments, order(), &*context.details->array_index));
  }
  MutableNode root(old);
  const Element id = old["_id"];
  const ModifierContext modifier_context{context, id, collator.get()};
  ApplyState state{root, modifier_context, array_filters, id.exists(), {}, false};
  TRY(apply_tree(*work, state));
  if (!state.modified) return Applied{Document(old), false, {}};
  for (const LogEntry& entry : state.log) {
    if (entry.path.size() + depth_of(entry.value.element()) > kMaxPathDepth) return too_deep();
  }
  Applied applied{root.to_document(), true, {}};
  TRY(check_levels(applied.document.view()));
  TRY(check_size(applied.document.view(), 17419, "Resulting document after update"));
  if (version < kFive) {
    for (const LogEntry& entry : state.log) TRY(check_written_names(applied.document.view(), entry));
  } else {
    for (const LogEntry& entry : state.log) TRY(check_written_field(entry));
  }
  applied.oplog_object = version < kFive ? oplog_v1(state.log) : oplog_v2(state.log);
  return applied;
}

// `newer` in place of `old`: the _id stays, and is first.
Result<Document> Update::Parsed::replacement_of(View old, View newer) const {
  const Element old_id = old["_id"];
  const Element new_id = newer["_id"];
  if (!old_id) return with_id_first(newer);
  if (!new_id) {
    bson::Builder out;
    out.append_raw(old_id);
    out.append_all(newer);
    return std::move(out).finish();
  }
  if (bson::compare_values(old_id, new_id) != 0) {
    return bad(
        code::kImmutableField,
        fmt::format("After applying the update, the (immutable) field '_id' was found to have been altered to {}",
                    show_field("_id", new_id)));
  }
  return with_id_first(newer);
}

// Empty timestamps at the top level become the time of the write.
Document Update::Parsed::replacement_with_times(const UpdateContext& context) const {
  const View replacement = source["u"].document_value();
  const auto is_empty_time = [](const Element& e) {
    return e.key() != "_id" && e.type() == Type::kTimestamp && e.timestamp_value().is_zero();
  };
  if (context.keep_empty_times || context.cluster_time.is_zero() || std::none_of(replacement.begin(), replacement.end(), is_empty_time)) {
    return Document(replacement);
  }
  bson::Builder out;
  for (const Element& field : replacement) {
    if (is_empty_time(field)) {
      out.append(field.key(), context.cluster_time);
    } else {
      out.append_raw(field);
    }
  }
  return std::move(out).finish();
}

Result<Applied> Update::apply(View old, const UpdateContext& context) const {
  if (parsed_->kind == UpdateKind::kModifiers) return parsed_->apply_modifiers(old, context);
  const bool is_pipeline = parsed_->kind == UpdateKind::kPipeline;
  const Document given = is_pipeline ? TRY(parsed_->pipeline.apply(old)) : parsed_->replacement_with_times(context);
  if (given.view().same_bytes(old)) return Applied{Document(old), false, {}};
  if (is_pipeline) TRY(check_storable(given.view(), parsed_->version));
  Applied applied{TRY(parsed_->replacement_of(old, given.view())), true, {}};
  if (is_pipeline && applied.document.view().same_bytes(old)) return Applied{Document(old), false, {}};
  TRY(check_size(applied.document.view(), 17419, "Resulting document after update"));
  applied.oplog_object = applied.document;
  if (!is_pipeline || parsed_->version < kFive) return applied;
  if (const auto diff = compute_diff(old, applied.document.view())) {
    bson::Builder out;
    out.append("$v", 2).append("diff", *diff);
    applied.oplog_object = std::move(out).finish();
  }
  return applied;
}

Result<Document> Update::upsert_document(const Matcher& filter, UpdateContext context,
                                         const std::function<bson::ObjectId()>& generate_id) const {
  context.is_insert = true;
  MutableNode base{View()};
  const bool replaces = parsed_->kind == UpdateKind::kReplacement;
  auto equalities = filter.equalities();
  if (replaces) {  // of a replacement's filter only the _id counts
    for (const auto& [path, value] : equalities) {
      if (!path.starts_with("_id.")) continue;
      return bad(111, fmt::format("field at '_id' must be exactly specified, field at sub-path '{}'found", path));
    }
    std::erase_if(equalities, [](const auto& equality) { return equality.first != "_id"; });
  }
  // By path, as the server adds them.
  std::ranges::stable_sort(equalities, [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < equalities.size(); ++i) {
    const auto& [path, value] = equalities[i];
    for (std::size_t before = 0; before < i; ++before) {
      const std::string& other = equalities[before].first;
      if (other == path) return bad(54, fmt::format("cannot infer query fields to set, path '{}' is matched twice", path));
      if (path.starts_with(other + ".")) {
        return bad(54, fmt::format("cannot infer query fields to set, both paths '{}' and '{}' are matched", path, other));
      }
    }
    MutableNode* at = &base;
    const auto parts = split_path(path);
    if (parts.size() > kMaxPathDepth) return too_deep();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      MutableNode* next = at->find(parts[i]);
      at = next ? next : &at->append(MutableNode::make_document(parts[i]));
    }
    at->append(std::make_unique<MutableNode>(parts.back(), value));
  }
  const Document start = with_id_first(base.to_document().view());
  Document result = TRY(apply(start.view(), context)).document;
  if (result["_id"]) {
    result = with_id_first(result.view());
  } else {
    bson::Builder out;
    out.append("_id", generate_id());
    out.append_all(result.view());
    result = std::move(out).finish();
  }
  TRY(check_size(result.view(), 17420, "Document to upsert"));
  TRY(check_storable(result.view(), parsed_->version));
  return result;
}

}  // namespace drover::sandbox::query
