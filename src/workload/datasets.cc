#include "workload/datasets.h"

#include <fstream>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/decimal.h"
#include "bson/hash.h"
#include "workload/csv_reader.h"
#include "workload/debian_packages.h"
#include "workload/json_items.h"

namespace drover::workload {
namespace {

constexpr std::uint32_t kFirstIdSecond = 1'577'836'800;  // 2020-01-01; each copy has ids of its own second
constexpr std::int64_t kRowsPerCopy = 10'000'000;        // more than any file has

void append_id(bson::Builder& out, const Dataset& dataset, const Json::Object& record, int copy, std::uint32_t row) {
  const std::int64_t number = copy * kRowsPerCopy + row;
  const auto column = [&](std::string_view name) {
    for (const auto& [key, value] : record)
      if (key == name) return value;
    return Json();
  };
  switch (dataset.id) {
    case IdKind::kObjectId: out.append("_id", row_object_id(dataset.ns, copy, row)); return;
    case IdKind::kInt32: out.append("_id", static_cast<std::int32_t>(number)); return;
    case IdKind::kInt64: out.append("_id", number); return;
    case IdKind::kDouble: out.append("_id", static_cast<double>(number) + 0.5); return;
    case IdKind::kDecimal: out.append("_id", bson::decimal_from_int64(number)); return;
    case IdKind::kString: {
      const auto value = column(dataset.id_columns[0]);
      const auto text = value.as_string() ? *value.as_string() : value.dump();
      out.append("_id", copy == 0 ? text : fmt::format("{}#{}", text, copy));
      return;
    }
    case IdKind::kDocument: {
      auto id = out.open_document("_id");
      for (const auto name : dataset.id_columns) append_inferred(id, name, column(name));
      if (copy > 0) id.append("copy", copy);
      return;
    }
  }
}

bson::Document make_row(const Dataset& dataset, const Json::Object& record, int copy, std::uint32_t row) {
  bson::Builder out;
  append_id(out, dataset, record, copy, row);
  append_record(out, record, dataset.rules);
  if (copy > 0) out.append("copy", copy);
  return std::move(out).finish();
}

Status read_json(const Dataset& dataset, std::istream& text, int copy, const DocumentSink& sink) {
  auto items = TRY(JsonItems::open(text, std::string(dataset.items)));
  for (std::uint32_t row = 0;; ++row) {
    const auto item = TRY(items.next());
    if (!item) return {};
    if (const auto* record = item->as_object()) TRY(sink(make_row(dataset, *record, copy, row)));
  }
}

Status read_csv(const Dataset& dataset, std::istream& text, int copy, const DocumentSink& sink) {
  auto reader = TRY(CsvReader::open(text));
  for (std::uint32_t row = 0;; ++row) {
    const auto cells = TRY(reader.next());
    if (!cells) return {};
    TRY(sink(make_row(dataset, record_of_cells(reader.columns(), *cells, dataset.rules), copy, row)));
  }
}

Status missing(const std::string& path) {
  return fail(ErrorCode::kUnsupported,
              fmt::format("reading the data set \"{}\": no such file; run `npm ci` in tools/datasets, or name the "
                          "directory of vega-datasets' files by --datasets", path));
}

}  // namespace

Status find_datasets(const std::string& directory) {
  for (const auto& dataset : datasets()) {
    if (dataset.file.empty()) continue;
    const auto path = fmt::format("{}/{}", directory, dataset.file);
    if (!std::ifstream(path, std::ios::binary)) return missing(path);
  }
  return {};
}

Status read_dataset(const Dataset& dataset, const std::string& directory, int copy, const DocumentSink& sink) {
  if (dataset.file.empty()) return read_debian_packages(copy, sink);
  const auto path = fmt::format("{}/{}", directory, dataset.file);
  std::ifstream text(path, std::ios::binary);
  if (!text) return missing(path);
  const bool csv = dataset.file.ends_with(".csv");
  TRY_WITH(csv ? read_csv(dataset, text, copy, sink) : read_json(dataset, text, copy, sink), path);
  return {};
}

bson::ObjectId row_object_id(const Namespace& ns, int copy, std::uint32_t row) {
  bson::ObjectId id;
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) id.bytes[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  };
  put(0, kFirstIdSecond + static_cast<std::uint32_t>(copy));
  put(4, static_cast<std::uint32_t>(bson::hash64(ns.to_string())));
  put(8, row);
  return id;
}

}  // namespace drover::workload
