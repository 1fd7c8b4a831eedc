// What a replica set holds, in memory and with its history: the catalog, the documents of each collection by UUID, and the
// oplog. Every change is made at one cluster time, so any earlier time can be read, and an election can take back what
// was not majority-committed. Nothing here waits or chooses: SimCluster does.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/uuid.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "model/change_event.h"
#include "model/collection_info.h"

namespace drover::sim {

using DocumentPtr = std::shared_ptr<const bson::Document>;

struct Version {
  ClusterTime ts;
  DocumentPtr document;  // null: deleted
  bool by_user = false;
};
using History = std::vector<Version>;  // oldest first

struct CatalogEntry {
  CollectionInfo info;
  std::shared_ptr<const bson::Collator> collator;  // the collection's default collation, or null
};
using Catalog = std::map<Namespace, CatalogEntry>;

struct CollectionData {
  std::map<std::string, History> documents;  // by logical key
};

struct OplogEntry {
  ClusterTime ts;
  bson::Document document;
};

// One write of a document.
struct Write {
  enum class Kind { kInsert, kUpdate, kReplace, kDelete } kind = Kind::kInsert;
  Namespace ns;
  Uuid uuid;
  std::string key;        // logical
  DocumentPtr document;   // the image after; null for kDelete
  bson::Document change;  // kUpdate: the oplog's `o`
};

class Store {
 public:
  Store();

  const Catalog& catalog() const { return *catalogs_.back().second; }
  const Catalog& catalog_at(ClusterTime ts) const;
  const CatalogEntry* find(const Namespace& ns) const;
  const CatalogEntry* find(const Uuid& uuid) const;
  // Null when there is none at that time.
  const Version* version_at(const Uuid& uuid, const std::string& key, ClusterTime ts) const;
  DocumentPtr document_at(const Uuid& uuid, const std::string& key, ClusterTime ts) const;
  DocumentPtr latest(const Uuid& uuid, const std::string& key) const;
  const CollectionData& data(const Uuid& uuid) const;
  std::vector<DocumentPtr> documents_at(const Uuid& uuid, ClusterTime ts) const;

  const std::vector<OplogEntry>& oplog() const { return oplog_; }
  ClusterTime last() const { return oplog_.back().ts; }
  ClusterTime last_ddl() const { return last_ddl_; }

  // The times of `count` new entries, from `now_seconds` on.
  std::vector<ClusterTime> reserve(std::uint32_t now_seconds, int count);
  // Makes all writes visible at `ts`, in order, or none: a refused one is an Error with server_code 11000 or 52 whose
  // index in `writes` is `*refused`.
  Status apply(const std::vector<Write>& writes, ClusterTime ts, bool by_user, int* refused = nullptr);
  void append(ClusterTime ts, bson::Document entry);
  void set_catalog(ClusterTime ts, Catalog catalog);
  // Forgets the oplog before `ts`; at least one entry stays.
  void truncate_oplog(ClusterTime ts);
  // Takes back everything after `ts`.
  void roll_back(ClusterTime ts);

  // The documents that a unique index would refuse `document` for, except `own_key`.
  std::vector<DocumentPtr> holders(const CatalogEntry& entry, bson::View index, bson::View document,
                                   const std::string& own_key) const;
  std::optional<std::string> duplicates_in(const CatalogEntry& entry, bson::View index) const;

 private:
  Status check(const Write& write) const;

  std::vector<std::pair<ClusterTime, std::shared_ptr<const Catalog>>> catalogs_;
  std::map<Uuid, CollectionData> data_;
  std::vector<OplogEntry> oplog_;
  ClusterTime last_ddl_;
};

// The keys that `document` has in `index`: none for a sparse index without the field, several for an array.
std::vector<std::string> index_keys(bson::View index, bson::View document);
std::string logical_key(const CatalogEntry& entry, const bson::Element& id);

}  // namespace drover::sim
