// One writer of the live workload: an application that writes without pause to documents of its own, by every kind of write
// there is, and keeps a ledger of what was acknowledged. Deterministic in what it asks for, given its number and seed.
// Belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "workload/ledger.h"
#include "workload/pacer.h"
#include "workload/writer_link.h"

namespace drover::workload {

enum class WriteKind {
  kInsert,
  kSetField,
  kPush,
  kTruncate,      // $push with a negative $slice
  kUnsetThenSet,  // the field moves to the end
  kReorder,       // a pipeline that changes the order of fields
  kReplace,
  kDelete,
  kRetype,        // delete, then insert the same number as another numeric type
  kSwapUnique,    // two documents exchange values of a unique index, through a third value
  kSwapInTransaction,
  kTransaction,   // several documents of two collections
  kOut,           // an aggregation that replaces a collection
};
inline constexpr std::size_t kWriteKinds = 13;
std::string_view name(WriteKind kind);

using WriteCounts = std::array<std::atomic<std::int64_t>, kWriteKinds>;

// The collections that the writers share; each writer's documents carry {w: its number}.
Namespace orders_namespace();
Namespace seats_namespace();
Namespace accounts_namespace();
Namespace transfers_namespace();
Namespace flights_namespace();             // real data, loaded before (datasets.h)
Namespace summary_namespace(int writer);   // $out writes it

class LiveWriter {
 public:
  LiveWriter(int writer, int writers, std::uint64_t seed, WriterLink& link, Pacer& pacer, WriteCounts& counts);

  // Writes the documents that it starts from, and reads those of the loaded data that it will change. `loaded_rows`: how
  // many flights there are.
  Status prepare(cluster::Deployment& source, std::uint32_t loaded_rows, const std::stop_token& stop);
  // Until stopped: that is success.
  Status run(const std::stop_token& stop);

  const Ledger& ledger() const { return ledger_; }

 private:
  std::uint64_t random(std::uint64_t below);
  WriteKind choose();
  Status write(WriteKind kind, const std::stop_token& stop);

  Status insert_order(const std::stop_token& stop);
  Status set_field(const std::stop_token& stop);
  Status push(const std::stop_token& stop, bool truncate);
  Status unset_then_set(const std::stop_token& stop);
  Status reorder(const std::stop_token& stop);
  Status replace(const std::stop_token& stop);
  Status remove(const std::stop_token& stop);
  Status retype(const std::stop_token& stop);
  Status swap_unique(const std::stop_token& stop, bool in_transaction);
  Status transfer(const std::stop_token& stop);
  Status out(const std::stop_token& stop);

  Status perform(const Statement& statement, const std::stop_token& stop);
  Status perform_all(const std::vector<Statement>& statements, const std::stop_token& stop);
  // One of the writer's orders, or one of its flights.
  const bson::Document& some_document(Namespace& ns);
  const bson::Document& some_order();
  bson::Document new_order(const bson::Value& id);

  const int writer_;
  const int writers_;
  WriterLink& link_;
  Pacer& pacer_;
  WriteCounts& counts_;
  Ledger ledger_;
  std::uint64_t state_;
  std::int64_t serial_ = 0;
  std::int64_t operations_ = 0;
  std::vector<std::int64_t> orders_;  // numbers of those that exist
  std::vector<bson::Value> flights_;
};

}  // namespace drover::workload
