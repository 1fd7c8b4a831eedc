// The process's own memory, as the system counts it, and the C library's allocator. For processes that promise to stay
// within a bound. Thread-safe.
#pragma once

#include <cstddef>

namespace drover {

// Resident pages, mapped files (the program) included; 0 when the system does not say.
std::size_t resident_bytes();

// Before any thread is made: few arenas, so that what one thread frees another can use; and large blocks are mapped by
// themselves, so that they are given back at once.
void bound_allocator();

// Gives pages that hold nothing back to the system. Takes milliseconds for each 100 MB in use.
void give_back_free_memory();

}  // namespace drover
