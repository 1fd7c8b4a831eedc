// Pre-images of change streams live as long as the oplog that they belong to, or as changeStreamOptions says.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>

#include "sandbox/commands/command.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

// As the server's expiredChangeStreamPreImageRemovalJobSleepSecs.
inline constexpr std::chrono::seconds kPreImageRemovalInterval{10};

// preAndPostImages.expireAfterSeconds; nothing when it is "off".
Result<std::optional<std::chrono::seconds>> pre_image_lifetime(const Reader& reader);
// Removes those whose entry the oplog has lost, and those that are older than their lifetime. Running it twice removes
// nothing more.
Status delete_expired_images(Services& services, const std::stop_token& stop);

}  // namespace drover::sandbox
