// $_internalUnpackBucket: the measurements of a time-series collection from its buckets, as the stages of its view have
// it. Buckets of version 1; BSON columns (versions 2 and 3) are refused.
#include <vector>

#include <fmt/core.h>

#include "sandbox/query/bucket_walk.h"
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

class UnpackSource final : public MappedSource {
 public:
  UnpackSource(DocumentSourcePtr input, Fields fields) : MappedSource(std::move(input)), fields_(std::move(fields)) {}

  Result<std::optional<Document>> next() override {
    for (;;) {
      if (walk_) {
        if (auto measurement = walk_->next()) return std::optional(std::move(*measurement));
      }
      auto bucket = TRY(input_->next());
      if (!bucket) return std::optional<Document>();
      bucket_ = std::move(*bucket);
      walk_ = TRY(BucketWalk::over(bucket_, fields_.time, fields_.meta));
    }
  }

 private:
  const Fields fields_;
  Document bucket_;
  std::optional<BucketWalk> walk_;  // of bucket_
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
