// An HTTP request and its answer as plain values, so that routes know nothing of sockets.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drover::net {

struct HttpRequest {
  std::string method;   // "GET", as the client spelled it
  std::string path;     // of the target, not decoded, without the query
  std::string query;    // behind the '?', not decoded
  std::vector<std::pair<std::string, std::string>> headers;  // in order, names as sent
  std::string body;
  std::string peer;     // "127.0.0.1:51000"
  std::string tls_subject;

  // The first of this name, in any case; empty when there is none.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  // without Content-Length and Connection, which are the server's
  std::string content_type = "application/json";
  std::string body;
};

}  // namespace drover::net
