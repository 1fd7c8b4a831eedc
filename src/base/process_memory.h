// The process's own memory, as the system counts it, and the C library's allocator. For processes that promise to stay
// within a bound. Thread-safe.
#pragma once

#include <cstddef>

namespace drover {

// Resident pages, mapped files (the program) included; 0 when the system does not say.
std::size_t resident_bytes();

// For every process that moves messages of megabytes on many threads, best before any thread is made; again is harmless. Few
// arenas, so that what one thread frees another can use. Blocks of more than 8 MB are mapped by themselves and given back at
// once; smaller ones, as ordinary batches and replies are, are used again.
void bound_allocator();

// Gives pages that hold nothing back to the system. Takes milliseconds for each 100 MB in use.
void give_back_free_memory();

}  // namespace drover
