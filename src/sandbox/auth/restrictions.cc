#include "sandbox/auth/restrictions.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "net/address_range.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox::auth {

namespace {

constexpr int kBadValue = 2;
constexpr int kUnsupportedFormat = 12;
constexpr int kCollectionIsEmpty = 162;

tl::unexpected<Error> not_a_range(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || !net::AddressRange::parse(text.substr(0, slash))) return server_error(kBadValue, "Invalid IP address in CIDR string");
  const auto length = text.substr(slash + 1);
  const bool numeric = !length.empty() && length.find_first_not_of("0123456789") == std::string_view::npos;
  return server_error(kBadValue, numeric ? "Invalid length in CIDR string" : "Non-numeric length in CIDR string");
}

Status check_ranges(const bson::Element& list) {
  const auto ranges = list.to_array();
  if (!ranges) {
    return server_error(kBadValue, fmt::format("BSON field 'address restriction.{}' is the wrong type '{}', expected type 'array'", list.key(), bson::type_name(list.type())));
  }
  for (const auto& range : *ranges) {
    if (!range.is_string()) {
      return server_error(kBadValue, fmt::format("BSON field 'address restriction.{}.{}' is the wrong type '{}', expected type 'string'", list.key(), range.key(),
                                                 bson::type_name(range.type())));
    }
    if (!net::AddressRange::parse(range.string_value())) return not_a_range(range.string_value());
  }
  return {};
}

bool is_within(const bson::Element& list, const std::string& address) {
  if (!list) return true;
  const auto ranges = list.to_array().value_or(bson::View());
  return std::any_of(ranges.begin(), ranges.end(), [&](const bson::Element& text) {
    const auto range = net::AddressRange::parse(text.to_string_view().value_or(""));
    return range && range->contains(address);
  });
}

}  // namespace

Result<bson::Document> checked_restrictions(bson::View array) {
  bson::ArrayBuilder out;
  for (const auto& item : array) {
    const auto restriction = item.to_document();
    if (!restriction) return server_error(kUnsupportedFormat, "'authenticationRestrictions' array sub-documents must be address restriction objects");
    for (const auto& field : *restriction) {
      if (field.key() != "clientSource" && field.key() != "serverAddress") {
        return server_error(kBadValue, fmt::format("BSON field 'address restriction.{}' is an unknown field.", field.key()));
      }
      TRY(check_ranges(field));
    }
    if (restriction->empty()) return server_error(kCollectionIsEmpty, "At least one of 'clientSource' and/or 'serverAddress' must be set");
    auto stored = out.open_document();
    for (const auto* name : {"clientSource", "serverAddress"}) {
      if (const auto list = (*restriction)[name]) stored.append_raw(list);
    }
  }
  return std::move(out).finish();
}

bool are_met(bson::View restrictions, const Addresses& addresses) {
  if (restrictions.empty()) return true;
  return std::any_of(restrictions.begin(), restrictions.end(), [&](const bson::Element& item) {
    const auto restriction = item.to_document();
    return restriction && is_within((*restriction)["clientSource"], addresses.client) && is_within((*restriction)["serverAddress"], addresses.server);
  });
}

}  // namespace drover::sandbox::auth
