#include "sandbox/commands/collection_options.h"

#include <algorithm>

#include "bson/builder.h"

namespace drover::sandbox {

bson::Document canonical_options(bson::View options) {
  static constexpr std::string_view kOrder[] = {"capped", "size", "max", "autoIndexId", "temp", "recordPreImages", "changeStreamPreAndPostImages",
                                                "storageEngine", "validator", "validationLevel", "validationAction", "indexOptionDefaults",
                                                "viewOn", "pipeline", "collation"};
  bson::Builder out;
  for (const auto name : kOrder) {
    if (const auto option = options[name]) out.append_raw(option);
  }
  for (const auto& option : options) {
    if (std::find(std::begin(kOrder), std::end(kOrder), option.key()) == std::end(kOrder)) out.append_raw(option);
  }
  return std::move(out).finish();
}

}  // namespace drover::sandbox
