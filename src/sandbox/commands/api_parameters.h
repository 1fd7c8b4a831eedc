// What a client declares with a command of the versioned ("stable") API, 5.0+: apiVersion, apiStrict, apiDeprecationErrors. The batches of a
// cursor and the statements of a transaction declare what the first one did (347 APIMismatchError).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::sandbox {

struct ApiParameters {
  bool version_1 = false;  // the only version there is; false: none is declared
  std::optional<bool> strict, deprecation_errors;

  bool is_strict() const { return strict.value_or(false); }
  bool operator==(const ApiParameters&) const = default;
  // "{ apiVersion: "1", apiStrict: true }", as messages show them.
  std::string to_string() const;
};

// `by` is "getMore" or another command, `first` "the cursor-creating command" or "the transaction's first command".
Status check_same_api(std::string_view by, const ApiParameters& now, std::string_view first, const ApiParameters& then);

}  // namespace drover::sandbox
