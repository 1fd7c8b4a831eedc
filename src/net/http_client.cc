#include "net/http_client.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/bio.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "net/wait.h"

namespace drover::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;

constexpr std::size_t kMaxAnswerHeadBytes = 64 << 10;
constexpr long kMaxCertificateName = 300;  // shown

// The server's TLS alerts about a certificate of ours (RFC 8446, 6.2), as OpenSSL numbers them.
bool is_certificate_alert(int reason) {
  for (const int alert : {SSL_AD_BAD_CERTIFICATE, SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED,
                          SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA, SSL_AD_HANDSHAKE_FAILURE, TLS13_AD_CERTIFICATE_REQUIRED})
    if (reason == SSL_AD_REASON_OFFSET + alert) return true;
  return false;
}

Error failure(std::string_view what, beast::error_code failed) {
  if (failed.category() != asio::error::get_ssl_category()) return {ErrorCode::kTemporary, fmt::format("{}: {}", what, failed.message()), 0, {}};
  const auto permanent = [&](std::string_view why, std::vector<std::string> labels) {
    return Error{ErrorCode::kUnsupported, fmt::format("{}: {}", what, why), 0, std::move(labels)};
  };
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(failed.value()));
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) return permanent("the server's certificate is refused", {std::string(kServerCertificateRefused)});
  if (is_certificate_alert(reason))
    return permanent(fmt::format("the server refuses this client's certificate, or wants one ({})", failed.message()), {std::string(kClientCertificateRefused)});
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST)
    return permanent("what answers there does not speak TLS; is it http://, or another port?", {});
  return {ErrorCode::kTemporary, fmt::format("{}: {}", what, failed.message()), 0, {}};
}

std::string text_of(const X509_NAME* name) {
  BIO* memory = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253);  // control characters are escaped
  char* data = nullptr;
  const auto size = BIO_get_mem_data(memory, &data);
  std::string text(data, static_cast<std::size_t>(std::min<long>(size, kMaxCertificateName)));
  BIO_free(memory);
  return text.empty() ? "nobody" : text;
}

// "certificate of CN=atlas.example.net, issued by CN=Example CA"
std::string name_of(X509* certificate) {
  if (certificate == nullptr) return "";
  return fmt::format("certificate of {}, issued by {}", text_of(X509_get_subject_name(certificate)), text_of(X509_get_issuer_name(certificate)));
}

// Runs one asynchronous step after the other on the caller's thread, until the deadline or a stop request.
class Steps {
 public:
  Steps(std::chrono::milliseconds timeout, const std::stop_token& stop)
      : deadline_(std::chrono::steady_clock::now() + timeout), stop_(stop), on_stop_(stop, [this] { io_.stop(); }) {}

  asio::io_context& io() { return io_; }

  // `begin` is given the handler of its operation.
  template <typename Begin>
  Status run(std::string_view what, Begin&& begin) {
    bool done = false;
    beast::error_code failed;
    std::forward<Begin>(begin)([&](beast::error_code error, auto&&...) {
      done = true;
      failed = error;
    });
    io_.restart();
    if (!stop_.stop_requested()) io_.run_until(deadline_);
    if (stop_.stop_requested()) return fail(ErrorCode::kInterrupted, fmt::format("{}: stopped", what));
    if (!done) return fail(ErrorCode::kTemporary, fmt::format("{}: it took too long", what));
    if (failed) return tl::unexpected(failure(what, failed));
    return {};
  }

 private:
  asio::io_context io_;  // its end destroys the handlers of what did not finish
  const std::chrono::steady_clock::time_point deadline_;
  const std::stop_token& stop_;
  std::stop_callback<std::function<void()>> on_stop_;
};

bool is_line(std::string_view text) { return text.find_first_of("\r\n") == std::string_view::npos; }

bool has_body(const HttpCall& call) {
  return !call.body.empty() || call.method == "POST" || call.method == "PUT" || call.method == "PATCH";
}

std::string bracketed(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

}  // namespace

std::string Url::origin() const { return fmt::format("{}://{}:{}", tls ? "https" : "http", bracketed(host), port); }

Result<Url> parse_url(std::string_view text) {
  const auto refuse = [](std::string_view why) { return fail(ErrorCode::kUsage, fmt::format("not a URL that can be used: {}", why)); };
  Url url;
  if (text.starts_with("https://")) url.tls = true;
  else if (!text.starts_with("http://")) return refuse("it must begin with http:// or https://");
  text.remove_prefix(url.tls ? 8 : 7);
  if (text.find('@') != std::string_view::npos) return refuse("it must not hold a user or password");
  if (text.find_first_of("?# \t\r\n") != std::string_view::npos) return refuse("it must not hold a query, a fragment or blanks");
  const auto slash = text.find('/');
  auto authority = text.substr(0, slash);
  if (slash != std::string_view::npos) url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return refuse("the address's ] is missing");
    url.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
    if (!authority.empty() && authority.front() != ':') return refuse("there is something behind the ]");
  } else {
    url.host = authority.substr(0, authority.find(':'));
    authority.remove_prefix(url.host.size());
  }
  if (url.host.empty()) return refuse("it names no host");
  url.port = url.tls ? "443" : "80";
  if (!authority.empty()) {
    url.port = authority.substr(1);
    int port = 0;
    const auto [end, failed] = std::from_chars(url.port.data(), url.port.data() + url.port.size(), port);
    if (failed != std::errc() || end != url.port.data() + url.port.size() || port < 1 || port > 65535)
      return refuse("its port must be a number from 1 to 65535");
  }
  return url;
}

std::string_view HttpAnswer::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (beast::iequals(key, name)) return value;
  return {};
}

struct HttpClient::Impl {
  Options options;
  Url url;
  std::optional<Url> proxy;
  mutable std::optional<asio::ssl::context> tls;

  std::string where(const HttpCall& call) const {
    return fmt::format("{} {}{}{}", call.method, url.origin(), url.path, call.target.substr(0, call.target.find('?')));
  }

  Status open_tls() {
    tls.emplace(asio::ssl::context::tls_client);
    const auto* reading = &options.tls_ca_file;
    try {
      tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 | asio::ssl::context::no_sslv3 |
                       asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
      if (options.tls_ca_file.empty()) tls->set_default_verify_paths();
      else tls->load_verify_file(options.tls_ca_file);
      if (!options.tls_certificate_key_file.empty()) {
        reading = &options.tls_certificate_key_file;
        tls->use_certificate_chain_file(options.tls_certificate_key_file);
        tls->use_private_key_file(options.tls_certificate_key_file, asio::ssl::context::pem);
      }
      tls->set_verify_mode(options.verify_certificate ? asio::ssl::verify_peer : asio::ssl::verify_none);
    } catch (const boost::system::system_error& error) {
      return fail(ErrorCode::kUnsupported, fmt::format("reading the TLS file {}: {}; a PEM file is needed",
                                                       reading->empty() ? "of the system's authorities" : *reading, error.code().message()));
    }
    return {};
  }

  Result<http::request<http::string_body>> request_of(const HttpCall& call) const {
    http::request<http::string_body> request;
    request.version(11);
    request.method_string(call.method);
    request.target(url.path + call.target);
    const bool standard = url.port == (url.tls ? "443" : "80");
    request.set(http::field::host, standard ? bracketed(url.host) : fmt::format("{}:{}", bracketed(url.host), url.port));
    request.set(http::field::user_agent, options.user_agent);
    request.set(http::field::connection, "close");
    for (const auto& [name, value] : call.headers) {
      if (!is_line(name) || !is_line(value)) return fail(ErrorCode::kUsage, fmt::format("{}: the header {} holds a line break", where(call), name));
      request.set(name, value);
    }
    if (has_body(call)) {
      request.body() = call.body;
      request.prepare_payload();
    }
    return request;
  }

  Result<HttpAnswer> exchange(Steps& steps, auto& stream, const HttpCall& call) const {
    const auto what = where(call);
    auto request = TRY(request_of(call));
    TRY(steps.run(what, [&](auto handler) { http::async_write(stream, request, handler); }));
    http::response_parser<http::string_body> parser;
    parser.header_limit(kMaxAnswerHeadBytes);
    parser.body_limit(call.max_answer_bytes);
    if (call.method == "HEAD") parser.skip(true);
    beast::flat_buffer buffer;
    TRY(steps.run(what, [&](auto handler) { http::async_read(stream, buffer, parser, handler); }));
    auto message = parser.release();
    HttpAnswer answer;
    answer.status = static_cast<int>(message.result_int());
    for (const auto& field : message) answer.headers.emplace_back(field.name_string(), field.value());
    answer.body = std::move(message.body());
    return answer;
  }

  Status shake_hands(Steps& steps, beast::ssl_stream<beast::tcp_stream>& stream, const std::string& what) const {
    const auto refused = std::make_shared<std::string>();  // the certificate that was looked at last
    if (options.verify_certificate) {
      stream.set_verify_callback([refused, host = asio::ssl::host_name_verification(url.host)](bool so_far, asio::ssl::verify_context& context) {
        const bool good = host(so_far, context);
        if (!good) *refused = name_of(X509_STORE_CTX_get_current_cert(context.native_handle()));
        return good;
      });
    }
    auto done = steps.run(what, [&](auto handler) { stream.async_handshake(asio::ssl::stream_base::client, handler); });
    if (done || !done.error().has_label(kServerCertificateRefused)) return done;
    const auto why = SSL_get_verify_result(stream.native_handle());
    const bool of_another = why == X509_V_OK || why == X509_V_ERR_UNSPECIFIED || why == X509_V_ERR_APPLICATION_VERIFICATION;
    done.error().message += of_another ? fmt::format(": it is not one for {}", url.host) : fmt::format(": {}", X509_verify_cert_error_string(why));
    if (!refused->empty()) done.error().message += fmt::format(" ({})", *refused);
    return done;
  }

  // Nothing of the server's but its name and port is told to a proxy, which then passes on bytes.
  Status tunnel(Steps& steps, beast::tcp_stream& stream, const std::string& what) const {
    const auto server = fmt::format("{}:{}", bracketed(url.host), url.port);
    http::request<http::empty_body> request{http::verb::connect, server, 11};
    request.set(http::field::host, server);
    request.set(http::field::user_agent, options.user_agent);
    TRY(steps.run(what, [&](auto handler) { http::async_write(stream, request, handler); }));
    http::response_parser<http::empty_body> parser;
    parser.header_limit(kMaxAnswerHeadBytes);
    parser.skip(true);  // whatever length is told, what follows is the server's
    beast::flat_buffer buffer;
    TRY(steps.run(what, [&](auto handler) { http::async_read_header(stream, buffer, parser, handler); }));
    const auto status = parser.get().result_int();
    if (status < 200 || status > 299) return fail(ErrorCode::kTemporary, fmt::format("{}: the proxy {} refuses a way to it ({})", what, proxy->origin(), status));
    if (buffer.size() != 0) return fail(ErrorCode::kTemporary, fmt::format("{}: the proxy {} does not speak as one does", what, proxy->origin()));
    return {};
  }

  Status connect(Steps& steps, beast::tcp_stream& stream, const std::string& server) const {
    const auto& to = proxy ? *proxy : url;
    const auto what = proxy ? fmt::format("{} by the proxy {}", server, proxy->origin()) : server;
    Tcp::resolver resolver(steps.io());
    Tcp::resolver::results_type found;
    const auto resolve = [&](const std::string& host) {
      return steps.run(what, [&](auto handler) {
        resolver.async_resolve(host, to.port, [&found, handler](beast::error_code failed, auto results) mutable {
          found = results;
          handler(failed);
        });
      });
    };
    Status resolved = resolve(to.host);
    if (!resolved && to.host == "localhost") resolved = resolve("127.0.0.1");  // where no hosts file says so
    TRY(resolved);
    TRY(steps.run(what, [&](auto handler) { stream.async_connect(found, handler); }));
    prepare_stream(stream.socket().native_handle());
    return proxy ? tunnel(steps, stream, server) : Status();
  }
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpClient> HttpClient::open(Options options) {
  auto impl = std::make_unique<Impl>();
  impl->url = TRY(parse_url(options.base_url));
  if (!options.proxy.empty()) {
    impl->proxy = TRY_WITH(parse_url(options.proxy), "the proxy");
    if (impl->proxy->tls || !impl->proxy->path.empty()) return fail(ErrorCode::kUsage, "the proxy must be http://HOST:PORT");
    if (!impl->url.tls) return fail(ErrorCode::kUsage, "a proxy is for a server with https:// only");
  }
  impl->options = std::move(options);
  if (impl->url.tls) TRY(impl->open_tls());
  return HttpClient(std::move(impl));
}

const Url& HttpClient::base() const { return impl_->url; }

Result<HttpAnswer> HttpClient::call(const HttpCall& call, const std::stop_token& stop) const {
  Steps steps(call.timeout, stop);
  const auto what = impl_->where(call);
  if (!impl_->url.tls) {
    beast::tcp_stream stream(steps.io());
    TRY(impl_->connect(steps, stream, what));
    return impl_->exchange(steps, stream, call);
  }
  beast::ssl_stream<beast::tcp_stream> stream(steps.io(), *impl_->tls);
  if (!SSL_set_tlsext_host_name(stream.native_handle(), impl_->url.host.c_str()))
    return fail(ErrorCode::kUsage, fmt::format("{}: TLS does not take this host's name", what));
  TRY(impl_->connect(steps, beast::get_lowest_layer(stream), what));
  TRY(impl_->shake_hands(steps, stream, what));
  return impl_->exchange(steps, stream, call);
}

}  // namespace drover::net
