// Updates: modifiers ({$set: ...}), replacements and pipelines. Parsed once per statement, applied to each document.
// Errors carry the server's code and wording; nothing is changed when one is returned.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "model/server_version.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox::query {

enum class UpdateKind { kModifiers, kReplacement, kPipeline };

struct UpdateOptions {
  ServerVersion version{4, 4, 0};
  std::optional<bson::View> array_filters;  // the array as it stands in the command
  std::optional<bson::View> constants;      // `c`: variables of a pipeline
  std::shared_ptr<const bson::Collator> collator;
  bool multi = false;                                // refused for replacements
  std::shared_ptr<const EvaluationContext> context;  // $$NOW, $$CLUSTER_TIME
};

struct UpdateContext {
  bson::DateTime now;                     // $currentDate and a replacement's empty top-level timestamps
  bson::Timestamp cluster_time;           // $currentDate {$type: "timestamp"}, replacements' Timestamp(0,0)
  bool is_insert = false;                 // the document is an upsert's: $setOnInsert applies, _id may be set
  const MatchDetails* details = nullptr;  // for the positional operator
  bool keep_empty_times = false;          // bypassEmptyTsReplacement
};

struct Applied {
  bson::Document document;
  bool modified = false;  // false: same bytes as before
  // What the oplog's `o` holds: {$v: 1, $set, $unset} (up to 4.4), {$v: 2, diff} (5.0+) or the whole document.
  bson::Document oplog_object;
};

class Update {
 public:
  // `u` is the value of the command's field: a document or an array.
  static Result<Update> parse(const bson::Element& u, const UpdateOptions& options);
  Update(Update&&) noexcept;
  Update& operator=(Update&&) noexcept;
  ~Update();

  UpdateKind kind() const;
  // The filter has to be matched with MatchDetails ("a.$").
  bool is_positional() const;
  Result<Applied> apply(bson::View old, const UpdateContext& context) const;
  // The document that an upsert inserts. `_id` comes from the update, the filter, or `generate_id`; it is the first
  // field. `filter` is the query that matched nothing.
  Result<bson::Document> upsert_document(const Matcher& filter, UpdateContext context,
                                         const std::function<bson::ObjectId()>& generate_id) const;

 private:
  struct Parsed;
  explicit Update(std::unique_ptr<const Parsed> parsed);
  std::unique_ptr<const Parsed> parsed_;
};

// Not every document may be stored: 52 for field names that begin with $ (before 5.0; later only where the server still
// refuses), 53 for an _id that is an array, regex or undefined. Also used for inserts and replacements: `_id` is moved to the front
// by the caller.
Status check_storable(bson::View document, ServerVersion version);
// As above for an insert, which before 5.0 refuses $ at the top and in _id only: what an update could not write may be there.
Status check_insertable(bson::View document, ServerVersion version);

}  // namespace drover::sandbox::query
