// The control plane's documents, in a MongoDB deployment reached through the cluster port: an embedded one, or any replica
// set. Several server processes share one store: every change is one command on one document, conditional where it must be,
// acknowledged by a majority. Reads are majority reads. Thread-safe.
//
// Errors: kTemporary when the store does not answer; the caller's request fails and may be repeated. An election is waited for: every command may run twice.
// But a store that answers nobody holds callers for kStorePatience from its first silence on, and for one kStoreReplyLimit more; from then on it is given
// up, and holds nobody but who asks whether it answers again: however many callers come, a thread of theirs waits once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/guarded.h"
#include "base/runtime.h"
#include "base/uuid.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "cluster/deployment.h"

namespace drover::control {

inline constexpr const char* kStoreDatabase = "drover";
inline constexpr int kStoreSchema = 2;  // raised with a step in migrate()
// Who connects to the store gives it this limit: a store that has stopped answering holds nobody for longer.
inline constexpr std::chrono::seconds kStoreReplyLimit{5};   // also to find its primary
inline constexpr std::chrono::seconds kStorePatience{12};    // of all callers together: an election takes ten or so
// Once a command was given up, one at a time and so often asks whether it answers again; the others fail at once.
inline constexpr std::chrono::seconds kStoreProbeEvery{1};
inline constexpr std::chrono::seconds kOpenPatience{30};     // for the store to answer at all, at the start
inline constexpr std::chrono::minutes kIndexPatience{10};  // for the building of indexes, at the start

struct Page {
  int number = 1;  // from 1
  int items = 100;
};

enum class Order { kOldestFirst, kNewestFirst };  // by _id
enum class Changed { kYes, kNoMatch, kDuplicate };  // kDuplicate: another document has the unique values; nothing was changed

class Store {
 public:
  Store(cluster::Deployment& deployment, Runtime& runtime) : deployment_(deployment), runtime_(runtime) {}

  // Makes the indexes, brings an older store's documents to this schema, refuses a newer one's.
  Status open();

  // False when a document with the same unique values is there already; nothing is written then.
  Result<bool> insert(const std::string& collection, bson::View document);
  Result<std::optional<bson::Document>> find_one(const std::string& collection, bson::View filter);
  // In the order of _id.
  Result<std::vector<bson::Document>> find(const std::string& collection, bson::View filter, Page page = {1, 500},
                                           Order order = Order::kOldestFirst);
  // All of them to the last one, in the order of _id, with no more than kStride in memory at a time. What changes meanwhile is seen as it is when
  // its turn comes. `filter` does not name _id, which is text; the first failure of `see` ends it.
  static constexpr int kStride = 100;
  Status each(const std::string& collection, bson::View filter, const std::function<Status(bson::View)>& see);
  Result<std::int64_t> count(const std::string& collection, bson::View filter);
  // How many there are of each value of a field that is text. What is read is one document for each value.
  Result<std::map<std::string, std::int64_t>> count_by(const std::string& collection, bson::View filter, const std::string& field);
  // Of a field that is a whole number; one that is missing counts as 0.
  Result<std::int64_t> sum(const std::string& collection, bson::View filter, const std::string& field);
  // Whether one document matched; `update` is an update document.
  Result<bool> update(const std::string& collection, bson::View filter, bson::View update);
  Result<Changed> try_update(const std::string& collection, bson::View filter, bson::View update);
  // Makes the document of `filter`'s equalities when none matches. False: one with the same unique values does not match.
  Result<bool> upsert(const std::string& collection, bson::View filter, bson::View update);
  Result<std::int64_t> remove(const std::string& collection, bson::View filter);

 private:
  // All that the cursor of a command that reads has.
  Result<std::vector<bson::Document>> run_to_end(const std::string& collection, bson::View command);
  Result<std::vector<bson::Document>> read_rest(const std::string& collection, bson::Document reply);
  struct WriteSession {
    Uuid id;
    std::int64_t last_number = 0;
  };
  Result<bson::Document> run(bson::View command);
  bool may_ask(SteadyTime now);
  enum class Next { kDone, kAgain, kGiveUp };
  Next after(bool answered, SteadyTime begun, SteadyTime asked);
  Result<bson::Document> run_once(bson::Builder command);
  Result<std::int64_t> aggregate_number(const std::string& collection, bson::View filter, bson::View stage);
  Result<Changed> change(const std::string& collection, bson::View filter, bson::View update, bool upsert);
  Status create_indexes();
  Status migrate(std::int64_t from);

  cluster::Deployment& deployment_;
  Runtime& runtime_;
  Guarded<std::vector<WriteSession>> sessions_;  // those that no command uses now
  struct Silence {
    std::optional<SteadyTime> next_probe;  // while it does not answer; see kStoreProbeEvery
    std::optional<SteadyTime> since;       // of the first that was not answered, after the last one that was
    SteadyTime last_answer{};
  };
  Guarded<Silence> silence_;
};

// A new id: 24 hexadecimal digits, in the order of their making as far as clocks agree.
std::string new_id(Runtime& runtime);
bool is_id(std::string_view text);
// What comes before every id of that second and of later ones.
std::string first_id_of(std::chrono::system_clock::time_point time);
// The ids that were made within so long of a time, earlier or later: from the first up to the second, which is none of them. For what is taken for dead
// after a while, by hosts whose clocks are not the same: one from the future is no younger than one from the past.
std::pair<std::string, std::string> ids_around(std::chrono::system_clock::time_point time, std::chrono::seconds within);

}  // namespace drover::control
