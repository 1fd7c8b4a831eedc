// A collection's options: what create and collMod share.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

// In the order in which the server gives them, whatever the order of the command was.
bson::Document canonical_options(bson::View options);
// changeStreamPreAndPostImages as `create` or `collMod` has it: {enabled: <bool>}, and not in the server's own databases.
Status check_image_option(const CommandContext& context, const bson::Element& option);

// `size` and `max` of a capped collection as the server keeps them: whole pieces of 256 bytes up to 6.1, as given since; no `max`, or
// one that says so, is the largest.
void append_capped_size(const CommandContext& context, bson::Builder& out, std::int64_t size);
void append_capped_max(bson::Builder& out, std::int64_t max);

// How many seconds documents of a clustered collection live, and buckets: 72 for a number below 0, or one that leads beyond 1970.
Result<std::int64_t> clustered_expiry(const CommandContext& context, const bson::Element& seconds);

// 7.0+: `create` of what is there already is fine when it is the same; else 48, which says what differs.
Status check_same_collection(const CollectionInfo& there, bson::View options);
Status check_same_view(const CollectionInfo& there, std::string_view on, bson::View pipeline, const bson::Collator* collator);
// storageEngine of a collection or an index: {wiredTiger: {...}}, which means nothing here; 72 for an engine that no server has.
Status check_storage_engine(bson::View engines);

}  // namespace drover::sandbox
