// The store of validations and migrations, and the changes of their states. Each change is conditional on the revision that
// it was decided on, and is decided again when it was not the one: of two at a time one wins. Thread-safe; any number of
// processes on one store.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "control/clusters.h"
#include "control/live_import.h"
#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

class LiveImports {
 public:
  struct Options {
    std::chrono::milliseconds cutover_window = kCutoverWindow;
    std::chrono::milliseconds host_silent_after = kHostSilentAfter;
    bool one_migration_per_link = false;
    std::int64_t kept_validations = kMaxValidationsOfProject, kept_migrations = kMaxMigrationsOfProject;
  };
  LiveImports(Store& store, const SealedKeys& keys, Runtime& runtime, Clusters& clusters, Options options)
      : store_(store), keys_(keys), runtime_(runtime), clusters_(clusters), options_(options) {}

  // As described; `first` is NEW, or FAILED for a validation whose checks failed. kWrongState: the destination, the source or the
  // migration host has a migration already; the message says which. kUnsupported: too many are kept of the project.
  Result<LiveImport> create(LiveImport first, const std::string& source_password, const Asker& by = {});
  Result<std::optional<LiveImport>> find(ImportKind kind, const std::string& group, const std::string& id);
  // `status`: as LiveImport::public_status has it; empty: of any.
  Result<std::vector<LiveImport>> migrations_of(const std::string& group, Page page, std::string_view status = {});
  Result<std::int64_t> count_migrations(const std::string& group, std::string_view status = {});
  // Those that are not at their end; for links: a link with one stays.
  Result<std::vector<LiveImport>> active_of_link(const std::string& link);
  Result<std::optional<LiveImport>> active_on_cluster(const std::string& group, const std::string& cluster);
  // Whether one of the project that is not at its end goes through such a network: VPC_PEERING, PRIVATE_LINK.
  Result<bool> uses_network(const std::string& group, const std::string& schema);

  // What is in the way of a migration: a lock, and the migration that has it.
  struct Held {
    std::string lock, by;
  };

  // The operator's. kWrongState says why not. Cutover again succeeds.
  Result<LiveImport> cutover(const std::string& id, const Asker& by = {});
  // kForced gives a cutover up, too, whose host has been silent for kCutoverForced: it may have been decided; a host that comes back says so, and then
  // the migration is complete after all.
  enum class Cancel { kBeforeCutover, kForced };
  Result<LiveImport> cancel(const std::string& id, const Asker& by = {}, Cancel how = Cancel::kBeforeCutover);
  Result<LiveImport> extend(const std::string& id, std::chrono::hours how_long, const Asker& by = {});

  // Protocol 1. All items of the link that are not forgotten, secrets in them.
  Result<std::vector<Json>> work_of(const std::string& link);
  // What is begun and not given out yet: which source and host it is for, nothing else.
  Result<std::vector<Json>> coming_of(const std::string& link);
  struct Reported {
    std::int64_t sequence = 0;
    std::string desired;
  };
  // Nothing: the link has no such item.
  Result<std::optional<Reported>> report(const std::string& link, const std::string& id, const Json& report);

  // The manager site cannot go on with a migration that had begun, says why, and has ended nothing: kept until its host reports again. Nothing: no such item.
  Result<std::optional<Reported>> held(const std::string& link, const std::string& id, const std::string& because);

  // What a change of one document is: fields to set and unset, and an event that is told of it.
  struct Change {
    bson::Builder set;
    std::vector<std::string> unset;
    const char* event = nullptr;  // "CLUSTER_IMPORT_STARTED"
    Asker by = {};                // whom it tells of
    std::string detail = {};      // and what, in words; empty: the event says it all
  };
  // Decides on what is there, until its decision is the one. `decide` answers nothing to leave it as it is.
  Result<LiveImport> change(const std::string& id, const std::function<Result<std::optional<Change>>(const LiveImport&)>& decide);
  // What is not at its end, or not forgotten by the manager site, or has events to tell: to the last one of them, however many there are.
  Status each_open(bson::View filter, const std::function<Status(const LiveImport&)>& see);
  Result<std::int64_t> count_open_of_link(const std::string& link);
  // What the link has that is not closed is from now on the other one's, with its locks: the same site holds both. Repeating it does the rest. A lock that
  // a migration of another former link of that site has holds already is left to that one: both run, and create() sees both.
  Status move_to_link(const std::string& from, const std::string& to);
  Status tell_events(const LiveImport& import);
  Result<std::string> destination_password(const LiveImport& import);
  std::string new_destination_password(const std::string& id) const;  // sealed
  std::int64_t now_millis() const;

 private:
  Status make_room(ImportKind kind, const std::string& group);
  Result<std::vector<std::string>> locks_left(const LiveImport& import);
  Result<bool> copies_from_what_is_written(const LiveImport& import);
  Result<std::optional<Held>> held_lock(const std::vector<std::string>& locks);
  Result<std::optional<Held>> used_unlocked(const LiveImport& first, const std::vector<std::string>& locks);
  LiveImport read(bson::View document) const;
  Result<Json> item_of(const LiveImport& import, bson::View document, const Cluster& cluster);

  Store& store_;
  const SealedKeys& keys_;
  Runtime& runtime_;
  Clusters& clusters_;
  const Options options_;
};

// The change that ends a migration or validation on its way: to CLEANING, with secrets of the source gone.
LiveImports::Change to_cleaning(const char* outcome, const std::string& error);
// The change that ends the wait for a host which left something behind (LiveImport::left_behind): secrets go, then the temporary user.
LiveImports::Change nothing_left(const std::string& error, std::int64_t now_millis);

}  // namespace drover::control
