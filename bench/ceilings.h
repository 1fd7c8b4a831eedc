// What the servers and the driver can do by themselves, measured in the same run: nothing that moves data between them can
// be faster. Each loop is as plain as it can be.
#pragma once

#include <string>

#include "base/error.h"
#include "shape.h"

namespace drover::bench {

// Seconds that the statements took, over kCopyThreads connections; building the batches is not counted.
Result<double> insert_all(const std::string& uri, const std::string& db, const Shape& shape);
// Seconds to read everything and discard it, over kCopyThreads connections with an _id range each.
Result<double> scan_all(const std::string& uri, const Shape& shape);
// Seconds for both at once: what a copy can reach whose source and destination share the machine.
Result<double> scan_and_insert_all(const std::string& source, const std::string& destination, const std::string& db, const Shape& shape);
// Seconds for `documents` documents, each read on the source by _id in batches and replaced on the destination in batches,
// over kApplyThreads connections: what applying by state cannot do without.
Result<double> replace_all(const std::string& source, const std::string& destination, const Shape& shape, std::int64_t documents);
// {$set: {n: ...}} for documents [0, documents) of insert_all, each once, each to a value that it did not have.
Status update_all(const std::string& uri, const std::string& db, const Shape& shape, std::int64_t documents);
Status drop_database(const std::string& uri, const std::string& db);

}  // namespace drover::bench
