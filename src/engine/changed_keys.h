// The documents that changed since they were last compared, by collection and logical key. Bounded in bytes: who goes over
// the bound forgets a range of them and compares that range as a whole again. Guarded by the router's lock.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/uuid.h"
#include "bson/document.h"
#include "engine/mutants.h"

namespace drover::engine {

inline constexpr std::size_t kChangedKeyOverhead = 192;  // of the maps, for one key

class ChangedKeys {
 public:
  struct Key {
    std::string key;
    bson::Value id;
  };
  enum class Spellings { kOne, kAll };  // of one logical key: under a collation "a" and "A" are documents of their own

  void add(const Uuid& collection, const std::string& key, const bson::Value& id, Spellings spellings) {
    auto& ids = collections_[collection].keys[key];
    if (!ids.empty() && spellings == Spellings::kOne) return;
    for (const auto& known : ids)
      if (known.element().type() == id.element().type() && known.element().same_value_bytes(id.element())) return;
    ids.push_back(id);
    ++size_;
    key_bytes_ += cost(key, id);
  }
  bool contains(const Uuid& collection, const std::string& key) const {
    const auto keys = collections_.find(collection);
    return keys != collections_.end() && keys->second.keys.contains(key);
  }
  // In [min, max); an empty max is unbounded.
  void forget(const Uuid& collection, const std::string& min, const std::string& max) {
    const auto found = collections_.find(collection);
    if (found == collections_.end()) return;
    auto& keys = found->second.keys;
    auto it = keys.lower_bound(min);
    const auto end = max.empty() ? keys.end() : keys.lower_bound(max);
    while (it != end) it = erase(keys, it);
    if (keys.empty()) erase(found);
  }
  // About `most` keys of one collection, one at least, and no more after `most_bytes` of them; they are then no longer here. In turns, in
  // the order of keys: from the one after the last that was taken to the end, then from the first, so that none waits for others that
  // change all the time.
  std::vector<Key> take(const Uuid& collection, std::size_t most, std::size_t most_bytes) {
    std::vector<Key> taken;
    const auto found = collections_.find(collection);
    if (found == collections_.end()) return taken;
    auto& keys = found->second.keys;
    const auto bytes = key_bytes_;
    auto it = mutant("lowest_keys_first") ? keys.begin() : keys.lower_bound(found->second.next);
    if (it == keys.end()) it = keys.begin();
    while (it != keys.end() && taken.size() < most && bytes - key_bytes_ <= most_bytes) {
      for (const auto& id : it->second) taken.push_back({it->first, id});
      it = erase(keys, it);
    }
    if (keys.empty()) {
      erase(found);
    } else {
      set_next(found->second, it == keys.end() ? std::string() : taken.back().key + '\0');  // the key after it
    }
    return taken;
  }
  // It was taken, but its turn is still to come. It has been added again.
  void set_turn(const Uuid& collection, const std::string& key) {
    const auto found = collections_.find(collection);
    if (found != collections_.end()) set_next(found->second, key);
  }
  // The first collection after that one, in turns, that has any. Not when empty().
  Uuid collection_after(const Uuid& collection) const {
    const auto after = collections_.upper_bound(collection);
    return after == collections_.end() ? collections_.begin()->first : after->first;
  }

  std::size_t count(const Uuid& collection) const {
    const auto keys = collections_.find(collection);
    return keys == collections_.end() ? 0 : keys->second.keys.size();
  }
  bool empty() const { return collections_.empty(); }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return key_bytes_ + turn_bytes_; }
  std::size_t key_bytes() const { return key_bytes_; }  // without what is kept for the turns

 private:
  using Keys = std::map<std::string, std::vector<bson::Value>>;
  struct OfCollection {
    Keys keys;
    std::string next;  // to be taken, or the first one after it; empty: from the first key on
  };
  static std::size_t cost(const std::string& key, const bson::Value& id) {
    return key.size() + id.element().size() + kChangedKeyOverhead;
  }
  Keys::iterator erase(Keys& keys, Keys::iterator it) {
    for (const auto& id : it->second) key_bytes_ -= cost(it->first, id);
    size_ -= it->second.size();
    return keys.erase(it);
  }
  void erase(std::map<Uuid, OfCollection>::iterator collection) {
    turn_bytes_ -= collection->second.next.size();
    collections_.erase(collection);
  }
  void set_next(OfCollection& collection, std::string key) {
    turn_bytes_ += key.size();
    turn_bytes_ -= collection.next.size();
    collection.next = std::move(key);
  }

  std::map<Uuid, OfCollection> collections_;
  std::size_t size_ = 0;
  std::size_t key_bytes_ = 0;
  std::size_t turn_bytes_ = 0;
};

}  // namespace drover::engine
