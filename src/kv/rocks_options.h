// How RocksDB is set up. For the kv module alone.
#pragma once

#include <memory>

#include <rocksdb/options.h>
#include <rocksdb/table_properties.h>

#include "kv/store.h"

namespace drover::kv {

// A user property of every file: which key is its first.
inline constexpr const char* kFirstKeyProperty = "drover.first-key";

std::shared_ptr<rocksdb::Cache> make_cache(std::size_t bytes);

rocksdb::Options database_options(const Options& options, const std::shared_ptr<rocksdb::Cache>& cache);

enum class Reading { kOneByOne, kInOrder };
rocksdb::ColumnFamilyOptions family_options(const Options& options, const std::shared_ptr<rocksdb::Cache>& cache, Reading reading);

}  // namespace drover::kv
