// The documents that the simulated users write: _ids of every type that a server accepts, often equal ones of different
// numeric types, and bodies with what is hard to carry (empty timestamps, `$` names inside, repeated fields).
#pragma once

#include <cstdint>
#include <vector>

#include "bson/document.h"
#include "random.h"
#include "store.h"

namespace drover::sim {

// `count` different keys; each call of `id_for` gives one of a key's equal spellings.
class IdPool {
 public:
  explicit IdPool(int count) : count_(count) {}
  bson::Value draw(Random& random) const { return spelled(random.below(static_cast<std::uint64_t>(count_)), random); }
  bson::Value spelled(std::uint64_t key, Random& random) const;

 private:
  int count_;
};

struct BodyOptions {
  bool replacement_safe = false;  // no nested `$` names (a replacement is refused with them before 5.0)
  int unique_values = 12;         // how many different ones `u` has
};

// {_id, u?, v, ...}: `u` is drawn from a small set, so that unique indexes on it are met often.
bson::Document draw_document(const bson::Value& id, Random& random, const BodyOptions& options);
bson::Value draw_unique_value(Random& random, int values);
// A copy with `field` set to `value`, or without it when the value is missing.
bson::Document with_field(bson::View document, std::string_view field, const bson::Value& value);
bson::Document with_id(bson::View document, const bson::Value& id);

}  // namespace drover::sim
