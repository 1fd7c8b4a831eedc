// One HTTP/1.1 request and its answer, plain or TLS, within limits. For programs that call a server now and then: a
// connection serves one call.
//
// Errors: kTemporary when no whole answer came (not reached, cut, timed out): whether the server has acted is not known, so
// callers repeat only what may be repeated. kUnsupported when TLS did not come about, which will be so the next time: nothing
// was sent. A label says which side's certificate it was; only the caller knows by what setting it is named. kInterrupted after a
// stop request. An answer with any status is not an error. Messages name the server, never headers or bodies.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace drover::net {

inline constexpr std::size_t kMaxHttpAnswerBytes = 16 << 20;
inline constexpr std::chrono::seconds kHttpCallTimeout{30};  // from the name's look-up to the answer's last byte

inline constexpr std::string_view kServerCertificateRefused = "ServerCertificateRefused";  // by us: authority, name, date
inline constexpr std::string_view kClientCertificateRefused = "ClientCertificateRefused";  // by the server, or it misses one

struct Url {
  bool tls = false;
  std::string host;    // without the brackets of an IPv6 address
  std::string port;    // digits; the scheme's when the text names none
  std::string path;    // without a slash at its end; empty for the root
  std::string origin() const;  // "https://host:port"
};
// http:// and https:// only; no user, no query, no fragment. kUsage errors do not quote what stands before an '@'.
Result<Url> parse_url(std::string_view text);

struct HttpCall {
  std::string method = "GET";
  std::string target;  // behind the base URL, with its slash and query: "/api/v1/progress"
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;    // sent with its length when there is one, or the method is POST, PUT or PATCH
  std::chrono::milliseconds timeout = kHttpCallTimeout;
  std::size_t max_answer_bytes = kMaxHttpAnswerBytes;
};

struct HttpAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // The first of this name, in any case; empty when there is none.
  std::string_view header(std::string_view name) const;
};

class HttpClient {
 public:
  struct Options {
    std::string base_url;
    std::string tls_ca_file;               // empty: the system's authorities
    std::string tls_certificate_key_file;  // PEM, shown to servers that ask for a certificate
    bool verify_certificate = true;        // and that it is the host's
    std::string proxy;                     // "http://host:port": asked for a tunnel (CONNECT), through which the server is spoken to; empty: none
    std::string user_agent = "drover";
  };

  // Connects to nothing yet. kUsage for a base URL, and a proxy that is for https:// only, kUnsupported for files that cannot be used.
  static Result<HttpClient> open(Options options);
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  // Thread-safe.
  Result<HttpAnswer> call(const HttpCall& call, const std::stop_token& stop = {}) const;
  const Url& base() const;

 private:
  struct Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace drover::net
