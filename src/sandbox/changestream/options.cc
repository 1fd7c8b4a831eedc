#include "sandbox/changestream/options.h"

#include <fmt/core.h>

#include "sandbox/commands/command.h"

namespace drover::sandbox::changestream {

namespace {

constexpr ServerVersion kTokenVersion2Since{7, 0, 0};

bool is_internal(std::string_view db) { return db == "admin" || db == "config" || db == "local"; }

Result<Options::Image> parse_full_document(std::string_view value, ServerVersion version) {
  if (value == "default") return Options::Image::kOff;
  if (value == "updateLookup") return Options::Image::kLookup;
  if (version >= ServerVersion{6, 0, 0}) {
    if (value == "whenAvailable") return Options::Image::kWhenAvailable;
    if (value == "required") return Options::Image::kRequired;
    return server_error(2, fmt::format("Enumeration value '{}' for field '$changeStream.fullDocument' is not a valid value.", value));
  }
  return server_error(40575, fmt::format("unrecognized value for the 'fullDocument' option to the $changeStream stage. Expected "
                                         "\"default\" or \"updateLookup\", got \"{}\"", value));
}

Result<Options::Image> parse_before_change(std::string_view value) {
  if (value == "off") return Options::Image::kOff;
  if (value == "whenAvailable") return Options::Image::kWhenAvailable;
  if (value == "required") return Options::Image::kRequired;
  return server_error(2, fmt::format("Enumeration value '{}' for field '$changeStream.fullDocumentBeforeChange' is not a valid value.", value));
}

Result<bool> parse_flag(const bson::Element& field) {
  if (field.type() == bson::Type::kBool) return field.bool_value();
  return server_error(14, fmt::format("BSON field '$changeStream.{}' is the wrong type '{}', expected type 'bool'", field.key(), bson::type_name(field.type())));
}

Status check_place(const Options& options) {
  const auto& ns = options.ns;
  if (options.scope == Options::Scope::kCluster) {
    if (ns.db == "admin" && ns.collection.empty()) return {};
    return server_error(72, "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database, and with no "
                            "collection name; found " + ns.to_string());
  }
  if (is_internal(ns.db)) {
    return server_error(73, fmt::format("$changeStream may not be opened on the internal {} database", ns.db));
  }
  if (ns.collection.starts_with("system.")) {
    return server_error(73, fmt::format("$changeStream may not be opened on the internal {} collection", ns.to_string()));
  }
  return {};
}

}  // namespace

Result<Options> Options::parse(const Namespace& ns, const bson::Element& stage, ServerVersion version) {
  const auto spec = stage.to_document();
  if (!spec) return server_error(50808, "$changeStream stage expects a document as argument.");
  Options options;
  options.ns = ns;
  options.version = version;
  options.token_version = version >= kTokenVersion2Since ? 2 : 1;
  options.scope = ns.collection.empty() ? Scope::kDatabase : Scope::kCollection;
  const bool six = version >= ServerVersion{6, 0, 0};
  int resume_options = 0;
  bool resume_after = false, start_after = false;
  for (const auto& field : *spec) {
    const auto key = field.key();
    if (key == "fullDocument") {
      options.full_document = TRY(parse_full_document(field.to_string_view().value_or(""), version));
    } else if (key == "fullDocumentBeforeChange") {
      options.before_change = TRY(parse_before_change(field.to_string_view().value_or("")));
    } else if (key == "resumeAfter" || key == "startAfter") {
      options.resume = TRY(ResumeToken::parse(field));
      (key == "resumeAfter" ? resume_after : start_after) = true;
      ++resume_options;
    } else if (key == "startAtOperationTime") {
      options.start_at = field.to_timestamp();
      if (!options.start_at) {
        return server_error(14, fmt::format("BSON field '$changeStream.startAtOperationTime' is the wrong type '{}', expected type 'timestamp'",
                                            bson::type_name(field.type())));
      }
      ++resume_options;
    } else if (key == "allChangesForCluster") {
      if (field.is_truthy()) options.scope = Scope::kCluster;
    } else if (key == "allowToRunOnConfigDB" || key == "allowToRunOnSystemNS") {
      return server_error(72, fmt::format("'{}' is for the server itself", key));
    } else if (six && key == "showExpandedEvents") {
      options.expanded_events = TRY(parse_flag(field));
    } else if (six && key == "showSystemEvents") {
      options.system_events = TRY(parse_flag(field));
    } else if (six && key == "showRawUpdateDescription") {
      options.raw_update_description = TRY(parse_flag(field));
    } else {
      return server_error(40415, fmt::format("BSON field '$changeStream.{}' is an unknown field.", key));
    }
  }
  if (resume_after && start_after) {
    return server_error(50865, "Do not specify both 'resumeAfter' and 'startAfter' in a $changeStream stage");
  }
  if (resume_options > 1) {
    return server_error(40674, "Only one type of resume option is allowed, but multiple were found.");
  }
  if (resume_after && options.resume->from_invalidate) {
    return server_error(260, "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.");
  }
  TRY(check_place(options));
  return options;
}

bool Options::concerns(std::string_view name) const {
  if (scope == Scope::kCollection) return name.size() == ns.db.size() + 1 + ns.collection.size() && name.starts_with(ns.db) && name[ns.db.size()] == '.' && name.ends_with(ns.collection);
  const auto dot = name.find('.');
  if (dot == std::string_view::npos || !concerns_database(name.substr(0, dot))) return false;
  const auto collection = name.substr(dot + 1);
  if (collection.starts_with('$')) return false;
  return system_events || !collection.starts_with("system.");
}

bool Options::concerns_database(std::string_view db) const {
  return scope == Scope::kCluster ? !is_internal(db) : db == ns.db;
}

}  // namespace drover::sandbox::changestream
