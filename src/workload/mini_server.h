// For unit tests: a server in memory that understands what the writers send, loses requests and replies by chance, keeps
// retryable writes and transactions apart, and can refuse writes. Far from MongoDB otherwise. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cluster/testing/stub_deployment.h"

namespace drover::workload {

class MiniServer : public cluster::StubDeployment {
 public:
  // One in `count` requests and one in `count` replies is lost from now on; 0: none.
  void lose_one_in(std::uint64_t count) { lost_ = count; }

  Result<bson::Document> run_command(const std::string& db, bson::View command) override;

  // Ends open transactions and refuses writes from now on.
  void block();
  void open();
  // Everything but the writers' proofs of arrival is as on the other one.
  void become_copy_of(const MiniServer& other);
  // For planting faults.
  using Collection = std::map<std::string, bson::Document>;  // by the _id's logical key
  Collection& collection(const std::string& ns) { return collections_[ns]; }

 private:
  struct Undo {
    std::string ns, key;
    std::optional<bson::Document> before;
  };
  struct Session {
    std::int64_t number = -1;
    bool in_transaction = false;
    std::optional<bson::Document> reply;  // of the number's statement or commit
    std::vector<Undo> undo;
  };

  Result<bson::Document> execute(const std::string& db, bson::View command);
  Result<bson::Document> write(const std::string& db, bson::View command, Session& session);
  bson::Document find(const std::string& db, bson::View command);
  bson::Document out(const std::string& db, bson::View command);
  std::int64_t apply_update(const std::string& ns, bson::View update, Session& session);
  void store(const std::string& ns, const std::string& key, std::optional<bson::Document> after, Session& session);
  void roll_back(Session& session);
  bool chance();

  mutable std::mutex mutex_;
  std::atomic<std::uint64_t> lost_{0};
  std::uint64_t random_ = 1;
  bool blocked_ = false;
  std::map<std::string, Collection> collections_;
  std::map<std::string, Session> sessions_;
};

}  // namespace drover::workload
