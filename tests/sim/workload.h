// The users of the deployment that is migrated: writers of documents and one who changes the catalog. They write to the
// source until it refuses them or they are told to stop, and then, once the destination is open, to the destination.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sample_documents.h"
#include "sim_cluster.h"

namespace drover::sim {

struct WorkloadOptions {
  int writers = 3;
  int collections = 3;
  int ids = 40;                // per collection
  int documents = 25;          // per collection, at the start
  int busy_writes = 100;       // per writer, quickly; then slowly until the end
  std::chrono::milliseconds pause{20};
  bool catalog_changes = true;
  bool unique_indexes = true;
  bool contended = false;      // few documents of every collection pass few unique values around

  static WorkloadOptions draw(Random& random);
};

class Workload {
 public:
  Workload(Scheduler& scheduler, SimCluster& source, SimCluster& destination, WorkloadOptions options)
      : scheduler_(scheduler), source_(source), destination_(destination), options_(options), ids_(options.ids) {}

  void prepare();  // the collections, indexes, views and documents to start with
  void start();
  // For sources that cannot block: returns when no user writes to the source any more.
  void leave_source();
  void return_to_source() { left_source_ = false; }
  // The destination takes writes from now on.
  void open_destination();
  // One insert at once that nothing refuses; false when there is no primary or no collection.
  bool write_surely(SimCluster& cluster);
  // Ends everybody; waits.
  void stop();

  std::uint64_t writes() const { return writes_; }
  std::uint64_t catalog_changes() const { return catalog_changes_; }

 private:
  void write_documents();
  void change_catalog();
  bool pause(std::chrono::milliseconds typical);
  std::chrono::milliseconds rest() const;
  void act(SimCluster& cluster);
  void act_on(SimCluster& cluster, const Namespace& ns);
  bool commit(SimCluster& cluster, const std::vector<Write>& writes, SimCluster::Form form);
  void transaction(SimCluster& cluster);
  void swap_unique(SimCluster& cluster, const Namespace& ns);
  void move_unique(SimCluster& cluster, const Namespace& ns);
  void reinsert(SimCluster& cluster, const Namespace& ns);
  std::vector<Write> draw_write(SimCluster& cluster, const Namespace& ns);
  Write change_of(SimCluster& cluster, const Namespace& ns, const CatalogEntry& entry, const bson::Document& before,
                  bson::Document after, bool replacement);
  void draw_catalog_change();
  void out_stage();
  void rename_across();
  Namespace draw_collection(SimCluster& cluster);
  std::optional<Namespace> draw_existing(SimCluster& cluster);
  bson::Document draw_options();
  bson::Document draw_index();
  bson::Document unique_index() const;
  BodyOptions body(bool replacement_safe) const { return {replacement_safe, options_.contended ? 3 : 12}; }

  Scheduler& scheduler_;
  SimCluster& source_;
  SimCluster& destination_;
  const WorkloadOptions options_;
  const IdPool ids_;
  bool left_source_ = false;
  bool destination_open_ = false;
  bool stopped_ = false;
  int running_ = 0;
  int inside_source_ = 0;  // users in the middle of something
  int serial_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t catalog_changes_ = 0;
};

}  // namespace drover::sim
