#include "control/applied_records.h"

namespace drover::control {
namespace {

constexpr int kPage = 500;

}  // namespace

bson::Document AppliedRecords::filter_of(const Read& read) { return bson::make_document({{"_id", read.id}, {"revision", read.revision}}); }

bson::Document AppliedRecords::alive_in(const std::string& group) {
  bson::Builder filter;
  filter.append("groupId", group);
  filter.open_document("deleting").append("$ne", true);
  return std::move(filter).finish();
}

Result<std::vector<bson::Document>> AppliedRecords::deleting() { return store_.find(collection_, bson::make_document({{"deleting", true}}), {1, kPage}); }

Result<std::vector<bson::Document>> AppliedRecords::not_applied(const std::string& group, const std::string& cluster) {
  bson::Builder filter;
  filter.append_all(alive_in(group));
  filter.open_document("appliedTo").append("$ne", cluster);
  return store_.find(collection_, std::move(filter).finish(), {1, kPage});
}

Result<bool> AppliedRecords::note_present(const Read& read, const std::string& cluster) { return change_list(read, "$addToSet", "presentOn", cluster); }

Result<bool> AppliedRecords::note_applied(const Read& read, const std::string& cluster) { return change_list(read, "$addToSet", "appliedTo", cluster); }

Status AppliedRecords::note_absent(const Read& read, const std::string& cluster) {
  TRY(change_list(read, "$pull", "presentOn", cluster));
  return {};
}

Status AppliedRecords::apply_again(const std::string& id) {
  bson::Builder update;
  update.open_document("$set").open_array("appliedTo");
  TRY(store_.update(collection_, bson::make_document({{"_id", id}}), std::move(update).finish()));
  return {};
}

Status AppliedRecords::forget(const Read& read) {
  bson::Builder filter;
  filter.append_all(filter_of(read));
  filter.append("deleting", true);
  filter.open_document("presentOn").append("$size", 0);
  TRY(store_.remove(collection_, std::move(filter).finish()));
  return {};
}

Result<std::optional<bson::Document>> AppliedRecords::by_id(const std::string& id) { return store_.find_one(collection_, bson::make_document({{"_id", id}})); }

Result<bool> AppliedRecords::mark_deleting(bson::View filter) {
  bson::Builder alive;
  alive.append_all(filter);
  alive.open_document("deleting").append("$ne", true);
  bson::Builder update;
  update.open_document("$set").append("deleting", true);
  update.open_document("$inc").append("revision", 1);
  return store_.update(collection_, std::move(alive).finish(), std::move(update).finish());
}

Result<bool> AppliedRecords::change_list(const Read& read, const char* verb, const char* list, const std::string& cluster) {
  bson::Builder update;
  update.open_document(verb).append(list, cluster);
  return store_.update(collection_, filter_of(read), std::move(update).finish());
}

}  // namespace drover::control
