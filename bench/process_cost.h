// What a process has cost so far, from /proc.
#pragma once

#include <cstdint>

#include <sys/types.h>

namespace drover::bench {

double core_seconds(pid_t pid);             // user and system; 0 when it is gone
std::int64_t peak_memory_bytes(pid_t pid);  // of resident pages

}  // namespace drover::bench
