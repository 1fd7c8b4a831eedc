// Turns a record of a JSON or CSV file into a typed BSON document: dates, decimals for money, nested documents, arrays,
// GeoJSON points. What a rule names is converted by it; every other column follows under its own name with the type that
// its text suggests. Deterministic.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "bson/builder.h"

namespace drover::workload {

enum class FieldKind {
  kInferred,    // integers to int32 or int64 (milliseconds since 1970 to dates), other numbers to double, ISO dates to dates
  kString,
  kInt64,
  kDouble,
  kDecimal,     // money
  kDate,        // text in one of the forms of parse_date, or milliseconds since 1970
  kDayHours,    // decimal hours of 2001-01-01
  kObjectId,    // 24 hex digits
  kList,        // "a,b,c" as an array of strings
  kPoint,       // column "longitude,latitude" as a GeoJSON point
  kOmitted,
};

// `target` may be dotted; rules with the same parent stand together.
struct FieldRule {
  std::string_view column;
  std::string_view target;
  FieldKind kind = FieldKind::kInferred;
};

// Appends the record's fields, ruled ones first. A value that does not fit its kind is kept as inferred, a missing one is
// left out, null stays null.
void append_record(bson::Builder& out, const Json::Object& record, std::span<const FieldRule> rules);

// A CSV record: empty cells are left out, numbers become numbers except where a rule says kString.
Json::Object record_of_cells(std::span<const std::string> columns, std::span<const std::string> cells,
                             std::span<const FieldRule> rules);

void append_inferred(bson::Builder& out, std::string_view key, const Json& value);

// "2012-01-31", "2000-01-01T08:00:00.000Z", "2015/01/01 01:00:00", "Jun 12 1998", "01/31/2015": milliseconds since 1970.
std::optional<std::int64_t> parse_date(std::string_view text);

}  // namespace drover::workload
