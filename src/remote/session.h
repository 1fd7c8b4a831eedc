// One run of a command: its arguments become a request, names become ids.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "remote/site_client.h"
#include "remote/verb.h"

namespace drover::remote {

struct Surroundings {
  Runtime& runtime;
  std::stop_token stop;
  bool json = false;
  bool terminal = false;  // standard output is one
  std::size_t width = 80;  // of it
  std::function<void(std::string_view)> out;   // standard output, at once
  std::function<void(std::string_view)> note;  // a remark on standard error
};

class Session {
 public:
  Session(const Verb& verb, const Values& values, const Login& login, SiteClient& client, const Surroundings& around)
      : verb_(verb), values_(values), login_(login), client_(client), around_(around) {}

  const Verb& verb() const { return verb_; }
  const Login& login() const { return login_; }
  const Surroundings& around() const { return around_; }

  const std::string& text(std::string_view argument) const;
  std::int64_t number(std::string_view argument) const;
  bool flag(std::string_view argument) const;

  // Those that --org and --project name, or the only one that the login sees.
  Result<std::string> org();
  Result<std::string> project();
  // Of an argument's text.
  Result<std::string> id_of(Thing thing, const std::string& given);

  // The verb's own request; of another path or method with the verb's errors.
  Result<SiteCall> request();
  SiteCall call_to(std::string_view method, Api api, std::string path) const;
  Result<Json> body();
  // With {orgId}, {groupId} and the arguments' values in it.
  Result<std::string> path_of(std::string_view pattern);

  Result<Json> call(const SiteCall& call) { return client_.call(call, around_.stop); }
  Result<std::vector<Json>> list(const SiteCall& call, std::size_t limit = kNoLimit) { return client_.list(call, limit, around_.stop); }
  // Sleeps; kInterrupted after a stop request.
  Status pause(Duration duration) const;

  static constexpr std::size_t kNoLimit = 1'000'000;

 private:
  Result<std::string> filled(std::string_view name);
  const Argument* argument_at(std::string_view place) const;

  const Verb& verb_;
  const Values& values_;
  const Login& login_;
  SiteClient& client_;
  const Surroundings& around_;
  std::string org_, project_;  // once known
};

// What the verb is for: its action, or its request and what is answered.
Result<Outcome> run(Session& session);

}  // namespace drover::remote
