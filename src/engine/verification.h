// Compares every document of both sides while the source is being followed, so that the cutover is a proven one (blueprint
// rule 11, as far as rule 9 needs it). Off the block: once everything is copied, each partition is read on both sides and
// compared byte by byte; from the moment its comparison begins, the keys that change in it are remembered, and compared again
// when both sides have come to rest on them. Under the block only what changed last is left.
//
// A document is judged only when the source's newest change of it has been applied, and no newer one came while it was
// read; else it is looked at again. So a mismatch is one, and never a matter of time. It ends the migration (kMismatch)
// before the decision.
//
// In memory alone: a restart compares everything again. Bounds: one reply of each side and thread, 4 MiB besides for
// the one that compares keys, and as much of the keys that it compares; kChangedBytes of keys.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/catalog.h"
#include "engine/change_router.h"
#include "engine/changed_keys.h"
#include "engine/key_comparison.h"
#include "engine/progress.h"
#include "verifier/report.h"

namespace drover::engine {

inline constexpr std::size_t kChangedBytes = 24 << 20;         // of keys that are to be compared again
inline constexpr std::size_t kMostMismatches = 100;            // ends the comparison early
inline constexpr std::int64_t kMostComparedUnderBlock = 5000;  // documents that may be left for the cutover
inline constexpr double kMostLagSeconds = 5;
inline constexpr std::int64_t kMostBytesUnderBlock = 64 << 20;

class Verification {
 public:
  Verification(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log, Catalog& catalog,
               ChangeRouter& router)
      : source_(source), destination_(destination), runtime_(runtime), log_(log), catalog_(catalog), router_(router) {}

  // A change of a copied partition. On the router's thread, under its lock.
  void changed(const Collection& collection, Partition& partition, const std::string& key, const bson::Value& id);
  // Everything is copied: from now on run() has something to do.
  void begin() { begun_ = true; }
  // Applying goes first: while the destination is far behind, nothing new is compared.
  void lag(double seconds) { behind_ = seconds > kMostLagSeconds; }
  // One worker; any number may run. Ends when stopped, or with the mismatches.
  Status run(const std::stop_token& stop);
  // Why the cutover cannot begin yet; nothing when little enough is left.
  std::optional<std::string> why_not_commit();
  // How many documents differ, as far as is known.
  std::int64_t mismatches();
  // Everything has been compared, some time, and nothing differs as far as is known. Where documents change all the time, not before they
  // pause for a moment, or the rest is compared under the block.
  bool was_equal();
  // The rest, while nobody writes to the source and everything up to the fence is applied.
  Status finish(const std::stop_token& stop);
  VerificationProgress progress();

 private:
  struct Work : KeyReading {
    Partition* range = nullptr;  // compares it; else the keys
    int batch_documents = 1;
    bool large = false;
  };
  // A range, or one look at the keys of several collections: all wait but once for what is to be applied first.
  struct Task {
    std::vector<Work> parts;
    ClusterTime routed;  // changes up to it are to be on the destination first
    std::uint64_t forgotten = 0;
    ClusterTime written;  // a time on the destination at which that was there
    bool any() const { return !parts.empty(); }
    bool is_range() const { return any() && parts.front().range != nullptr; }
    bool large() const { return is_range() && parts.front().large; }
  };
  struct Left {
    std::int64_t ranges = 0;     // not compared yet
    std::int64_t unknown = 0;    // of them: those of unknown size
    std::int64_t documents = 0;  // in the others, and changed keys
    std::int64_t bytes = 0;      // of them, about
    std::int64_t ranges_in_all = 0;
  };

  // Under the lock.
  Task next();
  std::vector<Work> next_range(bool again);
  std::vector<Work> next_keys();
  void describe(Work& work) const;
  void remember(const Collection& collection, Partition& partition, const std::string& key, const bson::Value& id);
  bool is_dirty(const Collection& collection, Partition& partition, const std::string& key) const;
  Left left() const;
  Status tell_mismatches() const;
  Error mismatch_error() const;

  Status compare_range(const Work& work, ClusterTime routed, const std::stop_token& stop);
  Status compare_keys(Task& task, const std::stop_token& stop);
  void put_back(const Work& work, const std::vector<ChangedKeys::Key>& keys);
  Status await_settled(ClusterTime ts, const std::stop_token& stop);

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  Log& log_;
  Catalog& catalog_;
  ChangeRouter& router_;
  std::atomic<bool> begun_{false};
  std::atomic<bool> behind_{false};
  // Guarded by the router's lock.
  ChangedKeys changed_;
  std::vector<verifier::Mismatch> mismatches_;  // the first ones
  std::int64_t mismatch_count_ = 0;
  SteadyTime first_mismatch_at_{};
  int out_ = 0;        // pieces of work under way
  int large_out_ = 0;  // of them, those of very large documents
  bool keys_last_ = false;
  std::int64_t documents_out_ = 0, bytes_out_ = 0;  // of the look at keys that is under way
  bool keys_out_ = false;  // one look at keys at a time: what changes meanwhile is still in changed_ when it is judged
  std::uint64_t forgotten_ = 0;
  std::uint64_t stirred_ = 0;  // how often something has ended or begun that may give an idle worker something to do
  bool whole_ = false;  // for a moment nothing was left to be compared
  bool hurry_ = false;
  SteadyTime next_keys_at_{};
  Uuid looked_at_;             // the collection whose keys were taken last
  SteadyTime many_since_{};    // since when there have been too many keys for the block, with every range compared
};

}  // namespace drover::engine
