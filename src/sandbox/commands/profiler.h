// The profiler: for a database whose level is above 0, what each operation read and changed and how long it took, in its
// capped collection system.profile, as servers write it there. Levels live in memory, as the server's do; what they have
// recorded is stored, but not replicated.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/guarded.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "sandbox/commands/command.h"
#include "sandbox/commands/scan.h"

namespace drover::sandbox {

inline constexpr std::string_view kProfileCollection = "system.profile";

class Profiler {
 public:
  struct Database {
    int level = 0;                        // 1: what is slow (or `filter` accepts), 2: everything
    std::optional<bson::Document> filter;  // on the entry; in place of slowms and sampleRate
  };
  struct Slow {
    std::int64_t millis = 100;
    double sample_rate = 1.0;
  };

  Database of(std::string_view db) const;
  void set(std::string_view db, Database database);
  Slow slow() const { return slow_.copy(); }
  void set_slow(Slow slow) {
    slow_.with([&](Slow& value) { value = slow; });
  }
  // False as long as no database has a level: nothing else is looked at then.
  bool any() const { return any_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> any_ = false;
  Guarded<std::map<std::string, Database, std::less<>>> databases_;
  Guarded<Slow> slow_;
};

// Of one command in a database that is profiled. Writes an entry for each statement of update and delete, and one for any other
// command. An entry that cannot be written is lost: the command's own answer stands.
class ProfiledCommand {
 public:
  // Null when this command is not recorded.
  static std::unique_ptr<ProfiledCommand> begin(CommandContext& context);
  ~ProfiledCommand();

  // One statement of update ("update") or delete ("remove") has come to its end, after the previous one's.
  void statement(std::string_view op, bson::View statement, bson::View counts, const Error* error);
  void finish(const Result<bson::Document>& reply);

 private:
  ProfiledCommand(CommandContext& context, Profiler::Database database);
  bson::Document entry(std::string_view op, bson::View statement, bson::View counts, const Error* error, std::optional<std::size_t> reply_bytes,
                       std::optional<bson::View> cursor = {});
  void append_hashes(bson::Builder& out, bson::View statement) const;
  bool wanted(bson::View entry, std::int64_t millis) const;
  void write(const bson::Document& entry);

  CommandContext& context_;
  const Profiler::Database database_;
  SteadyTime started_;
  ScanTotals totals_;
  CountScans counting_;
  bool by_statement_ = false;  // entries were written for its statements
};

// With the first level above 0: 1 MB, capped.
Status make_profile_collection(CommandContext& context);

}  // namespace drover::sandbox
