// $_internalUnpackBucket: the measurements of a time-series collection from its buckets, as the stages of its view have
// it. Buckets of version 1; BSON columns (versions 2 and 3) are refused. Source: MongoDB's bucket_unpacker.cpp.
#include <vector>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/query/stage.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::View;

namespace {

struct Fields {
  std::string time;
  std::string meta;  // empty: none
};

// A column of a bucket: {"0": value, "3": value}, with holes.
struct Column {
  Element field;
  View::Iterator at, end;
};

class UnpackSource final : public MappedSource {
 public:
  UnpackSource(DocumentSourcePtr input, Fields fields) : MappedSource(std::move(input)), fields_(std::move(fields)) {}

  Result<std::optional<Document>> next() override {
    for (;;) {
      if (auto measurement = next_of_bucket()) return std::optional(std::move(*measurement));
      auto bucket = TRY(input_->next());
      if (!bucket) return std::optional<Document>();
      TRY(open(std::move(*bucket)));
    }
  }

 private:
  Status open(Document bucket) {
    const auto version = bucket.view().at_path("control.version").to_int64().value_or(0);
    if (version != 1) {
      return bad(5346500, fmt::format("a bucket of version {} is compressed, which this server does not read", version));
    }
    bucket_ = std::move(bucket);
    columns_.clear();
    time_ = Column{};
    for (const Element& field : bucket_.view()["data"].to_document().value_or(View())) {
      if (!field.is_document()) continue;
      const auto values = field.document_value();
      Column column{field, values.begin(), values.end()};
      if (field.key() == fields_.time) time_ = column;
      else columns_.push_back(column);
    }
    return {};
  }

  // Every measurement has a time: its column says how many there are.
  std::optional<Document> next_of_bucket() {
    if (!time_.field.exists() || !(time_.at != time_.end)) return std::nullopt;
    const Element time = *time_.at;
    ++time_.at;
    bson::Builder out;
    out.append(fields_.time, time);
    if (const auto meta = bucket_.view()["meta"]; meta.exists() && !fields_.meta.empty()) out.append(fields_.meta, meta);
    for (auto& column : columns_) {
      if (!(column.at != column.end)) continue;
      const Element value = *column.at;
      if (value.key() != time.key()) continue;
      out.append(column.field.key(), value);
      ++column.at;
    }
    return std::move(out).finish();
  }

  const Fields fields_;
  Document bucket_;
  Column time_;
  std::vector<Column> columns_;
};

class UnpackStage final : public Stage {
 public:
  explicit UnpackStage(Fields fields) : fields_(std::move(fields)) {}
  DocumentSourcePtr over(DocumentSourcePtr input) const override { return std::make_unique<UnpackSource>(std::move(input), fields_); }

 private:
  Fields fields_;
};

Result<std::vector<StagePtr>> parse_unpack(const Element& argument, const PipelineContext&) {
  if (!argument.is_document()) {
    return bad(5346500, fmt::format("$_internalUnpackBucket specification must be an object, got: {}", bson::type_name(argument.type())));
  }
  const auto spec = argument.document_value();
  const auto time = spec["timeField"].to_string_view();
  if (!time) return bad(5346508, "The $_internalUnpackBucket stage requires a timeField parameter");
  auto stage = std::make_shared<UnpackStage>(Fields{std::string(*time), std::string(spec["metaField"].to_string_view().value_or(""))});
  return std::vector<StagePtr>{std::move(stage)};
}

constexpr StageRow kRows[] = {{"$_internalUnpackBucket", parse_unpack, ServerVersion{5, 0, 0}}};

}  // namespace

std::span<const StageRow> bucket_stages() { return kRows; }

}  // namespace drover::sandbox::query
