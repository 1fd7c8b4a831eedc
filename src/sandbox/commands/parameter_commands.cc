// getParameter, setParameter, and the feature compatibility version. Facts: corpus admin/fcv.
#include <map>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/parameters.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/query/oplog_diff.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

namespace {

const Namespace kVersions{"admin", "system.version"};
constexpr std::string_view kFcv = "featureCompatibilityVersion";
constexpr std::string_view kLogLevel = "logLevel", kLogVerbosity = "logComponentVerbosity";

std::string version_text(ServerVersion version) { return fmt::format("{}.{}", version.major, version.minor); }

Status append_fcv(CommandContext& context, bson::Builder& out) {
  const auto reader = make_reader(context.engine(), context.engine().view());
  const auto version = TRY(feature_compatibility_version(*reader, context.settings().version));
  out.open_document(kFcv).append("version", version);
  return {};
}

// Before 8.0 without a code.
tl::unexpected<Error> nothing_named(const CommandContext& context, std::string message) {
  return server_error(context.settings().at_least(8, 0) ? code::kInvalidOptions : -1, std::move(message));
}

Result<bson::Document> get_parameter(CommandContext& context) {
  const auto first = context.body.first();
  const bool all = (first.is_string() && first.string_value() == "*") ||
                   (first.is_document() && first.document_value()["allParameters"].is_truthy());
  bson::Builder out;
  bool found = false;
  if (all || context.body[kFcv]) {
    TRY(append_fcv(context, out));
    found = true;
  }
  const auto& verbosity = context.services.parameters.log_verbosity();
  if (all || context.body[kLogLevel]) {
    out.append(kLogLevel, verbosity.level());
    found = true;
  }
  if (all || context.body[kLogVerbosity]) {
    out.append(kLogVerbosity, verbosity.shown(context.settings().version));
    found = true;
  }
  found |= context.services.parameters.append_to(out, context.body, all) > 0;
  if (!found) return nothing_named(context, "no option found to get");
  return std::move(out).finish();
}

// {"": what it was before}
Result<bson::Document> set_log_parameter(const CommandContext& context, const bson::Element& field) {
  const auto version = context.settings().version;
  auto& verbosity = context.services.parameters.log_verbosity();
  if (field.key() == kLogVerbosity) {
    const auto settings = field.to_document();
    if (!settings) return server_error(code::kTypeMismatch, "log component verbosity is not a BSON object: " + bson::to_shell(field));
    auto before = bson::make_document({{"", verbosity.shown(version)}});
    TRY(verbosity.set(*settings, version));
    return before;
  }
  const auto level = field.is_number() ? field.to_int64().value_or(-1) : field.type() == bson::Type::kBool ? std::int64_t{field.is_truthy()} : -1;
  if (level < 0 || level > INT32_MAX) return server_error(code::kBadValue, "Invalid value for logLevel: " + bson::to_shell(field));
  auto before = bson::make_document({{"", verbosity.level()}});
  verbosity.set_level(static_cast<std::int32_t>(level));
  return before;
}

bool is_of_log(std::string_view name) { return name == kLogLevel || name == kLogVerbosity; }

// What is named has to be there and may be changed, all of it, before anything is.
Result<std::map<std::string_view, bson::Element>> parameters_to_set(const CommandContext& context) {
  std::map<std::string_view, bson::Element> out;
  for (const auto& field : context.body) {
    const auto name = field.key();
    if (name == "setParameter" || is_generic_field(name)) continue;
    if (!is_of_log(name)) TRY(context.services.parameters.check_settable(name));
    const auto [at, added] = out.emplace(name, field);
    if (added) continue;
    return server_error(code::kInvalidOptions, fmt::format("attempted to set parameter [{}] twice in the same setParameter command, once to value: [{}], and once to value: [{}]",
                                                           name, bson::to_shell(at->second), bson::to_shell(field)));
  }
  return out;
}

Result<bson::Document> set_parameter(CommandContext& context) {
  bson::Builder out;
  bool any = false;
  for (const auto& [name, field] : TRY(parameters_to_set(context))) {
    const auto changed = is_of_log(name) ? TRY(set_log_parameter(context, field)) : TRY(context.services.parameters.set(field));
    if (!any) out.append("was", changed.view().first());
    any = true;
  }
  if (!any) return nothing_named(context, "no option found to set, use help:true to see options ");
  return std::move(out).finish();
}

Status store_fcv(CommandContext& context, const std::string& version) {
  return in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto collection = TRY(collection_for_write(context, unit, kVersions, true));
    const auto after = bson::make_document({{"_id", kFcv}, {"version", version}});
    const auto record = TRY(unit.find_by_id(*collection, after["_id"]));
    if (!record) return unit.insert(collection, after).map([](RecordId) {});
    return unit.update(collection, record->id, record->document, after, after);
  });
}

Result<bson::Document> set_fcv(CommandContext& context) {
  const auto wanted = context.body.first().to_string_view();
  if (!wanted) return server_error(code::kTypeMismatch, "Command argument must be of type String");
  const auto version = context.settings().version;
  static const std::map<std::string, std::string, std::less<>> kPrevious = {
      {"4.4", "4.2"}, {"5.0", "4.4"}, {"6.0", "5.0"}, {"7.0", "6.0"}, {"8.0", "7.0"}};
  const auto own = version_text(version);
  const auto previous = kPrevious.find(own);
  if (*wanted != own && (previous == kPrevious.end() || *wanted != previous->second)) {
    return server_error(code::kBadValue, fmt::format("Invalid command argument. Expected '{}' or '{}', found {}", own,
                                                     previous == kPrevious.end() ? own : previous->second, bson::to_shell(context.body)));
  }
  if (version >= ServerVersion{7, 0, 0} && !context.body["confirm"].is_truthy()) {
    const auto reader = make_reader(context.engine(), context.engine().view());
    const bool upgrade = *wanted > TRY(feature_compatibility_version(*reader, version));
    return server_error(7369100, upgrade ? "Once you have upgraded to " + std::string(*wanted) +
                                               ", you will not be able to downgrade FCV and binary version without support assistance. Please re-run "
                                               "this command with 'confirm: true' to acknowledge this and continue with the FCV upgrade."
                                         : "Once you have downgraded the FCV, if you choose to downgrade the binary version, it will require support "
                                           "assistance. Please re-run this command with 'confirm: true' to acknowledge this and continue with the FCV "
                                           "downgrade.");
  }
  TRY(store_fcv(context, std::string(*wanted)));
  return bson::Document();
}

constexpr auto kCluster = ResourceKind::kCluster;
constexpr Command kRows[] = {
    {.name = "getParameter", .flags = kAdminOnly, .resource = kCluster, .action = "getParameter", .handler = get_parameter,
     .help = "server parameters"},
    {.name = "setParameter", .flags = kAdminOnly, .resource = kCluster, .action = "setParameter", .handler = set_parameter,
     .help = "changes a server parameter"},
    {.name = "setFeatureCompatibilityVersion", .flags = kAdminOnly | kWrite, .resource = kCluster,
     .action = "setFeatureCompatibilityVersion", .handler = set_fcv, .help = "changes the feature compatibility version"},
};

}  // namespace

Result<std::string> feature_compatibility_version(const Reader& reader, ServerVersion version) {
  const auto collection = reader.catalog().find(kVersions);
  if (!collection) return version_text(version);
  const auto id = bson::make_document({{"_id", kFcv}});
  const auto record = TRY(reader.find_by_id(*collection, id["_id"]));
  if (!record) return version_text(version);
  return std::string(record->document["version"].to_string_view().value_or(""));
}

std::span<const Command> parameter_commands() { return kRows; }

}  // namespace drover::sandbox
