#include "sandbox/storage/index_filters.h"

#include "bson/compare.h"
#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

bool IndexFilter::allows(const IndexInfo& index) const {
  for (const auto& item : indexes.view()) {
    if (item.is_string() ? item.string_value() == index.name : bson::compare_documents(item.document_value(), index.key_pattern()) == 0) return true;
  }
  return false;
}

IndexFilterPtr IndexFilters::of(std::string_view shape) const {
  std::lock_guard lock(mutex_);
  const auto found = by_shape_.find(shape);
  return found == by_shape_.end() ? nullptr : found->second;
}

std::vector<IndexFilterPtr> IndexFilters::all() const {
  std::lock_guard lock(mutex_);
  std::vector<IndexFilterPtr> out;
  for (const auto& [shape, filter] : by_shape_) out.push_back(filter);
  return out;
}

void IndexFilters::set(std::string shape, IndexFilterPtr filter) {
  std::lock_guard lock(mutex_);
  by_shape_.insert_or_assign(std::move(shape), std::move(filter));
  count_ = by_shape_.size();
}

void IndexFilters::remove(std::string_view shape) {
  std::lock_guard lock(mutex_);
  if (const auto found = by_shape_.find(shape); found != by_shape_.end()) by_shape_.erase(found);
  count_ = by_shape_.size();
}

void IndexFilters::clear() {
  std::lock_guard lock(mutex_);
  by_shape_.clear();
  count_ = 0;
}

}  // namespace drover::sandbox
