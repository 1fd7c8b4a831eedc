#include "cluster/uri.h"

#include <unistd.h>

#include <cctype>
#include <string_view>

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include "cluster/errors.h"
#include "cluster/uri_options.h"

namespace drover::cluster {
namespace {

// One attempt to find the primary. Short, because the driver cannot be interrupted in it: Pool repeats it.
constexpr int kSelectionSliceMillis = 1000;
constexpr int kSelectionLimitMillis = 15'000;
constexpr int kConnectTimeoutMillis = 10'000;
constexpr int kQueueTimeoutMillis = 30'000;
constexpr int kSocketTimeoutMillis = 60'000;
// The driver's own search for a new primary after a lost one.
constexpr int kHeartbeatMillis = 5'000;

bool is_secret_option(std::string_view key) {
  std::string lower;
  for (const char c : key) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower.find("password") != std::string::npos || lower == "authmechanismproperties";
}

// libmongoc 1.23 may crash on certificate files that it cannot read.
Status check_file(const mongoc_uri_t* uri, const char* option, std::string_view side) {
  const char* path = mongoc_uri_get_option_as_utf8(uri, option, nullptr);
  if (path != nullptr && access(path, R_OK) != 0) {
    return fail(ErrorCode::kUsage, fmt::format("{} connection string: {}: cannot read {}", side, option, path));
  }
  return {};
}

void set_default(mongoc_uri_t* uri, const char* option, int millis) {
  if (!mongoc_uri_has_option(uri, option)) mongoc_uri_set_option_as_int32(uri, option, millis);
}

// What the driver would begin a login with and cannot: some of it ends the process.
Status check_login(const mongoc_uri_t* uri, const MongoOptions& options) {
  const auto refused = [&](std::string_view why) {
    return fail(ErrorCode::kUsage, fmt::format("{} connection string {}: {}", side_word(options.side), redact(options.uri), why));
  };
  const char* named = mongoc_uri_get_auth_mechanism(uri);
  const std::string mechanism = named == nullptr ? "" : named;
  const char *user = mongoc_uri_get_username(uri), *password = mongoc_uri_get_password(uri);
  if (mechanism == "MONGODB-X509") {
    if (!mongoc_uri_get_tls(uri)) return refused("authMechanism=MONGODB-X509 logs in by a TLS certificate: add tls=true and tlsCertificateKeyFile=FILE");
    if (mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, nullptr) == nullptr)
      return refused("authMechanism=MONGODB-X509 logs in by a TLS certificate: add tlsCertificateKeyFile=FILE");
    return {};
  }
  const bool by_password = mechanism.empty() ? user != nullptr : mechanism.starts_with("SCRAM-") || mechanism == "MONGODB-CR" || mechanism == "PLAIN";
  if (!by_password) return {};
  if (user == nullptr || *user == '\0') return refused("it names a way to log in and no user: mongodb://USER:PASSWORD@HOST/");
  if (password == nullptr) return refused("it names a user and no password: mongodb://USER:PASSWORD@HOST/");
  return {};
}

// What the caller limits is limited, whatever the string asks for.
void set_limits(mongoc_uri_t* uri, const MongoOptions& options) {
  const auto set = [&](const char* option, std::chrono::milliseconds limit) { mongoc_uri_set_option_as_int32(uri, option, static_cast<std::int32_t>(limit.count())); };
  if (options.selection_limit) {
    for (const char* option : {MONGOC_URI_SERVERSELECTIONTIMEOUTMS, MONGOC_URI_CONNECTTIMEOUTMS, MONGOC_URI_WAITQUEUETIMEOUTMS}) set(option, *options.selection_limit);
  }
  if (options.reply_limit) set(MONGOC_URI_SOCKETTIMEOUTMS, *options.reply_limit);
}

}  // namespace

void UriDeleter::operator()(mongoc_uri_t* uri) const { mongoc_uri_destroy(uri); }

Result<Uri> parse_uri(const MongoOptions& options) {
  const auto side = side_word(options.side);
  bson_error_t error;
  std::unique_ptr<mongoc_uri_t, UriDeleter> uri(mongoc_uri_new_with_error(options.uri.c_str(), &error));
  if (!uri) {
    // The driver's message may quote the string: only what cannot hold a password is passed on.
    std::string_view why = error.message;
    if (options.uri.find('@') != std::string::npos && why.find('@') != std::string_view::npos) {
      why = "it is not a valid connection string (special characters in user and password must be percent-encoded)";
    }
    return fail(ErrorCode::kUsage, fmt::format("{} connection string {}: {}", side, redact(options.uri), why));
  }
  // An '@' that was not encoded leaves the end of the password in the host's name, which every message would quote.
  for (const auto* host = mongoc_uri_get_hosts(uri.get()); host != nullptr; host = host->next) {
    if (std::string_view(host->host).find('@') == std::string_view::npos) continue;
    return fail(ErrorCode::kUsage, fmt::format("{} connection string {}: special characters in user and password must be "
                                               "percent-encoded", side, redact(options.uri)));
  }
  TRY(check_option_names(options.uri, side));
  TRY(check_login(uri.get(), options));
  for (const char* option : {MONGOC_URI_TLSCAFILE, MONGOC_URI_TLSCERTIFICATEKEYFILE}) {
    TRY(check_file(uri.get(), option, side));
  }
  // A single host is a seed, as with newer drivers: its replica set is discovered, unless the string says otherwise.
  if (!mongoc_uri_has_option(uri.get(), MONGOC_URI_DIRECTCONNECTION) &&
      !mongoc_uri_get_option_as_bool(uri.get(), MONGOC_URI_LOADBALANCED, false)) {
    mongoc_uri_set_option_as_bool(uri.get(), MONGOC_URI_DIRECTCONNECTION, false);
  }
  // Repeating is ours (blueprint, rule 5).
  mongoc_uri_set_option_as_bool(uri.get(), MONGOC_URI_RETRYWRITES, false);
  mongoc_uri_set_option_as_bool(uri.get(), MONGOC_URI_RETRYREADS, false);
  set_limits(uri.get(), options);
  const int limit =
      mongoc_uri_get_option_as_int32(uri.get(), MONGOC_URI_SERVERSELECTIONTIMEOUTMS, kSelectionLimitMillis);
  mongoc_uri_set_option_as_int32(uri.get(), MONGOC_URI_SERVERSELECTIONTIMEOUTMS, kSelectionSliceMillis);
  set_default(uri.get(), MONGOC_URI_CONNECTTIMEOUTMS, kConnectTimeoutMillis);
  set_default(uri.get(), MONGOC_URI_WAITQUEUETIMEOUTMS, kQueueTimeoutMillis);
  set_default(uri.get(), MONGOC_URI_SOCKETTIMEOUTMS, kSocketTimeoutMillis);
  set_default(uri.get(), MONGOC_URI_HEARTBEATFREQUENCYMS, kHeartbeatMillis);
  mongoc_uri_set_option_as_int32(uri.get(), MONGOC_URI_MINPOOLSIZE, 0);  // above it the driver would close what is not in use
  // Whatever the string says: by this name a running migration is found, and copied connection strings often carry another.
  mongoc_uri_set_appname(uri.get(), options.app_name.c_str());
  const int reply = mongoc_uri_get_option_as_int32(uri.get(), MONGOC_URI_SOCKETTIMEOUTMS, kSocketTimeoutMillis);
  // 0 would be no limit, and a half-open connection would never end.
  return Uri{std::move(uri), std::chrono::milliseconds(limit),
             std::chrono::milliseconds(reply > 0 ? reply : kSocketTimeoutMillis)};
}

std::string hosts_of(const mongoc_uri_t* uri) {
  std::string text;
  for (const auto* host = mongoc_uri_get_hosts(uri); host != nullptr; host = host->next) {
    if (!text.empty()) text += ", ";
    text += host->host_and_port;
  }
  if (text.empty()) {
    if (const char* srv = mongoc_uri_get_srv_hostname(uri)) text = srv;
  }
  if (const char* set = mongoc_uri_get_replica_set(uri)) text += fmt::format(" as replica set '{}'", set);
  return text;
}

std::string redact(const std::string& uri) {
  const auto scheme = uri.find("://");
  if (scheme == std::string::npos) return uri.find('@') == std::string::npos ? uri : "***";
  // The last '@' ends the credentials even when they hold characters that should have been encoded.
  const auto at = uri.rfind('@');
  std::string text = uri.substr(0, scheme + 3) + (at == std::string::npos ? uri.substr(scheme + 3) : uri.substr(at + 1));
  auto option = text.find('?');
  while (option != std::string::npos) {
    const auto end = text.find('&', option + 1);
    const auto equals = text.find('=', option + 1);
    if (equals != std::string::npos && equals < end &&
        is_secret_option(std::string_view(text).substr(option + 1, equals - option - 1))) {
      text.replace(equals + 1, end == std::string::npos ? std::string::npos : end - equals - 1, "***");
    }
    option = text.find('&', option + 1);
  }
  return text;
}

}  // namespace drover::cluster
