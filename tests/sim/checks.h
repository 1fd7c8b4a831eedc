// What must hold of a migration, looked at from outside: on every write of the destination and at its end. They know the
// form of the engine's state documents and nothing else of it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "sim_cluster.h"

namespace drover::sim {

class Checks {
 public:
  using Fail = std::function<void(const std::string&)>;
  Checks(SimCluster& source, SimCluster& destination, Fail fail)
      : source_(source), destination_(destination), fail_(std::move(fail)) {}

  // After every write to the destination.
  void written(const std::vector<Write>& writes, bool by_user);
  // When the destination begins to take users' writes: the decision must be durable, and D equal S in every byte.
  void opened(const char* how);
  // The one that no election of the destination takes back; zero before the first.
  ClusterTime durable_checkpoint() const;
  // D equals S in every byte, now.
  void equal_now();
  bool is_open() const { return open_; }
  std::uint64_t checkpoints_checked() const { return checkpoints_; }

 private:
  void checkpoint_holds(ClusterTime position);
  void partition_holds(const CatalogEntry& on_source, const CatalogEntry& on_destination, const bson::Document& plan,
                       ClusterTime position);
  bool decided() const;
  std::vector<DocumentPtr> state(const char* collection) const;

  SimCluster& source_;
  SimCluster& destination_;
  Fail fail_;
  bool open_ = false;
  std::uint64_t checkpoints_ = 0;
};

}  // namespace drover::sim
