// Errors as the server words them. The code is MongoDB's; whoever answers the client derives codeName from it.
#pragma once

#include <string>

#include "base/error.h"
#include "model/server_version.h"

namespace drover::sandbox::query {

namespace code {
inline constexpr int kBadValue = 2;
inline constexpr int kCannotBackfillArray = 34;
inline constexpr int kFailedToParse = 9;
inline constexpr int kTypeMismatch = 14;
inline constexpr int kOverflow = 15;
inline constexpr int kPathNotViable = 28;
inline constexpr int kConflictingUpdateOperators = 40;
inline constexpr int kDollarPrefixedFieldName = 52;
inline constexpr int kInvalidIdField = 53;
inline constexpr int kEmptyFieldName = 56;
inline constexpr int kImmutableField = 66;
inline constexpr int kInvalidOptions = 72;
inline constexpr int kInvalidPipelineOperator = 168;
inline constexpr int kConversionFailure = 241;
inline constexpr int kExceededMemoryLimit = 146;
}  // namespace code

inline tl::unexpected<Error> bad(int server_code, std::string message) {
  return fail(ErrorCode::kFailure, std::move(message), server_code);
}

// A part of a field's name that begins with a dollar. Since 5.0 with advice.
inline tl::unexpected<Error> bad_dollar_name(ServerVersion version) {
  const bool advised = version >= ServerVersion{5, 0, 0};
  return bad(16410, std::string("FieldPath field names may not start with '$'.") + (advised ? " Consider using $getField or $setField." : ""));
}

}  // namespace drover::sandbox::query
