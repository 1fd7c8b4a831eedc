// What one write unit knows of the keys that it puts into an _id index. Most inserts bring their _ids in ascending order: a
// key above all that the unit has put is not among its own writes; and when nothing is stored between the first and the last
// of them, one look has answered for all. Used under the writer's lock, which keeps what is stored as it is.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

// Keys are encoded, with the index's ident in front.
class AscendingKeys {
 public:
  // A unit begins.
  void clear() {
    index_ = 0;
    several_ = false;
    highest_.clear();
    free_from_.clear();
    free_to_.clear();
  }
  // The unit has keys of others: what a transaction gathered.
  void distrust() { several_ = true; }
  // Nothing is stored in [from, to].
  void note_free(std::string from, std::string to) {
    free_from_ = std::move(from);
    free_to_ = std::move(to);
  }
  bool is_stored_nowhere(std::string_view key) const { return !free_to_.empty() && key >= free_from_ && key <= free_to_; }
  // The unit puts `key`. True: it is above all that the unit has put so far, all of one index.
  bool put(Ident index, std::string_view key) {
    if (index_ != 0 && index != index_) several_ = true;
    index_ = index;
    if (several_ || key <= highest_) return false;
    highest_ = key;
    return true;
  }

 private:
  Ident index_ = 0;  // no index has it
  bool several_ = false;
  std::string highest_;
  std::string free_from_, free_to_;
};

}  // namespace drover::sandbox
