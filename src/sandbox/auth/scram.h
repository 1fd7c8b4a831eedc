// SCRAM (RFC 5802, RFC 7677), the server's side, with MongoDB's peculiarity that SCRAM-SHA-1 takes the MD5 digest of
// "user:mongo:password" as password. Pure: credentials in, messages in and out.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bson/builder.h"
#include "bson/document.h"

namespace drover::sandbox::auth {

enum class Mechanism { kSha1, kSha256 };
std::optional<Mechanism> parse_mechanism(std::string_view name);
const char* mechanism_name(Mechanism mechanism);

// As admin.system.users stores them under credentials.<mechanism>, base64 throughout.
struct ScramCredentials {
  int iterations = 0;
  std::string salt;
  std::string stored_key;
  std::string server_key;

  // Both take as long as there are iterations. `goes_on` is asked every few milliseconds; nothing once it says no.
  static std::optional<ScramCredentials> make(Mechanism mechanism, std::string_view user, std::string_view password, int iterations,
                                              const std::function<bool()>& goes_on = {});
  // `digest` is the MD5 hex digest that a client sent in place of the password (digestPassword: false; SCRAM-SHA-1 only).
  static std::optional<ScramCredentials> make_from_digest(std::string_view digest, int iterations, const std::function<bool()>& goes_on = {});
  void append_to(bson::Builder& out, std::string_view name) const;
  static std::optional<ScramCredentials> parse(bson::View stored);
};

// One conversation. Every error is a failed authentication; it says why for the log, never for the client.
class ScramConversation {
 public:
  explicit ScramConversation(Mechanism mechanism) : mechanism_(mechanism) {}

  // The client's first message. Then `user_name` is known and the caller looks up the credentials.
  Status read_first(std::string_view payload);
  const std::string& user_name() const { return user_name_; }
  std::string challenge(const ScramCredentials& credentials);
  // The client's proof. The answer proves that the server knows the password too.
  Result<std::string> verify(std::string_view payload);
  Mechanism mechanism() const { return mechanism_; }

 private:
  Mechanism mechanism_;
  std::string user_name_;
  std::string client_nonce_;
  std::string gs2_header_;
  std::string client_first_bare_;
  std::string server_first_;
  std::string nonce_;
  ScramCredentials credentials_;
};

}  // namespace drover::sandbox::auth
