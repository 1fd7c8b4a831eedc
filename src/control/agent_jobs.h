// What the sites of a link want done on migration hosts: an item of protocol 1 as it is kept on the manager site, given to the agent
// of its host, and reported on. Thread-safe; several processes may work on one store. Nothing of an item's secrets is in the
// store in clear, and they are gone once it is to be forgotten.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

inline constexpr int kMaxOpenJobs = 100;           // of one link, those to be ended or forgotten not counted; more wait on the other site
inline constexpr std::size_t kMaxKeptLogLines = 5000;
inline constexpr std::chrono::hours kRemovedKept{1};  // that there was a job: the work that another process has read before may name it
inline constexpr std::chrono::hours kBegunKept{30 * 24};  // that one which went with its link was begun: as long as a next link can take it over
// The number of a report that this site makes itself, because no agent can, of an item that nobody has reported on yet: agents number from 2^32.
inline constexpr std::int64_t kOwnReport = 1;

struct AgentJob {
  std::string id;
  std::string link;
  std::string group;     // the source's project
  std::string hostname;  // of the migration host
  std::string cluster;   // the source's deployment
  std::string kind;
  std::string desired;
  std::int64_t item_revision = 0;
  Json item;             // only from for_agent: with its secrets
  Json report;           // null: none yet
  std::int64_t sequence = 0;          // of the report; 0: none
  std::int64_t relayed_sequence = 0;
  std::int64_t log_lines = 0;
  bool accepted = false;  // its host and its source are there; before, no agent is given it
  bool begun = false;     // it has been reported on, or was accepted when it came by an earlier link, and had not ended: its host may be away just now

  std::string held;       // why it is not decided on, though it had begun: its host or its source is not there any more. Empty: nothing is known to be in its way
  std::int64_t held_since = 0;

  bool undecided() const { return !accepted && sequence == 0; }
  bool refused() const { return !accepted && sequence != 0; }  // by this site itself: it is given to no agent
  // Whether it needs its host and its source: until its last report, or until it is to be forgotten.
  bool needs_source() const;
};

class AgentJobs {
 public:
  AgentJobs(Store& store, const SealedKeys& keys, Runtime& runtime) : store_(store), keys_(keys), runtime_(runtime) {}

  // Takes an item of a link. Repeating it, or an older revision, changes nothing, nor does one of this link that was removed within kRemovedKept. False: it is
  // not there, and to be forgotten at once.
  Result<bool> take(const std::string& link, const Json& item);
  Result<std::vector<AgentJob>> of_link(const std::string& link);
  Result<std::set<std::string>> links();  // that have any
  Result<std::vector<AgentJob>> open_of_project(const std::string& group);
  // With their items.
  Result<std::vector<AgentJob>> for_agent(const std::string& group, const std::string& hostname);
  Result<std::optional<AgentJob>> find(const std::string& id);
  // Whether one that went with its link had begun, and is remembered (kBegunKept).
  Result<bool> left_begun(const std::string& id);

  // Keeps a report of a higher sequence than the kept one, of a job that was accepted. The answer is the kept sequence and what is wanted; nothing when the
  // job is not known, or refused.
  struct Kept {
    std::int64_t sequence = 0;
    std::string desired;
  };
  Result<std::optional<Kept>> report(const std::string& group, const std::string& hostname, const std::string& id, std::int64_t sequence,
                                     const Json& report);
  // Decides once, whoever does it first: it is given to the agent of its host, or it is refused by a report of this site's own, of that number.
  Status accept(const std::string& id);
  Status refuse(const std::string& id, const Json& report, std::int64_t sequence = kOwnReport);
  // While it is undecided. Repeating it changes nothing; whether this has.
  Result<bool> hold(const std::string& id, const std::string& because);
  Status relayed(const std::string& id, std::int64_t sequence);
  // It is to be forgotten, whatever the last item said: its secrets go.
  Status forget(const std::string& id);
  Status remove(const std::string& id);
  // What had begun is known as such when it comes again by another link (AgentJob::begun).
  Status remove_of_link(const std::string& link);

  // Lines from `from` on; those below the kept number are skipped. The next number; nothing when the job is not known.
  Result<std::optional<std::int64_t>> append_log(const std::string& group, const std::string& hostname, const std::string& id,
                                                 std::int64_t from, const std::vector<std::string>& lines);
  Result<std::vector<std::string>> log(const std::string& id, std::size_t last);

 private:
  enum class Left { kNothing, kBegun };
  Status leave(const std::string& id, Left left);
  AgentJob job_of(bson::View document) const;
  std::string seal_name(std::string_view id) const;

  Store& store_;
  const SealedKeys& keys_;
  Runtime& runtime_;
};

}  // namespace drover::control
