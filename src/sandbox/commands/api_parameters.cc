#include "sandbox/commands/api_parameters.h"

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {
constexpr int kApiMismatch = 347;
}

std::string ApiParameters::to_string() const {
  bson::Builder out;
  if (version_1) out.append("apiVersion", "1");
  if (strict) out.append("apiStrict", *strict);
  if (deprecation_errors) out.append("apiDeprecationErrors", *deprecation_errors);
  return bson::to_shell(std::move(out).finish());
}

Status check_same_api(std::string_view by, const ApiParameters& now, std::string_view first, const ApiParameters& then) {
  if (now == then) return {};
  return server_error(kApiMismatch, fmt::format("API parameter mismatch: {} used params {}, {} used {}", by, now.to_string(), first, then.to_string()));
}

}  // namespace drover::sandbox
