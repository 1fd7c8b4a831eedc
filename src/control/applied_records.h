// Records of a project that this site makes so on the project's local clusters: database users, their roles. Where one may be is noted (presentOn)
// before it is made there, and that it is there as it stands (appliedTo) after; every change of the record empties appliedTo. So whatever happens in
// between, and whichever process does it, is found again. All that is conditional is so on the revision that was read. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "bson/document.h"
#include "control/store.h"

namespace drover::control {

class AppliedRecords {
 public:
  struct Read {  // a record as it was read
    std::string id;
    std::int64_t revision = 0;
  };
  AppliedRecords(Store& store, const char* collection) : store_(store), collection_(collection) {}

  static bson::Document filter_of(const Read& read);
  // Those of the project that are not being deleted.
  static bson::Document alive_in(const std::string& group);

  Result<std::vector<bson::Document>> deleting();
  Result<std::vector<bson::Document>> not_applied(const std::string& group, const std::string& cluster);
  // False: it has changed since it was read, or is gone.
  Result<bool> note_present(const Read& read, const std::string& cluster);
  Result<bool> note_applied(const Read& read, const std::string& cluster);
  Status note_absent(const Read& read, const std::string& cluster);
  Status apply_again(const std::string& id);
  Status forget(const Read& read);  // when it is deleting, and nowhere
  Result<std::optional<bson::Document>> by_id(const std::string& id);
  // Gone for callers; still to be dropped where it is. False: no such record.
  Result<bool> mark_deleting(bson::View filter);

 private:
  Result<bool> change_list(const Read& read, const char* verb, const char* list, const std::string& cluster);

  Store& store_;
  const char* collection_;
};

}  // namespace drover::control
