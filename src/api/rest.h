// What the public APIs of Atlas and Cloud Manager have in common (spec/control-plane.md 3.1), as values: a request that has
// found its route and its caller, an answer, an error. Nothing of HTTP in the handlers.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "base/error.h"
#include "base/json.h"
#include "control/identity.h"
#include "control/store.h"

namespace drover::api {

enum class Family {
  kAtlasV2,        // /api/atlas/v2, versioned media types
  kAtlasV1,        // /api/atlas/v1.0
  kCloudManager,   // /api/public/v1.0
  kExt,            // /api/ext/v1: ours
};

struct RestRequest {
  Family family = Family::kAtlasV2;
  std::string public_url;                    // "http://host:port"
  std::string base;                          // "http://host:port/api/atlas/v2": in front of links
  std::string path;                          // behind base, with the slash
  std::map<std::string, std::string> names;  // of the path: orgId, groupId, …
  std::map<std::string, std::string> query;  // decoded; the last of equals
  std::vector<std::pair<std::string, std::string>> every_query;  // all, in order
  std::string version;                       // Atlas v2's, that answers; else empty
  Json body;                                 // an object for POST, PUT and PATCH that have one
  control::Page page;
  const control::ApiKey* caller = nullptr;
  std::string peer;                          // the address from where it comes
  std::string org;                           // of the path's organization or project, which exist and may be accessed

  const std::string& name(const std::string& key) const { return names.at(key); }
};

struct RestError {
  int status = 400;
  std::string code;                     // "INVALID_ATTRIBUTE"
  std::string detail;
  std::vector<std::string> parameters;  // those that detail quotes
  std::vector<std::pair<std::string, std::string>> fields;  // field and what is wrong with it
  std::string allow = {};               // of a 405: the methods that there are
};

struct RestReply {
  int status = 200;
  Json body;      // null: no body
  bool bare = false;  // a list that is answered as an array, not as a page
  Json::Object about = {};  // what the route's audit event tells besides the names of the path
};

// HEAD is GET whose body is not sent: the server leaves it out.
inline std::string_view method_served(std::string_view method) { return method == "HEAD" ? "GET" : method; }

template <typename T>
using RestResult = tl::expected<T, RestError>;

inline tl::unexpected<RestError> refuse(int status, std::string code, std::string detail, std::vector<std::string> parameters = {}) {
  return tl::unexpected(RestError{status, std::move(code), std::move(detail), std::move(parameters), {}});
}
// What went wrong below, in the words of the API. Details of the store's failures stay in the log.
RestError rest_error(const Error& error);

// As TRY, for a Result of the layers below within a handler.
#define TRY_REST(expression)                                                                                    \
  ({                                                                                                            \
    auto try_result_ = (expression);                                                                            \
    if (!try_result_) return ::tl::unexpected(::drover::api::rest_error(std::move(try_result_).error()));       \
    ::drover::detail::take(try_result_);                                                                        \
  })

// As TRY, for a RestResult.
#define TRY_BODY(expression)                                                                       \
  ({                                                                                               \
    auto try_result_ = (expression);                                                               \
    if (!try_result_) return ::tl::unexpected(std::move(try_result_).error());                     \
    std::move(*try_result_);                                                                       \
  })

// Fields of a request's body; refusals name the field in badRequestDetail.
RestResult<std::string> required_text(const Json& body, std::string_view field);
RestResult<std::vector<std::string>> text_list(const Json& body, std::string_view field, bool required);

// [{"href": base + path, "rel": "self"}]
Json self_link(const RestRequest& request, std::string_view path);
// {"links", "results", "totalCount"} with the links of the pages around.
Json page_of(const RestRequest& request, Json::Array results, std::int64_t total);

// Keys sorted, as recorded; on one line, or indented.
std::string dump_sorted(const Json& value, bool pretty);
Json error_body(const RestError& error);

}  // namespace drover::api
