// Index filters (planCacheSetFilter): of which indexes the planner may make plans for queries of one shape. Of one collection, in memory, as long
// as it is known; not stored. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "bson/document.h"

namespace drover::sandbox {

struct IndexInfo;

struct IndexFilter {
  bson::Document query, sort, projection, collation;  // as they were given
  bson::Document indexes;                             // an array's bytes: names and key patterns
  std::shared_ptr<void> memory;                       // the leave to keep it

  bool allows(const IndexInfo& index) const;
};
using IndexFilterPtr = std::shared_ptr<const IndexFilter>;

class IndexFilters {
 public:
  bool empty() const { return count_ == 0; }
  // Null: there is none for the shape.
  IndexFilterPtr of(std::string_view shape) const;
  std::vector<IndexFilterPtr> all() const;
  // In place of the one that there is for the shape.
  void set(std::string shape, IndexFilterPtr filter);
  void remove(std::string_view shape);
  void clear();

 private:
  mutable std::mutex mutex_;
  std::map<std::string, IndexFilterPtr, std::less<>> by_shape_;
  std::atomic<std::size_t> count_ = 0;
};

}  // namespace drover::sandbox
