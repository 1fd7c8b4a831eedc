// count and distinct. Facts: corpus find/count-distinct.
#include <algorithm>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/commands/aggregate.h"
#include "sandbox/commands/covered.h"
#include "sandbox/commands/scan.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/stage_memory.h"

namespace drover::sandbox {

namespace {

constexpr std::int64_t kCheckEvery = 256;
constexpr std::size_t kViewBatchBytes = 1 << 20;
// Of a distinct value, beside its bytes and those of its key: two strings and a node of a tree.
constexpr std::size_t kValueOverhead = 128;

Result<bson::View> query_field(const CommandContext& context) {
  const auto field = context.body["query"];
  if (!field || field.is_null()) return bson::View();
  if (const auto filter = field.to_document()) return *filter;
  return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.query' is the wrong type '{}', expected type 'object'",
                                                       context.command->name, bson::type_name(field.type())));
}

Result<std::int64_t> number_field(const CommandContext& context, std::string_view name) {
  const auto field = context.body[name];
  if (!field || field.is_null()) return 0;
  const auto value = field.is_number() ? field.to_int64() : std::nullopt;
  if (!value) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected types '[long, int, decimal, double']",
                                                         context.command->name, name, bson::type_name(field.type())));
  }
  return *value;
}

// The scan that answers the command, or nothing for a collection that does not exist.
Result<std::optional<Scan>> open_scan(CommandContext& context, const ReadScope& scope, const Target& target, bson::View filter,
                                      const std::shared_ptr<const bson::Collator>& collator) {
  const auto evaluation = evaluation_context(context, {}, collator);
  auto matcher = TRY(query::Matcher::parse(filter, collator, context.settings().version, evaluation));
  TRY(evaluation->literals());
  if (!target.collection) return std::optional<Scan>();
  auto plan = TRY(make_plan(*target.collection, {.rules = plan_rules(context), .filter = &matcher, .collator = collator, .hint = context.body["hint"]}));
  return std::optional(Scan(scope.reader, target.collection, std::move(plan), std::move(matcher), context.services.memory.work));
}

// Shows `visit` every document of the pipeline that does the same on a view.
template <typename Visit>
Status run_on_view(CommandContext& context, const Namespace& ns, bson::Document pipeline, Visit&& visit) {
  auto opened = TRY(open_aggregate(context, {.ns = ns, .pipeline = std::move(pipeline), .hint = context.body["hint"], .statement = context.body}));
  const BatchRequest request{.max_documents = kCheckEvery, .max_bytes = kViewBatchBytes};
  while (!opened.cursor->exhausted()) {
    TRY(check_interrupt(context));
    CursorBatch batch(request);
    TRY(opened.cursor->next_batch(context, batch));
    const auto array = std::move(batch).finish_documents();
    for (const auto& item : array) TRY(visit(item.document_value()));
  }
  return {};
}

Result<bson::Document> count(CommandContext& context) {
  TRY(check_fields(context, {"query", "fields", "limit", "skip", "hint", "collation", "queryOptions", "collectionUUID"}));
  TRY(check_comment(context));
  const auto filter = TRY(query_field(context));
  auto limit = TRY(number_field(context, "limit"));
  if (limit < 0) limit = limit == std::numeric_limits<std::int64_t>::min() ? std::numeric_limits<std::int64_t>::max() : -limit;
  const auto skip = TRY(number_field(context, "skip"));
  if (skip < 0) return server_error(51024, fmt::format("BSON field 'skip' value must be >= 0, actual value '{}'", skip));
  if (const auto hint = context.body["hint"]) TRY(statement_hint(hint));
  auto scope = TRY(read_scope(context));
  const auto target = TRY(target_collection(context, scope.reader->catalog()));
  if (target.collection && target.collection->is_view()) {
    std::int64_t found = 0;
    TRY(run_on_view(context, target.ns, pipeline_of_find(filter, {}, skip, limit, {}), [&](bson::View) -> Status {
      ++found;
      return {};
    }));
    bson::Builder reply;
    append_count(reply, "n", found);
    return std::move(reply).finish();
  }
  std::int64_t n = 0;
  const auto collator = TRY(effective_collation(context.body, target.collection.get()));
  if (filter.empty() && target.collection && !target.collection->is_oplog() && !context.transaction && !scope.at && !context.body["hint"]) {
    n = target.collection->counters->copy().records;  // as the server does: fast, of the newest state
  } else if (auto scan = TRY(open_scan(context, scope, target, filter, collator))) {
    const auto wanted = limit > 0 ? saturating_sum(skip, limit) : std::numeric_limits<std::int64_t>::max();
    const bool by_keys = is_counted_by_keys(scan->plan(), scan->filter(), *target.collection);
    while (n < wanted && (by_keys ? TRY(scan->next_key()) : TRY(scan->next()).has_value())) {
      if (++n % kCheckEvery == 0) TRY(check_interrupt(context));
    }
  }
  n = std::max<std::int64_t>(n - skip, 0);
  if (limit > 0) n = std::min(n, limit);
  bson::Builder reply;
  append_count(reply, "n", n);
  return std::move(reply).finish();
}

// Distinct values in the order of first sight of their equals, sorted at the end.
class Values {
 public:
  explicit Values(std::shared_ptr<const bson::Collator> collator) : collator_(std::move(collator)) {}

  // An array counts by its items, at whatever place of the path it stands; a number in the path is an item's place, and nothing
  // else there. A field whose own name is the whole rest of the path, dots and all, comes first.
  void add_path(bson::View document, std::string_view path) {
    if (const auto whole = document[path]) return add_items(whole);
    const auto dot = path.find('.');
    if (dot == std::string_view::npos) return;
    const auto field = document[path.substr(0, dot)];
    const auto rest = path.substr(dot + 1);
    if (field.is_document()) return add_path(field.document_value(), rest);
    if (!field.is_array()) return;
    const auto index = rest.substr(0, rest.find('.'));
    if (!index.empty() && index.find_first_not_of("0123456789") == std::string_view::npos) return add_path(field.document_value(), rest);
    for (const auto& item : field.document_value()) {
      if (item.is_document()) add_path(item.document_value(), rest);
    }
  }
  std::size_t bytes() const { return bytes_; }
  std::size_t memory_bytes() const { return memory_bytes_; }
  bson::Document finish() const {
    bson::ArrayBuilder out;
    for (const auto& [key, value] : values_) out.append(value.element());
    return std::move(out).finish();
  }

 private:
  void add_items(const bson::Element& value) {
    if (!value.is_array()) return add(value);
    for (const auto& item : value.document_value()) add(item);
  }
  void add(const bson::Element& value) {
    auto key = bson::key_string(value, collator_.get());
    if (values_.contains(key)) return;
    bytes_ += value.size() + 16;
    memory_bytes_ += key.size() + value.size() + kValueOverhead;
    values_.emplace(std::move(key), bson::Value(value));
  }
  std::shared_ptr<const bson::Collator> collator_;
  std::map<std::string, bson::Value> values_;
  std::size_t bytes_ = 0, memory_bytes_ = 0;
};

Result<bson::Document> distinct(CommandContext& context) {
  if (context.body["hint"] && !context.settings().at_least(7, 1)) {
    return server_error(code::kUnknownField, "BSON field 'distinct.hint' is an unknown field.");
  }
  TRY(check_fields(context, {"key", "query", "collation", "hint", "collectionUUID"}));
  TRY(check_comment(context));
  const auto key_field = context.body["key"];
  if (!key_field || key_field.is_null()) return server_error(code::kMissingField, "BSON field 'distinct.key' is missing but a required field");
  const auto key = key_field.to_string_view();
  if (!key) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'distinct.key' is the wrong type '{}', expected type 'string'",
                                                         bson::type_name(key_field.type())));
  }
  if (const auto hint = context.body["hint"]) TRY(statement_hint(hint));
  if (key->find('\0') != std::string_view::npos) return server_error(31032, "Key field cannot contain an embedded null byte");
  const auto filter = TRY(query_field(context));
  auto scope = TRY(read_scope(context));
  const auto target = TRY(target_collection(context, scope.reader->catalog()));
  const auto collator = TRY(effective_collation(context.body, target.collection.get()));
  Values values(collator);
  query::StageMemory memory(&context.services.memory.work);
  const auto add = [&](bson::View document) -> Status {
    values.add_path(document, *key);
    TRY(memory.hold(values.memory_bytes()));
    if (values.bytes() > kMaxBatchBytes) return server_error(17217, "distinct too big, 16mb cap");
    return {};
  };
  if (target.collection && target.collection->is_view()) {
    TRY(run_on_view(context, target.ns, pipeline_of_find(filter, {}, 0, 0, {}), add));
  } else if (auto scan = TRY(open_scan(context, scope, target, filter, collator))) {
    std::int64_t steps = 0;
    while (const auto document = TRY(scan->next())) {
      if (++steps % kCheckEvery == 0) TRY(check_interrupt(context));
      TRY(add(*document));
    }
  }
  bson::Builder reply;
  reply.append("values", bson::ArrayView{values.finish()});
  if (scope.at) reply.append("atClusterTime", *scope.at);  // what a snapshot session reads at from now on
  return std::move(reply).finish();
}

constexpr auto kCollection = ResourceKind::kCollection;
constexpr Command kRows[] = {
    {.name = "count", .flags = kReadConcern, .resource = kCollection, .action = "find", .handler = count,
     .help = "how many documents match"},
    {.name = "distinct", .flags = kInTransaction | kReadConcern | kSnapshotRead, .resource = kCollection, .action = "find", .handler = distinct,
     .help = "the values of a field"},
};

}  // namespace

std::span<const Command> count_commands() { return kRows; }

}  // namespace drover::sandbox
