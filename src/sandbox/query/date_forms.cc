#include "sandbox/query/date_forms.h"

#include "sandbox/query/calendar.h"

namespace drover::sandbox::query {

using bson::Type;

Result<std::int64_t> millis_of(const Datum& value) {
  switch (value.type()) {
    case Type::kDateTime: return value.element().date_value().millis;
    case Type::kTimestamp: return std::int64_t{value.element().timestamp_value().seconds} * 1000;
    case Type::kObjectId: {
      const auto id = value.element().object_id_value();
      const auto seconds = std::uint32_t{id.bytes[0]} << 24 | std::uint32_t{id.bytes[1]} << 16 |
                           std::uint32_t{id.bytes[2]} << 8 | id.bytes[3];
      return std::int64_t{seconds} * 1000;
    }
    default: return bad(16006, fmt::format("can't convert from BSON type {} to Date", type_name_of(value)));
  }
}

Result<Zone> Zone::parse(const Datum& given) {
  if (given.type() != Type::kString) {
    return bad(40517, fmt::format("timezone must evaluate to a string, found {}", type_name_of(given)));
  }
  const std::string_view name = given.element().string_value();
  Zone zone;
  if (const auto offset = offset_of_zone(name)) {
    zone.offset_ = *offset;
    return zone;
  }
  zone.named_ = bson::TimeZone::find(name);
  if (!zone.named_) return bad(40485, fmt::format("unrecognized time zone identifier: \"{}\"", name));
  return zone;
}

}  // namespace drover::sandbox::query
