// A site for tests: asks for digest authentication as a real one does, checks it, and answers what a test gives it. What it was asked is
// kept in order.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/json.h"
#include "base/log.h"
#include "net/crypto.h"
#include "net/http_server.h"
#include "remote/login.h"

namespace drover::remote {

class FakeSite {
 public:
  using Answer = std::function<net::HttpResponse(const net::HttpRequest&)>;

  explicit FakeSite(Answer answer, std::set<std::string> prefixes = {"/api/atlas/v2", "/api/public/v1.0", "/api/ext/v1"})
      : answer_(std::move(answer)), prefixes_(std::move(prefixes)) {
    server_ = std::move(*net::HttpServer::start({}, [this](const net::HttpRequest& request) { return handle(request); }, *log_));
  }

  Login login() const {
    Login login;
    login.site = fmt::format("http://127.0.0.1:{}", server_->port());
    login.public_key = "abcdefgh";
    login.private_key = "the private key";
    login.origin = "a test";
    return login;
  }
  // "GET /api/atlas/v2/orgs?pageNum=1 body", those that were logged in.
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void forget_nonce() {
    const std::lock_guard lock(mutex_);
    nonce_ += "x";
  }
  void stop() { server_->stop(); }

  static net::HttpResponse json(int status, std::string body) { return {status, {}, "application/json", std::move(body)}; }
  static net::HttpResponse error(int status, const std::string& code, const std::string& detail) {
    return json(status, Json(Json::Object{{"error", status}, {"errorCode", code}, {"detail", detail}}).dump());
  }

 private:
  net::HttpResponse handle(const net::HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    if (request.path == "/api/oauth/token") return token(request);
    bool known = false;
    for (const auto& prefix : prefixes_) known = known || request.path.starts_with(prefix);
    if (!known) return error(404, "RESOURCE_NOT_FOUND", "Cannot find resource.");
    const auto login = std::string(request.header("Authorization"));
    if (login != "Bearer good token" && !is_right(request, login)) {
      auto response = error(401, "UNEXPECTED_ERROR", "You are not authorized for this resource.");
      const bool stale = login.find("nonce=") != std::string::npos && login.find(nonce_ + "\"") == std::string::npos;
      response.headers.emplace_back("WWW-Authenticate", fmt::format(R"(Digest realm="MMS Public API", domain="", nonce="{}", algorithm=MD5, qop="auth", stale={})", nonce_, stale));
      return response;
    }
    asked_.push_back(request.method + " " + request.path + (request.query.empty() ? "" : "?" + request.query) + (request.body.empty() ? "" : " " + request.body));
    return answer_(request);
  }

  static std::string md5(const std::string& text) { return net::hex_encode(net::digest(net::Digest::kMd5, text)); }
  static std::string field(const std::string& header, const std::string& name) {
    const auto at = header.find(" " + name + "=");
    if (at == std::string::npos) return "";
    const auto from = at + name.size() + 2;
    return header[from] == '"' ? header.substr(from + 1, header.find('"', from + 1) - from - 1) : header.substr(from, header.find(',', from) - from);
  }
  bool is_right(const net::HttpRequest& request, const std::string& login) const {
    const auto target = request.path + (request.query.empty() ? "" : "?" + request.query);
    if (!login.starts_with("Digest") || field(login, "uri") != target || field(login, "nonce") != nonce_) return false;
    return field(login, "response") == md5(fmt::format("{}:{}:{}:{}:auth:{}", md5("abcdefgh:MMS Public API:the private key"), nonce_, field(login, "nc"), field(login, "cnonce"),
                                                       md5(request.method + ":" + target)));
  }
  net::HttpResponse token(const net::HttpRequest& request) {
    const auto wanted = "Basic " + net::base64_encode("mdb_sa_id_1:mdb_sa_sk_%2B1");
    if (request.header("Authorization") != wanted || request.body != "grant_type=client_credentials")
      return json(401, R"({"error":"invalid_client","error_description":"The client is not known."})");
    asked_.push_back("token");
    return json(200, R"({"access_token":"good token","expires_in":3600,"token_type":"Bearer"})");
  }

  const Answer answer_;
  const std::set<std::string> prefixes_;
  std::mutex mutex_;
  std::string nonce_ = "bm9uY2U=";
  std::vector<std::string> asked_;
  std::unique_ptr<Log> log_ = make_null_log();
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace drover::remote
