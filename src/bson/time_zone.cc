#include "bson/time_zone.h"

#include <map>
#include <string>

#include <unicode/timezone.h>
#include <unicode/unistr.h>

namespace drover::bson {

struct TimeZone::Impl {
  std::unique_ptr<icu::TimeZone> zone;

  std::int64_t offset(std::int64_t millis, bool local) const {
    std::int32_t standard = 0;
    std::int32_t saving = 0;
    UErrorCode status = U_ZERO_ERROR;
    zone->getOffset(static_cast<UDate>(millis), local, standard, saving, status);
    return U_SUCCESS(status) ? std::int64_t{standard} + saving : 0;
  }
};

std::optional<TimeZone> TimeZone::find(std::string_view name) {
  constexpr std::size_t kMaxKept = 1000;
  thread_local std::map<std::string, std::shared_ptr<const Impl>, std::less<>> known;
  if (const auto it = known.find(name); it != known.end()) return TimeZone(it->second);
  const icu::UnicodeString id = icu::UnicodeString::fromUTF8(icu::StringPiece(name.data(), static_cast<std::int32_t>(name.size())));
  icu::UnicodeString canonical;
  UBool is_system = false;
  UErrorCode status = U_ZERO_ERROR;
  icu::TimeZone::getCanonicalID(id, canonical, is_system, status);
  if (U_FAILURE(status) || !is_system) return std::nullopt;
  auto impl = std::make_shared<Impl>();
  impl->zone.reset(icu::TimeZone::createTimeZone(id));
  if (known.size() < kMaxKept) known.emplace(name, impl);
  return TimeZone(std::move(impl));
}

std::int64_t TimeZone::offset_at(std::int64_t utc_millis) const { return impl_->offset(utc_millis, false); }
std::int64_t TimeZone::offset_at_local(std::int64_t local_millis) const { return impl_->offset(local_millis, true); }

}  // namespace drover::bson
