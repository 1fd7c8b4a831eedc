#include "base/json.h"

#include <cmath>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace drover {
namespace {

Json from_boost(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return Json();
    case boost::json::kind::bool_: return Json(value.get_bool());
    case boost::json::kind::int64: return Json(value.get_int64());
    case boost::json::kind::uint64: return Json(static_cast<double>(value.get_uint64()));
    case boost::json::kind::double_: return Json(value.get_double());
    case boost::json::kind::string: return Json(std::string_view(value.get_string().data(), value.get_string().size()));
    case boost::json::kind::array: {
      Json::Array array;
      for (const auto& item : value.get_array()) array.push_back(from_boost(item));
      return Json(std::move(array));
    }
    case boost::json::kind::object: {
      Json::Object object;
      for (const auto& item : value.get_object())
        object.emplace_back(std::string(item.key().data(), item.key().size()), from_boost(item.value()));
      return Json(std::move(object));
    }
  }
  return Json();
}

// Length of the valid UTF-8 sequence at `i`, 0 when there is none.
std::size_t utf8_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned char lead = byte(i);
  const auto follows = [&](std::size_t n) {
    if (i + n > text.size()) return false;
    for (std::size_t k = 1; k < n; ++k)
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    return true;
  };
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf && follows(2)) return 2;
  if (lead >= 0xe0 && lead <= 0xef && follows(3)) {
    if (lead == 0xe0 && byte(i + 1) < 0xa0) return 0;
    if (lead == 0xed && byte(i + 1) > 0x9f) return 0;
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4 && follows(4)) {
    if (lead == 0xf0 && byte(i + 1) < 0x90) return 0;
    if (lead == 0xf4 && byte(i + 1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

void dump_to(const Json& json, std::string& out) {
  if (const auto* value = json.as_bool()) {
    out += *value ? "true" : "false";
  } else if (const auto* integer = json.as_int()) {
    out += fmt::format("{}", *integer);
  } else if (const auto* number = json.as_double()) {
    out += std::isfinite(*number) ? fmt::format("{}", *number) : "null";
  } else if (const auto* text = json.as_string()) {
    out += json_quote(*text);
  } else if (const auto* array = json.as_array()) {
    out += '[';
    for (std::size_t i = 0; i < array->size(); ++i) {
      if (i > 0) out += ',';
      dump_to((*array)[i], out);
    }
    out += ']';
  } else if (const auto* object = json.as_object()) {
    out += '{';
    for (std::size_t i = 0; i < object->size(); ++i) {
      if (i > 0) out += ',';
      out += json_quote((*object)[i].first);
      out += ':';
      dump_to((*object)[i].second, out);
    }
    out += '}';
  } else {
    out += "null";
  }
}

}  // namespace

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_length(text, i);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      ++i;
      continue;
    }
    const auto c = static_cast<unsigned char>(text[i]);
    if (length > 1) out.append(text.substr(i, length));
    else if (c == '"') out += "\\\"";
    else if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '\r') out += "\\r";
    else if (c < 0x20 || c == 0x7f) out += fmt::format("\\u{:04x}", c);
    else out += static_cast<char>(c);
    i += length;
  }
  out += '"';
  return out;
}

const Json* Json::find(std::string_view key) const {
  const auto* object = as_object();
  if (object == nullptr) return nullptr;
  for (const auto& [name, value] : *object)
    if (name == key) return &value;
  return nullptr;
}

std::string Json::dump() const {
  std::string out;
  dump_to(*this, out);
  return out;
}

Result<Json> Json::parse(std::string_view text) {
  boost::json::error_code error;
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::json::stream_parser parser({}, options);
  std::size_t used = parser.write(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (error) return fail(ErrorCode::kUsage, fmt::format("parsing JSON at byte {}: {}", used, error.message()));
  return from_boost(parser.release());
}

}  // namespace drover
