#include "sandbox/commands/measurements.h"

#include "sandbox/query/oplog_diff.h"

namespace drover::sandbox {

namespace {

// Series whose last bucket is remembered, per collection; of others the next measurement begins a new one.
constexpr std::size_t kMaxOpenBuckets = 10000;

std::string series_with(const bson::Element& meta) {
  bson::Builder out;
  if (meta.exists()) out.append("", meta);
  const auto document = std::move(out).finish();
  const auto bytes = document.view().bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string series_of(const TimeseriesOptions& options, bson::View measurement) {
  return series_with(options.meta_field.empty() ? bson::Element() : measurement[options.meta_field]);
}

std::string series_of_bucket(bson::View bucket) { return series_with(bucket["meta"]); }

}  // namespace

bson::Document bucket_update(bson::View before, bson::View after) {
  const auto diff = query::compute_diff(before, after);
  if (!diff) return bson::Document(after);
  return bson::make_document({{"$v", 2}, {"diff", *diff}});
}

MeasurementWriter::MeasurementWriter(CommandContext& context, WriteUnit& unit, CollectionPtr buckets)
    : context_(context), unit_(unit), buckets_(std::move(buckets)), options_(TimeseriesOptions::of(buckets_->options["timeseries"].document_value())) {}

Status MeasurementWriter::add(bson::View measurement, std::size_t index, std::int32_t statement) {
  const auto time = TRY(measurement_time(options_, measurement));
  auto* open = TRY(bucket_for(measurement, time, measurement.size()));
  open->bucket.add(measurement);
  open->indexes.push_back(index);
  open->statements.push_back(statement);
  return {};
}

bool MeasurementWriter::has_room(const TimeseriesBucket& bucket, bson::DateTime time, std::size_t bytes) {
  switch (bucket.room_for(time, bytes)) {
    case TimeseriesBucket::Room::kEnough: return true;
    case TimeseriesBucket::Room::kLater: ++counts_.closed_for_later; break;
    case TimeseriesBucket::Room::kEarlier: ++counts_.closed_for_earlier; break;
    case TimeseriesBucket::Room::kFull: ++counts_.closed_full; break;
    case TimeseriesBucket::Room::kLarge: ++counts_.closed_large; break;
  }
  return false;
}

Result<MeasurementWriter::Open*> MeasurementWriter::bucket_for(bson::View measurement, bson::DateTime time, std::size_t bytes) {
  const auto series = series_of(options_, measurement);
  auto& newest = newest_[series];
  if (newest && has_room(newest->bucket, time, bytes)) return newest;
  auto stored = newest ? std::nullopt : TRY(stored_bucket(series, time, bytes));
  const auto meta = options_.meta_field.empty() ? bson::Element() : measurement[options_.meta_field];
  if (stored) {
    open_.push_back(std::make_unique<Open>(std::move(*stored)));
  } else {
    open_.push_back(std::unique_ptr<Open>(new Open{TimeseriesBucket(options_, time, meta, new_object_id(context_.services.runtime)), {}, {}, series, {}, {}}));
  }
  return newest = open_.back().get();
}

Result<std::optional<MeasurementWriter::Open>> MeasurementWriter::stored_bucket(const std::string& series, bson::DateTime time, std::size_t bytes) {
  const auto record = buckets_->open_buckets->with([&](const auto& known) {
    const auto at = known.find(series);
    return at == known.end() ? std::optional<RecordId>() : std::optional(at->second);
  });
  if (!record) {
    ++counts_.opened_for_series;
    return std::optional<Open>();
  }
  auto document = TRY(unit_.find_record(*buckets_, *record));
  if (!document || series_of_bucket(*document) != series) return std::optional<Open>();  // an update may have made it another's
  auto bucket = TimeseriesBucket::parse(options_, *document);
  if (!bucket || !has_room(*bucket, time, bytes)) return std::optional<Open>();
  return std::optional<Open>(Open{std::move(*bucket), record, std::move(*document), series, {}, {}});
}

Status MeasurementWriter::flush(const std::function<void(const std::vector<std::size_t>&)>& written) {
  for (const auto& open : open_) {
    const auto after = open->bucket.to_document();
    if (context_.retryable) unit_.set_statements(open->statements);
    if (open->record) {
      TRY(unit_.update(buckets_, *open->record, open->before, after, bucket_update(open->before, after), open->statements.front()));
    } else {
      open->record = TRY(unit_.insert(buckets_, after, open->statements.front()));
    }
    ++(open->before.empty() ? counts_.inserts : counts_.updates);
    counts_.measurements += static_cast<std::int64_t>(open->indexes.size());
    records_[open->series] = *open->record;
    written(open->indexes);
  }
  open_.clear();
  newest_.clear();
  return {};
}

void MeasurementWriter::committed() {
  if (context_.transaction) return;
  auto& counts = *buckets_->bucket_counts;
  counts.inserts += counts_.inserts;
  counts.updates += counts_.updates;
  counts.opened_for_series += counts_.opened_for_series;
  counts.closed_full += counts_.closed_full;
  counts.closed_large += counts_.closed_large;
  counts.closed_for_later += counts_.closed_for_later;
  counts.closed_for_earlier += counts_.closed_for_earlier;
  counts.commits += counts_.inserts + counts_.updates;
  counts.measurements += counts_.measurements;
  counts_ = {};
  buckets_->open_buckets->with([&](auto& known) {
    if (known.size() + records_.size() > kMaxOpenBuckets) known.clear();
    for (const auto& [series, record] : records_) known[series] = record;
  });
}

}  // namespace drover::sandbox
