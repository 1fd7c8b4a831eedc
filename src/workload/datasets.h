// The real data that the demo and the benchmarks load: what files there are, and what each becomes. The files come from
// the npm package vega-datasets (tools/datasets), the packages from this machine's own package index when it is a Debian.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "model/namespace.h"
#include "workload/record.h"

namespace drover::workload {

enum class IdKind {
  kObjectId,  // derived from data set, row and copy
  kString,    // a column
  kDocument,  // several columns, in their order
  kInt32,     // row numbers
  kInt64,
  kDouble,
  kDecimal,
};

struct Dataset {
  std::string_view file;   // ".json" or ".csv", in the package's data directory; empty: the package index
  std::string_view items;  // the array's field in a JSON file that is not itself an array
  Namespace ns;
  IdKind id = IdKind::kObjectId;
  std::vector<std::string_view> id_columns;
  std::vector<FieldRule> rules;
  std::vector<std::string_view> indexes;  // extended JSON of createIndexes' entries
};

const std::vector<Dataset>& datasets();

// An error that says what to do when a file is missing, before anything depends on it.
Status find_datasets(const std::string& directory);

// One document at a time; an error ends the reading and is returned.
using DocumentSink = std::function<Status(bson::Document)>;

// Reads the file once and gives copy number `copy` (0 first) of every record: the same content under other _ids, marked
// {copy: n} from 1 on. The same documents every time.
Status read_dataset(const Dataset& dataset, const std::string& directory, int copy, const DocumentSink& sink);

// The _id that read_dataset gives to a row of a data set with IdKind::kObjectId.
bson::ObjectId row_object_id(const Namespace& ns, int copy, std::uint32_t row);

}  // namespace drover::workload
