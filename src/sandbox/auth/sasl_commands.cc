// saslStart, saslContinue, logout and connectionStatus. Facts: corpus auth/sasl-errors, admin/connection-status.
#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"
#include "sandbox/auth/connection_auth.h"

namespace drover::sandbox::auth {

namespace {

constexpr int kAuthenticationFailed = 18;

tl::unexpected<Error> authentication_failed() { return server_error(kAuthenticationFailed, "Authentication failed."); }

std::optional<std::string_view> payload_of(bson::View command) {
  const auto payload = command["payload"];
  if (payload.type() == bson::Type::kBinary) {
    const auto data = payload.binary_value().data;
    return std::string_view(reinterpret_cast<const char*>(data.data()), data.size());
  }
  return payload.to_string_view();
}

bson::Document sasl_reply(bool done, std::string_view payload) {
  bson::Builder out;
  out.append("conversationId", 1).append("done", done);
  out.append("payload", bson::Binary{0, {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()}});
  return std::move(out).finish();
}

tl::unexpected<Error> log_failure(AuthConnection& connection, std::string_view user, const std::string& why) {
  connection.sasl.reset();
  connection.auth.directory().services().log.info(
      "authentication failed", {{"client", connection.remote}, {"user", std::string(user)}, {"reason", why}});
  return authentication_failed();
}

constexpr const char* kRestricted = "an authentication restriction of the user, or of a role of it, is not met";

// Since 7.0 a connection is one user's, until that logs out.
Status check_only_user(const AuthConnection& connection, const UserName& name) {
  if (!connection.auth.directory().services().settings.at_least(7, 0)) return {};
  for (const auto& user : connection.auth.authenticated()) {
    const auto& known = user->name;
    if (known == name) continue;
    const auto already = fmt::format("{}@{}", known.user, known.db);
    if (known.db == name.db) return server_error(5626701, "Each client connection may only be authenticated once. Previously authenticated as: " + already);
    return server_error(5626702, "Client has attempted to authenticate on multiple databases.Already authenticated as: " + already);
  }
  return {};
}

// The end of a conversation that has proved who the client is.
Result<bson::Document> log_in(AuthConnection& connection, std::string_view payload) {
  // As the user is now: it may have been changed since the conversation began.
  const auto name = connection.sasl->user->name;
  const auto found = connection.auth.directory().user(name);
  if (!found || !*found) return log_failure(connection, name.full(), "the user is gone");
  const auto& user = *found;
  // What the client has proved to know must still be worth something.
  if (!user->is_same_as(*connection.sasl->user) || !user->has_same_credentials_as(*connection.sasl->user))
    return log_failure(connection, name.full(), "the user was changed meanwhile");
  if (auto alone = check_only_user(connection, name); !alone) {
    connection.sasl.reset();
    return tl::unexpected(std::move(alone).error());
  }
  if (!connection.auth.log_in(user)) return log_failure(connection, user->name.full(), kRestricted);
  connection.sasl.reset();
  return sasl_reply(true, payload);
}

Result<bson::Document> sasl_start(CommandContext& context) {
  return start_sasl(auth_connection(context), context.database, context.body);
}

Result<bson::Document> sasl_continue(CommandContext& context) {
  auto& connection = auth_connection(context);
  if (!connection.sasl) return server_error(17, "No SASL session state found");
  if (context.body["conversationId"].to_int64() != 1) {
    connection.sasl.reset();
    return server_error(17, "sasl: Mismatched conversation id");
  }
  auto& sasl = *connection.sasl;
  const auto payload = payload_of(context.body);
  if (!payload) return server_error(14, "Wrong type for field payload; expected BinData or String");
  if (sasl.proved) return log_in(connection, "");  // the empty exchange that ends a conversation
  auto verified = sasl.conversation.verify(*payload);
  if (!verified) return log_failure(connection, sasl.user->name.full(), verified.error().message);
  if (!sasl.skip_empty_exchange) {
    sasl.proved = true;
    return sasl_reply(false, *verified);
  }
  return log_in(connection, *verified);
}

Result<bson::Document> logout(CommandContext& context) {
  auth_connection(context).auth.log_out(context.database);
  return bson::Document();
}

Result<bson::Document> connection_status(CommandContext& context) {
  const auto& users = auth_connection(context).auth.authenticated();
  bson::Builder out;
  auto info = out.open_document("authInfo");
  auto names = info.open_array("authenticatedUsers");
  for (const auto& user : users) names.open_document().append("user", user->name.user).append("db", user->name.db);
  names.close();
  auto roles = info.open_array("authenticatedUserRoles");
  for (const auto& user : users) {
    for (const auto& role : user->all_roles) roles.open_document().append("role", role.role).append("db", role.db);
  }
  roles.close();
  if (context.body["showPrivileges"].is_truthy()) {
    PrivilegeSet all;
    for (const auto& user : users) all.merge(user->privileges);
    info.append("authenticatedUserPrivileges", bson::ArrayView{all.to_bson()});
  }
  info.close();
  return std::move(out).finish();
}

Result<bson::Document> authenticate(CommandContext& context) { return authenticate_x509(auth_connection(context), context.database, context.body); }

}  // namespace

Result<bson::Document> start_sasl(AuthConnection& connection, std::string_view db, bson::View command) {
  connection.sasl.reset();
  const auto name = command["mechanism"].to_string_view();
  if (!name) return server_error(4, "Missing expected field \"mechanism\"");
  const auto mechanism = parse_mechanism(*name);
  if (!mechanism) {
    return server_error(2, fmt::format("Received authentication for mechanism {} which is unknown or not enabled", *name));
  }
  const auto payload = payload_of(command);
  if (!payload) return server_error(4, "Missing expected field \"payload\"");
  ScramConversation conversation(*mechanism);
  if (auto read = conversation.read_first(*payload); !read) return log_failure(connection, "", read.error().message);
  const UserName user_name{conversation.user_name(), std::string(db)};
  auto user = connection.auth.directory().user(user_name);
  if (!user) return tl::unexpected(std::move(user).error());
  const auto credentials = *user ? (*user)->credentials(*mechanism) : std::nullopt;
  if (!credentials) {
    return log_failure(connection, user_name.full(), *user ? "no credentials for this mechanism" : "no such user");
  }
  const auto challenge = conversation.challenge(*credentials);
  connection.sasl = AuthConnection::Sasl{.conversation = std::move(conversation), .user = *user, .db = std::string(db)};
  if (const auto options = command["options"].to_document()) {
    connection.sasl->skip_empty_exchange = (*options)["skipEmptyExchange"].is_truthy();
  }
  return sasl_reply(false, challenge);
}

// The user is the subject of the certificate that TLS has verified.
Result<bson::Document> authenticate_x509(AuthConnection& connection, std::string_view db, bson::View command) {
  const auto mechanism = command["mechanism"].to_string_view().value_or("");
  if (mechanism != "MONGODB-X509") {
    return server_error(2, fmt::format("Unsupported mechanism \"{}\"", mechanism));
  }
  if (db != "$external") return server_error(17, "X.509 authentication must always use the $external database.");
  const auto named = command["user"].to_string_view();
  const std::string name = named ? std::string(*named) : connection.tls_subject;
  if (connection.tls_subject.empty() || name != connection.tls_subject) {
    return log_failure(connection, name, "no verified client certificate of that subject");
  }
  auto user = connection.auth.directory().user({name, "$external"});
  if (!user || !*user) return log_failure(connection, name, "no such user");
  TRY(check_only_user(connection, (*user)->name));
  if (!connection.auth.log_in(*user)) return log_failure(connection, name, kRestricted);
  return bson::make_document({{"dbname", "$external"}, {"user", name}});
}

std::optional<std::vector<std::string>> mechanisms_of(UserDirectory& directory, std::string_view qualified_name) {
  const auto dot = qualified_name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto user = directory.user({std::string(qualified_name.substr(dot + 1)), std::string(qualified_name.substr(0, dot))});
  if (!user || !*user) return std::nullopt;
  std::vector<std::string> names;
  for (const auto mechanism : {Mechanism::kSha1, Mechanism::kSha256}) {
    if ((*user)->credentials(mechanism)) names.emplace_back(mechanism_name(mechanism));
  }
  return names;
}

namespace {
// Once for MONGODB-CR; nobody takes it up any more.
Result<bson::Document> get_nonce(CommandContext& context) {
  return bson::make_document({{"nonce", fmt::format("{:016x}", context.services.runtime.random())}});
}
}  // namespace

void add_user_commands(CommandTable& table);
void add_role_commands(CommandTable& table);
void add_merge_command(CommandTable& table);

void add_auth_commands(CommandTable& table) {
  static constexpr Command kRows[] = {
      {.name = "saslStart", .flags = kNoAuth, .handler = sasl_start, .help = "begins an authentication"},
      {.name = "saslContinue", .flags = kNoAuth, .handler = sasl_continue, .help = "continues an authentication"},
      {.name = "authenticate", .flags = kNoAuth, .handler = authenticate, .help = "authenticates by a client certificate"},
      {.name = "getnonce", .flags = kNoAuth, .handler = get_nonce, .help = "a random number (older clients)", .removed = {6, 2, 0}},
      {.name = "logout", .flags = kNoAuth, .handler = logout, .help = "forgets the user of this database"},
      {.name = "connectionStatus", .flags = kNoAuth, .handler = connection_status, .help = "who this connection is"},
  };
  table.add(kRows);
  add_user_commands(table);
  add_role_commands(table);
  add_merge_command(table);
}

}  // namespace drover::sandbox::auth
