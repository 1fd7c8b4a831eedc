// What the standard input answers to `drover sync`'s question.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

namespace drover::cli {

// Of a terminal: waits for a line and takes it. Nothing: the end of input, or `stop`.
std::optional<std::string> answer_of_person(const std::stop_token& stop);

// Of anything else: the first line that stands there within `patience`, whole or not, at most 64 bytes of it. It is looked
// at and not taken, since it may be meant for somebody else (`while read host; do drover sync ...; done < hosts`).
// Nothing: there is none (an empty file, /dev/null, a pipe that stays silent), or `stop`.
std::optional<std::string> answer_in_sight(std::chrono::milliseconds patience, const std::stop_token& stop);

}  // namespace drover::cli
