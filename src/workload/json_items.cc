#include "workload/json_items.h"

#include <fmt/format.h>

namespace drover::workload {
namespace {

using Traits = std::istream::traits_type;

bool is_space(int c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

Result<JsonItems> JsonItems::open(std::istream& text, const std::string& field) {
  JsonItems items(text);
  const auto not_found = [&] {
    return fail(ErrorCode::kFailure, field.empty() ? std::string("reading JSON: the file does not hold an array")
                                                   : fmt::format("reading JSON: there is no array \"{}\"", field));
  };
  auto& buffer = *text.rdbuf();
  if (!field.empty()) {
    if (items.peek_token() != '{') return not_found();
    buffer.sbumpc();
    for (;;) {
      const auto key = TRY(items.take_value());
      if (items.peek_token() != ':') return not_found();
      buffer.sbumpc();
      if (key == json_quote(field)) break;
      TRY(items.take_value());
      if (items.peek_token() != ',') return not_found();
      buffer.sbumpc();
      items.peek_token();
    }
  }
  if (items.peek_token() != '[') return not_found();
  buffer.sbumpc();
  return items;
}

Result<std::optional<Json>> JsonItems::next() {
  auto& buffer = *text_->rdbuf();
  const int token = peek_token();
  if (token == ']') return std::optional<Json>();
  if (item_ > 0) {
    if (token != ',') return fail(ErrorCode::kFailure, fmt::format("reading JSON: no comma after item {}", item_));
    buffer.sbumpc();
    peek_token();
  }
  ++item_;
  const auto value = TRY_WITH(take_value(), fmt::format("item {}", item_));
  return std::optional(TRY_WITH(Json::parse(value), fmt::format("item {}", item_)));
}

int JsonItems::peek_token() {
  auto& buffer = *text_->rdbuf();
  while (is_space(buffer.sgetc())) buffer.sbumpc();
  return buffer.sgetc();
}

// The text of one value, by its nesting alone: whether it is well-formed is for Json::parse to say.
Result<std::string> JsonItems::take_value() {
  auto& buffer = *text_->rdbuf();
  peek_token();
  std::string value;
  int depth = 0;
  bool in_string = false;
  for (;;) {
    const int c = buffer.sgetc();
    if (Traits::eq_int_type(c, Traits::eof())) return fail(ErrorCode::kFailure, "reading JSON: the file ends within a value");
    if (!in_string && depth == 0 && (c == ',' || c == ':' || c == ']' || c == '}' || is_space(c))) break;
    value += static_cast<char>(buffer.sbumpc());
    if (value.size() > kMaxJsonItemBytes)
      return fail(ErrorCode::kFailure, fmt::format("reading JSON: a value is larger than {} bytes", kMaxJsonItemBytes));
    if (in_string) {
      if (c == '\\' && !Traits::eq_int_type(buffer.sgetc(), Traits::eof())) value += static_cast<char>(buffer.sbumpc());
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
    if (depth == 0 && !in_string && (c == '"' || c == '}' || c == ']')) break;
  }
  return value;
}

}  // namespace drover::workload
