// What clients have asked of this server since its start: how often, and how long it took. serverStatus, top and $collStats tell it.
// Thread-safe. Nothing of it is stored: a start begins at zero, as a server's does.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/guarded.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "sandbox/commands/command.h"
#include "sandbox/commands/scan.h"

namespace drover::sandbox {

// Of so many collections at once; what is asked of others counts for the server only.
inline constexpr std::size_t kMaxWatchedCollections = 10'000;

struct Spent {
  std::int64_t micros = 0, count = 0;
  void add(std::int64_t more_micros, std::int64_t times) {
    micros += more_micros;
    count += times;
  }
};

// By what the server calls a read, a write, a command, and the end of a transaction.
struct Latencies {
  Spent reads, writes, commands, transactions;
};

// As `top` shows it, in its order.
struct CollectionActivity {
  Spent total, read_lock, write_lock, queries, getmore, insert, update, remove, commands;
  Latencies latencies;
};

// As `opcounters` shows it: documents of inserts, statements of updates and deletes, commands.
struct OperationCounts {
  std::int64_t insert = 0, query = 0, update = 0, remove = 0, getmore = 0, command = 0;
};

struct DocumentCounts {
  std::int64_t removed = 0, inserted = 0, returned = 0, updated = 0;
};

struct CommandCounts {
  std::int64_t failed = 0, total = 0;
};

class Activity {
 public:
  // A client's command has come to its end, after `spent`.
  void note(const CommandContext& context, bson::View reply, Duration spent, const ScanTotals& scanned);
  // Messages as they came over the wire, and as they were before compression.
  void note_request(std::size_t bytes, std::size_t on_wire);
  void note_reply(std::size_t bytes, std::size_t on_wire);

  struct Server {
    OperationCounts operations;
    DocumentCounts documents;
    Latencies latencies;
    std::map<std::string_view, CommandCounts> commands;
    std::int64_t user_asserts = 0;  // commands and statements that were refused
    std::int64_t keys_scanned = 0, documents_scanned = 0;
  };
  Server server() const;

  struct Network {
    std::int64_t bytes_in = 0, bytes_out = 0, wire_in = 0, wire_out = 0, requests = 0;
  };
  Network network() const;

  std::map<std::string, CollectionActivity> collections() const;
  CollectionActivity of(const Namespace& ns) const;

 private:
  // Commands of different connections, and on different collections, seldom meet: each is noted in one of so many places.
  static constexpr std::size_t kShards = 16;
  using Collections = std::unordered_map<std::string, CollectionActivity>;
  struct alignas(64) ServerShard {
    Guarded<Server> server;
  };
  struct alignas(64) CollectionShard {
    Guarded<Collections> collections;
  };
  CollectionShard& shard_of(const std::string& ns) { return collections_[std::hash<std::string>()(ns) % kShards]; }
  const CollectionShard& shard_of(const std::string& ns) const { return collections_[std::hash<std::string>()(ns) % kShards]; }
  void forget_dropped(std::string_view command, std::string_view db, bson::View body);

  std::array<ServerShard, kShards> servers_;           // by connection
  std::array<CollectionShard, kShards> collections_;   // by name
  std::atomic<std::size_t> watched_ = 0;               // collections in all of them
  std::atomic<std::int64_t> bytes_in_ = 0, bytes_out_ = 0, wire_in_ = 0, wire_out_ = 0, requests_ = 0;
};

// {reads: {latency, ops}, writes: ..., commands: ..., transactions: ...}, in microseconds.
void append_latencies(bson::Builder& out, const Latencies& latencies);

}  // namespace drover::sandbox
