// Protocol 1 as a manager site speaks it (docs/design/control-plane.md). Every call of a link goes to the site of its token.
//
// Errors: kTemporary: again, later; kUsage: the link is unknown or deleted there, or the secret wrong; kWrongState: 409, with the
// site's reason; kUnsupported: other refusals.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "control/site_links.h"

namespace drover::control {

inline constexpr std::chrono::seconds kAtlasPatience{20};  // for an answer

struct AtlasOptions {
  std::string tls_ca_file;  // of the atlas site's certificate; empty: the system's authorities
};

class AtlasClient {
 public:
  AtlasClient(const SiteLink& link, const AtlasOptions& options) : link_(link), options_(options) {}

  struct Claimed {
    std::string org, org_name;
  };
  Result<Claimed> claim(const std::string& site_id, const std::string& org_name, const std::vector<FormerLink>& former, const std::stop_token& stop) const;
  Status put_project(const std::string& project, Json::Object metadata, std::int64_t revision, const std::stop_token& stop,
                     std::chrono::seconds patience = kAtlasPatience) const;
  Status finish_sync(std::int64_t revision, const std::vector<std::string>& projects, const std::stop_token& stop,
                     std::chrono::seconds patience = kAtlasPatience) const;
  struct Work {
    Json::Array items;
    Json::Array coming;  // what it has begun and not given out yet
    std::int64_t poll_seconds = 5;
  };
  Result<Work> work(const std::stop_token& stop, std::chrono::seconds patience = kAtlasPatience) const;
  struct Reported {
    std::int64_t sequence = 0;  // the one that is kept there
    std::string desired;        // what is wanted of it now; empty: it was not said
  };
  // Nothing: the item is not there any more. An error's server_code is the HTTP status, where there was an answer.
  Result<std::optional<Reported>> report(const std::string& item, std::int64_t sequence, const Json& report, const std::stop_token& stop) const;
  // Nobody of this site can go on with the item now, and its engine may run: see docs/design/control-plane.md. Nothing has ended. Twice is as once.
  Status held(const std::string& item, const std::string& because, const std::stop_token& stop) const;
  Status remove_link(const std::stop_token& stop) const;

 private:
  Result<Json> call(const std::string& method, const std::string& target, const Json& body, const std::string& secret,
                    const std::stop_token& stop, std::chrono::seconds patience = kAtlasPatience) const;
  const SiteLink& link_;
  const AtlasOptions& options_;
};

}  // namespace drover::control
