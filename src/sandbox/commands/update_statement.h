// One update statement, as it stands in `updates` or in findAndModify, ready to be applied to documents.
#pragma once

#include <memory>
#include <optional>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/update.h"

namespace drover::sandbox {

struct UpdateSpec {
  bson::View query;
  bson::Element update;
  bool upsert = false;
  bool multi = false;
  bson::Element hint;
  std::optional<bson::View> array_filters;
  std::optional<bson::View> constants;  // `c`: of a pipeline
  std::optional<bson::View> let;        // the command's: in the filter too
  bson::View collation_of;              // where `collation` stands
  bson::View sort;                      // findAndModify; 8.0's updateOne
};

class UpdateStatement {
 public:
  // Parsed against the collection that it is for (null: none yet), whose collation is the default.
  static Result<UpdateStatement> parse(CommandContext& context, const UpdateSpec& spec, const CollectionInfo* collection);

  const query::Matcher& filter() const { return filter_; }
  const query::SortPattern& sort() const { return sort_; }
  const std::shared_ptr<const bson::Collator>& collator() const { return collator_; }
  const UpdateSpec& spec() const { return spec_; }

  struct Changed {
    bool modified = false;
    bson::Document document;  // as it is now
  };
  // Applies to a document of the unit's state and writes it when it changed. `image`: what a findAndModify's retry returns.
  Result<Changed> apply(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, const Found& found,
                        std::int32_t statement, std::optional<WriteUnit::Image> image = {}) const;
  // Inserts what the upsert makes.
  Result<bson::Document> insert(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, std::int32_t statement) const;

 private:
  UpdateStatement(UpdateSpec spec, query::Matcher filter, query::Update update) : spec_(spec), filter_(std::move(filter)), update_(std::move(update)) {}

  UpdateSpec spec_;
  query::Matcher filter_;
  query::Update update_;
  query::SortPattern sort_;
  std::shared_ptr<const bson::Collator> collator_;
};

}  // namespace drover::sandbox
