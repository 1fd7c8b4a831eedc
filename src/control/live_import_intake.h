// Takes a request for a validation or a migration in: finds what it names, judges it by the rules, keeps it. What a caller got
// wrong is a refusal that says which part; nothing is kept then.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "control/access_lists.h"
#include "control/links.h"
#include "control/live_imports.h"
#include "control/network_records.h"
#include "control/rules.h"

namespace drover::control {

struct ImportRefusal {
  enum class Kind {
    kNoCluster,     // the destination
    kNoSource,      // no link tells of such a project or deployment
    kAmbiguous,     // links of different sites or organizations tell of the source's project
    kNoHost,        // not a provisioned migration host of that project
    kFlex,
    kNotSupported,  // by the rules; `error` holds each reason with its remedy
    kBusy,          // destination, source or host has a migration already
    kTooMany,
    kChanged,       // the private network, meanwhile; it may be asked for again
    kOther,
  } kind = Kind::kOther;
  Error error;
};

// What a link tells of a deployment, and what is known of the cluster, as facts for the rules; nothing of private networks.
RuleFacts facts_of(const Json& deployment, const Cluster& cluster, const LiveImportRequest& request);

class LiveImportIntake {
 public:
  LiveImportIntake(Links& links, Clusters& clusters, AccessLists& access_lists, NetworkRecords& networks, LiveImports& imports, Policy policy)
      : links_(links), clusters_(clusters), access_lists_(access_lists), networks_(networks), imports_(imports), policy_(policy) {}

  // Of `org`'s project `request.destination_group`.
  tl::expected<LiveImport, ImportRefusal> take(ImportKind kind, const std::string& org, const LiveImportRequest& asked, const Asker& by = {});

 private:
  Status read_networks(const Cluster& cluster, LiveImportRequest& request, RuleFacts& facts);

  Links& links_;
  Clusters& clusters_;
  AccessLists& access_lists_;
  NetworkRecords& networks_;
  LiveImports& imports_;
  const Policy policy_;
};

}  // namespace drover::control
