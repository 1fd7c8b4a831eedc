// Time-series collections (5.0+): a view X over the buckets in system.buckets.X. What is asked of X about its definition
// and indexes is said of the buckets, in their terms. Source: MongoDB's src/mongo/db/timeseries/README.md.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/commands/support.h"
#include "sandbox/commands/timeseries_bucket.h"

namespace drover::sandbox {

inline constexpr std::string_view kBucketsPrefix = "system.buckets.";

// `timeseries` of create, checked and completed as listCollections shows it.
Result<bson::Document> timeseries_option(const CommandContext& context, const bson::Element& option);
// The buckets' collection, the view over it, and from 6.3 on the index that the server makes.
Status create_timeseries(CommandContext& context, WriteUnit& unit, const Namespace& ns, bson::View timeseries, const bson::Element& expire_after);

// {viewOn, pipeline} of the view over the buckets.
bson::Document timeseries_view(const Namespace& ns, bson::View timeseries);
// The stored option as collMod's `timeseries` changes it: buckets may only come to span more. 72 for what goes back; the option itself
// when nothing changes.
Result<bson::Document> changed_timeseries(const CommandContext& context, bson::View stored, const bson::Element& change);

// The key of an index on X in terms of buckets, and back. 72 for what cannot be indexed.
Result<bson::Document> bucket_index(const CommandContext& context, const TimeseriesOptions& options, bson::View spec);
bson::Document measurement_index(const TimeseriesOptions& options, bson::View spec);

// {"": hint}: what a hint says of X, said of the buckets. A name, $natural and a key that no index can have stay as they are.
bson::Document bucket_hint(const CommandContext& context, const TimeseriesOptions& options, const bson::Element& hint);

// A filter on the series alone, in terms of buckets. 72 when it asks for anything else.
Result<bson::Document> bucket_filter(const TimeseriesOptions& options, bson::View filter);
// {u: ...}: operators that change the series alone, in terms of buckets. 72 for any other update.
Result<bson::Document> bucket_change(const TimeseriesOptions& options, const bson::Element& update);
// What a filter on measurements says at its top of the series, in terms of buckets: no bucket beyond it has a measurement that matches.
bson::Document series_part(const TimeseriesOptions& options, bson::View filter);
std::int64_t measurements_in(const TimeseriesOptions& options, bson::View bucket);

// How an update or delete that only collections can have is refused on a view: 166, or 72 for a time-series collection.
tl::unexpected<Error> refuse_on_view(const CollectionInfo& view, std::string_view what);

}  // namespace drover::sandbox
