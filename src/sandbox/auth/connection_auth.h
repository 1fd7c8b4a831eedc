// Who a connection has authenticated as, and what that allows. Used by its connection's thread alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/auth/scram.h"
#include "sandbox/auth/user_directory.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox::auth {

class ConnectionAuth final : public Authorization {
 public:
  ConnectionAuth(UserDirectory& directory, bool enabled, bool loopback)
      : directory_(directory), enabled_(enabled), loopback_(loopback) {}

  bool enabled() const override { return enabled_; }
  bool is_allowed(std::string_view action, const Resource& resource) const override;
  bool may_anything_on(const Namespace& collection) const override;
  bool may_anything_in(std::string_view db) const override;
  std::vector<User> users() const override;

  // Where the connection's two ends are, as they are named with their ports.
  void set_ends(std::string_view client, std::string_view server);
  // Before each command: users that were changed or dropped meanwhile are looked up again. Who may not come from here any more is logged out.
  void refresh();
  // Replaces a user of the same database. False, and nothing is done, for one that may not authenticate from here (authenticationRestrictions).
  [[nodiscard]] bool log_in(ResolvedUserPtr user);
  void log_out(std::string_view db);
  const std::vector<ResolvedUserPtr>& authenticated() const { return users_; }
  bool is_authenticated() const { return !users_.empty(); }
  // No user exists yet and the client is on this machine: it may create the first one.
  bool localhost_exception() const { return loopback_ && users_.empty() && !directory_.has_users(); }
  UserDirectory& directory() const { return directory_; }

 private:
  UserDirectory& directory_;
  const bool enabled_;
  const bool loopback_;
  Addresses ends_;
  std::vector<ResolvedUserPtr> users_;
  std::uint64_t generation_ = 0;
};

// A connection as the dispatcher makes it: what handlers of auth/ find behind context.connection.
struct AuthConnection : Connection {
  AuthConnection(UserDirectory& directory, bool enabled, bool is_loopback)
      : loopback(is_loopback), auth(directory, enabled, is_loopback) {}

  std::string local;
  bool loopback;
  std::string tls_subject;
  ConnectionAuth auth;

  struct Sasl {
    ScramConversation conversation;
    ResolvedUserPtr user;
    std::string db;
    bool skip_empty_exchange = false;
    bool proved = false;
  };
  std::optional<Sasl> sasl;
};

// The dispatcher's connections are AuthConnections; internal commands have none of the handlers that ask for one.
AuthConnection& auth_connection(CommandContext& context);

// saslStart outside a command: hello's speculativeAuthenticate. A failure is no error there.
Result<bson::Document> start_sasl(AuthConnection& connection, std::string_view db, bson::View command);
// authenticate outside a command. 17 for another database than $external, 18 for whom TLS has not verified.
Result<bson::Document> authenticate_x509(AuthConnection& connection, std::string_view db, bson::View command);
// The names of the mechanisms that "db.user" has credentials for, or nothing for an unknown user.
std::optional<std::vector<std::string>> mechanisms_of(UserDirectory& directory, std::string_view qualified_name);

// saslStart, saslContinue, authenticate, logout, connectionStatus, and users and roles.
void add_auth_commands(CommandTable& table);

}  // namespace drover::sandbox::auth
