#include "sandbox/server/read_preference.h"

#include <algorithm>

#include <fmt/core.h>

#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

constexpr int kNoSuchKey = 4, kMaxStalenessOutOfRange = 160;
constexpr double kLeastStaleness = 90;  // seconds
constexpr std::string_view kModes[] = {"primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"};

tl::unexpected<Error> mistyped(const bson::Element& field, std::string_view expected) {
  return server_error(code::kTypeMismatch, fmt::format("\"{}\" had the wrong type. Expected {}, found {}", field.key(), expected, bson::type_name(field.type())));
}

Status check_staleness(const bson::Element& field, bool primary) {
  if (!field) return {};
  if (!field.is_number()) return mistyped(field, "number");
  const double seconds = field.to_double().value_or(0);
  if (!(seconds >= 0)) return server_error(code::kBadValue, "maxStalenessSeconds must be a non-negative integer");
  if (seconds == 0) return {};
  if (primary) return server_error(code::kBadValue, "maxStalenessSeconds can not be set for the primary mode");
  if (seconds < kLeastStaleness) return server_error(kMaxStalenessOutOfRange, "maxStalenessSeconds value can not be less than 90");
  return {};
}

}  // namespace

Status check_read_preference(bson::View body) {
  const auto field = body["$readPreference"];
  if (!field) return {};
  if (!field.is_document()) return mistyped(field, "object");
  const auto preference = field.document_value();
  const auto mode = preference["mode"];
  if (!mode) return server_error(kNoSuchKey, "Missing expected field \"mode\"");
  if (!mode.is_string()) return mistyped(mode, "string");
  if (std::ranges::find(kModes, mode.string_value()) == std::end(kModes)) {
    return server_error(code::kFailedToParse, fmt::format("Could not parse $readPreference mode '{}'. Only the modes 'primary', 'primaryPreferred', 'secondary', "
                                                          "'secondaryPreferred', and 'nearest' are supported.", mode.string_value()));
  }
  const bool primary = mode.string_value() == "primary";
  if (primary && preference["hedge"].to_document().value_or(bson::View())["enabled"].is_truthy()) {
    return server_error(code::kInvalidOptions, "cannot enable hedging for $readPreference mode \"primaryOnly\"");
  }
  if (const auto tags = preference["tags"]) {
    if (!tags.is_array()) return mistyped(tags, "array");
    if (primary && !tags.document_value().empty()) return server_error(code::kBadValue, "Only empty tags are allowed with primary read preference");
  }
  return check_staleness(preference["maxStalenessSeconds"], primary);
}

}  // namespace drover::sandbox
