#include "bson/ejson.h"

#include <bson/bson.h>

#include <optional>

#include <fmt/format.h>

#include "base/check.h"
#include "bson/builder.h"

namespace drover::bson {

namespace {

std::string take_text(char* text) {
  std::string result = text ? text : "";
  bson_free(text);
  return result;
}

// A document with text that is not UTF-8, which a server accepts and JSON cannot hold: its bytes.
std::string print_bytes(View document) {
  std::string hex;
  for (const std::uint8_t byte : document.bytes()) hex += fmt::format("{:02x}", byte);
  return fmt::format("{{ \"$bson\" : \"{}\" }}", hex);
}

std::string print(View document, char* (*as_json)(const bson_t*, std::size_t*)) {
  bson_t borrowed;
  CHECK(bson_init_static(&borrowed, document.data(), document.size()), "printing bytes that are not a document");
  const std::string text = take_text(as_json(&borrowed, nullptr));
  return text.empty() ? print_bytes(document) : text;
}

// The first number of a {"$numberDecimal": "..."} that is none: libbson would read NaN.
std::optional<std::string> wrong_decimal(std::string_view text) {
  constexpr std::string_view kName = "\"$numberDecimal\"", kSpace = " \t\r\n";
  for (auto at = text.find(kName); at != std::string_view::npos; at = text.find(kName, at + 1)) {
    if (at > 0 && text[at - 1] == '\\') continue;  // within a string
    const auto colon = text.find_first_not_of(kSpace, at + kName.size());
    const auto quote = colon == std::string_view::npos ? colon : text.find_first_not_of(kSpace, colon + 1);
    if (quote == std::string_view::npos || text[colon] != ':' || text[quote] != '"') continue;
    std::string number(text.substr(quote + 1, text.find('"', quote + 1) - quote - 1));
    bson_decimal128_t decimal;
    if (!bson_decimal128_from_string(number.c_str(), &decimal)) return number;
  }
  return std::nullopt;
}

}  // namespace

Result<Document> from_ejson(std::string_view text) {
  if (const auto wrong = wrong_decimal(text)) {
    return fail(ErrorCode::kUsage, fmt::format("parsing Extended JSON: \"{}\" is no decimal number, or one that does not fit", *wrong));
  }
  bson_error_t error;
  bson_t* parsed = bson_new_from_json(reinterpret_cast<const std::uint8_t*>(text.data()),
                                      static_cast<ssize_t>(text.size()), &error);
  if (parsed == nullptr) return fail(ErrorCode::kUsage, fmt::format("parsing Extended JSON: {}", error.message));
  Document document(View(bson_get_data(parsed)));
  bson_destroy(parsed);
  return document;
}

std::string to_canonical_ejson(View document) { return print(document, bson_as_canonical_extended_json); }
std::string to_relaxed_ejson(View document) { return print(document, bson_as_relaxed_extended_json); }

std::string to_ejson(const Element& value) {
  if (!value) return "";
  Builder builder;
  builder.append("", value);
  const std::string wrapped = to_canonical_ejson(std::move(builder).finish());  // { "" : value }
  if (!wrapped.starts_with("{ \"\" : ")) return wrapped;
  const auto start = wrapped.find(':') + 2;
  return wrapped.substr(start, wrapped.size() - start - 2);
}

}  // namespace drover::bson
