// One writer's book of what was acknowledged to it: the state that each of its documents must have. Every writer keeps its
// own, over documents that no other writer touches, so at the end the books together say what a deployment must hold:
// a check that shares nothing with the comparison of source and destination. Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/uuid.h"
#include "bson/document.h"
#include "cluster/deployment.h"
#include "model/namespace.h"

namespace drover::workload {

// Which documents of a collection are the writer's.
enum class Ownership {
  kMarked,  // those with {w: writer}: an extra one is an error, too
  kListed,  // those in the book: the collection has others
  kWhole,   // the whole collection
};

struct Change {
  Namespace ns;
  bson::Value id;
  std::optional<bson::Document> before;  // none: did not exist
  std::optional<bson::Document> after;   // none: removed
};

class Ledger {
 public:
  explicit Ledger(int writer) : writer_(writer) {}

  void own(const Namespace& ns, Ownership ownership) { books_[ns].ownership = ownership; }
  void apply(const Change& change);
  // The collection is now exactly these.
  void replace_all(const Namespace& ns, const std::vector<bson::Document>& documents);
  const bson::Document* find(const Namespace& ns, const bson::Value& id) const;
  std::vector<bson::Document> documents(const Namespace& ns) const;  // in the order of their _ids
  std::size_t size() const;

  // What differs on a deployment, in words that name collection and _id; nothing when all is as acknowledged.
  Result<std::vector<std::string>> differences(cluster::Deployment& deployment, const Uuid& session) const;

 private:
  struct Book {
    Ownership ownership = Ownership::kMarked;
    std::map<std::string, bson::Document> documents;  // by the _id's logical key
  };

  Status compare(cluster::Deployment& deployment, const Uuid& session, const Namespace& ns, const Book& book,
                 std::vector<std::string>& differences) const;

  int writer_;
  std::map<Namespace, Book> books_;
};

// Reads all documents that match, with majority read concern. A cursor belongs to a session: one that no other thread uses.
Result<std::vector<bson::Document>> find_all(cluster::Deployment& deployment, const Uuid& session, const Namespace& ns,
                                             bson::View filter);

}  // namespace drover::workload
