// What an operator must know of a migration that does not go on by itself: its host is silent, or it waits for the host to stop it.
#pragma once

#include <optional>
#include <string>

#include "control/links.h"
#include "control/live_import.h"

namespace drover::control {

// When a stop that its host does not confirm is given up.
std::optional<std::int64_t> stop_given_up_at(const LiveImport& import);

// In sentences: what it waits for, since when, what to do. Empty: it goes on. `link`: as it is now; nothing when it was deleted.
std::string attention_of(const LiveImport& import, const std::optional<Link>& link, std::int64_t now_millis);

}  // namespace drover::control
