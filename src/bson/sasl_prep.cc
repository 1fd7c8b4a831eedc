#include "bson/sasl_prep.h"

#include <algorithm>
#include <memory>

#include <fmt/core.h>
#include <unicode/ustring.h>
#include <unicode/usprep.h>

namespace drover::bson {

Result<std::string> sasl_prep(std::string_view utf8) {
  const bool printable = std::all_of(utf8.begin(), utf8.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
  if (printable) return std::string(utf8);
  UErrorCode failed = U_ZERO_ERROR;
  const std::unique_ptr<UStringPrepProfile, decltype(&usprep_close)> profile(usprep_openByType(USPREP_RFC4013_SASLPREP, &failed), &usprep_close);
  std::u16string text(utf8.size(), u'\0');
  std::int32_t size = 0;
  u_strFromUTF8(text.data(), static_cast<std::int32_t>(text.size()), &size, utf8.data(), static_cast<std::int32_t>(utf8.size()), &failed);
  if (U_FAILURE(failed)) return fail(ErrorCode::kUsage, fmt::format("preparing a name or password: {}", u_errorName(failed)));
  text.resize(static_cast<std::size_t>(size));
  // Compatibility decomposition makes some characters longer, at most eighteenfold.
  std::u16string prepared(text.size() * 18 + 1, u'\0');
  size = usprep_prepare(profile.get(), text.data(), static_cast<std::int32_t>(text.size()), prepared.data(),
                        static_cast<std::int32_t>(prepared.size()), USPREP_DEFAULT, nullptr, &failed);
  if (U_FAILURE(failed)) {
    return fail(ErrorCode::kUsage, fmt::format("preparing a name or password by SASLprep: {}", u_errorName(failed)));
  }
  std::string out(static_cast<std::size_t>(size) * 3 + 1, '\0');
  std::int32_t bytes = 0;
  u_strToUTF8(out.data(), static_cast<std::int32_t>(out.size()), &bytes, prepared.data(), size, &failed);
  out.resize(static_cast<std::size_t>(bytes));
  return out;
}

}  // namespace drover::bson
