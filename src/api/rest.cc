#include "api/rest.h"
#include "control/clusters.h"

#include <algorithm>

#include <fmt/format.h>

namespace drover::api {
namespace {

const char* phrase_of(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 409: return "Conflict";
    case 413: return "Request Entity Too Large";
    case 429: return "Too Many Requests";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
  }
}

RestError bad_field(std::string_view code, std::string_view field, std::string_view why) {
  RestError error{400, std::string(code), fmt::format("{} {}.", field, why), {std::string(field)}, {}};
  error.fields.emplace_back(field, why);
  return error;
}

void write(const Json& value, bool pretty, int depth, std::string& out) {
  const auto line = [&](int level) {
    if (!pretty) return;
    out += '\n';
    out.append(static_cast<std::size_t>(level) * 2, ' ');
  };
  if (const auto* object = value.as_object()) {
    std::vector<const std::pair<std::string, Json>*> fields;
    for (const auto& field : *object) fields.push_back(&field);
    std::sort(fields.begin(), fields.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
    out += '{';
    for (const auto* field : fields) {
      if (field != fields.front()) out += ',';
      line(depth + 1);
      out += json_quote(field->first) + (pretty ? " : " : ":");
      write(field->second, pretty, depth + 1, out);
    }
    if (!fields.empty()) line(depth);
    out += '}';
  } else if (const auto* array = value.as_array()) {
    out += '[';
    for (const auto& item : *array) {
      if (&item != &array->front()) out += ',';
      line(depth + 1);
      write(item, pretty, depth + 1, out);
    }
    if (!array->empty()) line(depth);
    out += ']';
  } else {
    out += value.dump();
  }
}

std::string page_link(const RestRequest& request, int number) {
  const auto count = request.query.find("includeCount");
  auto link = fmt::format("{}{}?includeCount={}&pageNum={}&itemsPerPage={}", request.base, request.path, count == request.query.end() || count->second != "false", number,
                          request.page.items);
  for (const auto& [name, value] : request.every_query) {
    if (name == "includeCount" || name == "pageNum" || name == "itemsPerPage") continue;
    link += fmt::format("&{}={}", control::percent_encoded(name), control::percent_encoded(value));
  }
  return link;
}

// A detail is a sentence; messages are parts of lines.
std::string sentence(std::string message) {
  if (!message.empty() && std::string_view(".!?").find(message.back()) == std::string_view::npos) message += '.';
  return message;
}

}  // namespace

RestError rest_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUsage: return {400, "INVALID_ATTRIBUTE", sentence(error.message), {}, {}};
    case ErrorCode::kWrongState: return {409, "CONFLICT", sentence(error.message), {}, {}};
    case ErrorCode::kTemporary:
    case ErrorCode::kTimedOut: return {503, "SERVICE_UNAVAILABLE", "The site's store does not answer. Try again.", {}, {}};
    default: return {500, "UNEXPECTED_ERROR", "Unexpected error.", {}, {}};
  }
}

RestResult<std::string> required_text(const Json& body, std::string_view field) {
  const auto* value = body.find(field);
  if (value == nullptr || value->is_null()) return tl::unexpected(bad_field("MISSING_ATTRIBUTE", field, "must not be blank"));
  const auto* text = value->as_string();
  if (text == nullptr) return tl::unexpected(bad_field("INVALID_ATTRIBUTE", field, "must be a string"));
  if (text->empty()) return tl::unexpected(bad_field("MISSING_ATTRIBUTE", field, "must not be blank"));
  return *text;
}

RestResult<std::vector<std::string>> text_list(const Json& body, std::string_view field, bool required) {
  const auto* value = body.find(field);
  if (value == nullptr || value->is_null()) {
    if (required) return tl::unexpected(bad_field("MISSING_ATTRIBUTE", field, "must not be blank"));
    return std::vector<std::string>();
  }
  const auto* array = value->as_array();
  if (array == nullptr) return tl::unexpected(bad_field("INVALID_ATTRIBUTE", field, "must be an array of strings"));
  std::vector<std::string> texts;
  for (const auto& item : *array) {
    const auto* text = item.as_string();
    if (text == nullptr) return tl::unexpected(bad_field("INVALID_ATTRIBUTE", field, "must be an array of strings"));
    texts.push_back(*text);
  }
  return texts;
}

Json self_link(const RestRequest& request, std::string_view path) {
  return Json::Array{Json::Object{{"href", fmt::format("{}{}", request.base, path)}, {"rel", "self"}}};
}

Json page_of(const RestRequest& request, Json::Array results, std::int64_t total) {
  const auto& page = request.page;
  Json::Array links{Json::Object{{"href", page_link(request, page.number)}, {"rel", "self"}}};
  if (page.number > 1) links.push_back(Json::Object{{"href", page_link(request, page.number - 1)}, {"rel", "previous"}});
  if (static_cast<std::int64_t>(page.number) * page.items < total)
    links.push_back(Json::Object{{"href", page_link(request, page.number + 1)}, {"rel", "next"}});
  Json::Object body{{"links", std::move(links)}, {"results", std::move(results)}};
  const auto count = request.query.find("includeCount");
  if (count == request.query.end() || count->second != "false") body.emplace_back("totalCount", total);
  return body;
}

std::string dump_sorted(const Json& value, bool pretty) {
  std::string out;
  write(value, pretty, 0, out);
  return out;
}

Json error_body(const RestError& error) {
  Json::Object body{{"error", error.status}, {"errorCode", error.code}, {"detail", error.detail}, {"reason", phrase_of(error.status)}};
  if (error.parameters.empty()) {
    body.emplace_back("parameters", nullptr);
  } else {
    Json::Array parameters;
    for (const auto& parameter : error.parameters) parameters.emplace_back(parameter);
    body.emplace_back("parameters", std::move(parameters));
  }
  if (!error.fields.empty()) {
    Json::Array fields;
    for (const auto& [field, description] : error.fields)
      fields.push_back(Json::Object{{"field", field}, {"description", description}});
    body.emplace_back("badRequestDetail", Json::Object{{"fields", std::move(fields)}});
  }
  return body;
}

}  // namespace drover::api
