#include "control/access_lists.h"

#include <algorithm>

#include <fmt/format.h>

#include "net/address_range.h"
#include "control/fields.h"
#include "control/identity.h"

namespace drover::control {
namespace {

constexpr const char* kEntries = "accessList";

AccessListEntry entry_of(bson::View document) {
  return {text_of(document, "cidrBlock"), text_of(document, "comment"), text_of(document, "deleteAfterDate")};
}

bson::Document entry_filter(const std::string& group, const std::string& cidr) { return bson::make_document({{"groupId", group}, {"cidrBlock", cidr}}); }

}  // namespace

Status AccessLists::add(const std::string& group, const std::vector<AccessListEntry>& entries) {
  for (const auto& entry : entries) {
    if (!net::AddressRange::parse(entry.cidr)) return fail(ErrorCode::kUsage, fmt::format("{} is not an IP address or CIDR notation", entry.cidr));
    // It would be gone before it was there.
    if (!entry.delete_after.empty() && entry.delete_after <= iso_time(runtime_)) return fail(ErrorCode::kUsage, fmt::format("deleteAfterDate: {} is past", entry.delete_after));
    if (!entry.comment.empty()) TRY(check_text("comment", entry.comment, kMaxCommentBytes));
  }
  if (TRY(count(group)) + static_cast<std::int64_t>(entries.size()) > kMaxAccessListEntries)
    return fail(ErrorCode::kWrongState, fmt::format("an access list has at most {} entries", kMaxAccessListEntries));
  for (const auto& entry : entries) {
    const auto cidr = net::AddressRange::parse(entry.cidr)->cidr();
    bson::Builder update;
    update.open_document("$set").append("comment", entry.comment).append("deleteAfterDate", entry.delete_after);
    update.open_document("$setOnInsert").append("_id", new_id(runtime_));
    TRY(store_.upsert(kEntries, entry_filter(group, cidr), std::move(update).finish()));
  }
  return {};
}

// Dates are of one spelling, so that texts compare as times.
Status AccessLists::forget_expired(const std::string& group) {
  bson::Builder expired;
  expired.append("groupId", group);
  {
    auto date = expired.open_document("deleteAfterDate");
    date.append("$gt", "").append("$lte", iso_time(runtime_));
  }
  TRY(store_.remove(kEntries, std::move(expired).finish()));
  return {};
}

Result<std::vector<AccessListEntry>> AccessLists::of_group(const std::string& group, Page page) {
  TRY(forget_expired(group));
  std::vector<AccessListEntry> entries;
  for (const auto& document : TRY(store_.find(kEntries, bson::make_document({{"groupId", group}}), page))) entries.push_back(entry_of(document));
  return entries;
}

Result<std::int64_t> AccessLists::count(const std::string& group) { return store_.count(kEntries, bson::make_document({{"groupId", group}})); }

Result<std::optional<AccessListEntry>> AccessLists::find(const std::string& group, const std::string& address_or_cidr) {
  TRY(forget_expired(group));
  const auto range = net::AddressRange::parse(address_or_cidr);
  if (!range) return std::optional<AccessListEntry>();
  const auto found = TRY(store_.find_one(kEntries, entry_filter(group, range->cidr())));
  if (!found) return std::optional<AccessListEntry>();
  return std::optional(entry_of(*found));
}

Result<bool> AccessLists::remove(const std::string& group, const std::string& address_or_cidr) {
  const auto range = net::AddressRange::parse(address_or_cidr);
  if (!range) return false;
  return TRY(store_.remove(kEntries, entry_filter(group, range->cidr()))) > 0;
}

Status AccessLists::forget_project(const std::string& group) {
  TRY(store_.remove(kEntries, bson::make_document({{"groupId", group}})));
  return {};
}

Result<bool> AccessLists::allows(const std::string& group, const std::string& address) {
  for (const auto& entry : TRY(of_group(group, {1, kMaxAccessListEntries})))
    if (const auto range = net::AddressRange::parse(entry.cidr); range && range->contains(address)) return true;
  return false;
}

}  // namespace drover::control
