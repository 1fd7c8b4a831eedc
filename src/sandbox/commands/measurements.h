// Inserts into a time-series collection: measurements gathered into buckets, each bucket written once per unit.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sandbox/commands/timeseries_bucket.h"
#include "sandbox/commands/write_support.h"

namespace drover::sandbox {

// The entry of the oplog for a bucket's change.
bson::Document bucket_update(bson::View before, bson::View after);

// Lives as long as one unit. What was added is in the unit only after flush().
class MeasurementWriter {
 public:
  MeasurementWriter(CommandContext& context, WriteUnit& unit, CollectionPtr buckets);
  // `index`: of the statement in its command, which has the number `statement`.
  Status add(bson::View measurement, std::size_t index, std::int32_t statement);
  // `written` is called with the statements of each bucket, after its write.
  Status flush(const std::function<void(const std::vector<std::size_t>&)>& written);
  // Once the unit is committed: later measurements of these series go on in these buckets.
  void committed();

 private:
  struct Open {
    TimeseriesBucket bucket;
    std::optional<RecordId> record;  // stored already
    bson::Document before;
    std::string series;
    std::vector<std::size_t> indexes;
    std::vector<std::int32_t> statements;
  };
  // Of the buckets that the unit has written; told to the collection when it is committed.
  struct Counts {
    std::int64_t inserts = 0, updates = 0, opened_for_series = 0, closed_full = 0, closed_large = 0, closed_for_later = 0, closed_for_earlier = 0, measurements = 0;
  };
  bool has_room(const TimeseriesBucket& bucket, bson::DateTime time, std::size_t bytes);
  Result<Open*> bucket_for(bson::View measurement, bson::DateTime time, std::size_t bytes);
  Result<std::optional<Open>> stored_bucket(const std::string& series, bson::DateTime time, std::size_t bytes);

  CommandContext& context_;
  WriteUnit& unit_;
  const CollectionPtr buckets_;
  const TimeseriesOptions options_;
  std::vector<std::unique_ptr<Open>> open_;
  std::map<std::string, Open*> newest_;  // of each series
  std::map<std::string, RecordId> records_;
  Counts counts_;
};

}  // namespace drover::sandbox
