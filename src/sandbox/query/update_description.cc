// What a change stream says of an update, read from its oplog entry.
#include "bson/builder.h"
#include "sandbox/query/oplog_diff.h"
#include "sandbox/query/path.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::View;

namespace {

struct Component {
  std::string name;
  bool is_index = false;
};

class Describer {
 public:
  bson::Builder updated;
  bson::ArrayBuilder removed;
  bson::ArrayBuilder truncated;
  bson::Builder ambiguous;

  void document(View diff) {
    for (const char* section : {"u", "i"}) {
      for (const Element& field : diff[section].to_document().value_or(View())) {
        updated.append(noted(field.key(), false), field);
      }
    }
    for (const Element& field : diff["d"].to_document().value_or(View())) {
      removed.append(noted(field.key(), false));
    }
    for (const Element& field : diff) {
      if (field.key().size() > 1 && field.key()[0] == 's' && field.is_document())
        below(field.key().substr(1), false, field.document_value());
    }
  }

  void v1(View oplog_object) {
    for (const Element& field : oplog_object["$set"].to_document().value_or(View())) updated.append_raw(field);
    for (const Element& field : oplog_object["$unset"].to_document().value_or(View())) removed.append(field.key());
  }

 private:
  void below(std::string_view name, bool is_index, View diff) {
    path_.push_back({std::string(name), is_index});
    if (diff["a"]) {
      array(diff);
    } else {
      document(diff);
    }
    path_.pop_back();
  }

  void array(View diff) {
    if (const Element length = diff["l"]) {
      auto entry = truncated.open_document();
      entry.append("field", noted_path()).append("newSize", length);
    }
    for (const Element& item : diff) {
      if (item.key().size() < 2) continue;
      const std::string_view index = item.key().substr(1);
      if (item.key()[0] == 'u') updated.append(noted(index, true), item);
      if (item.key()[0] == 's' && item.is_document()) below(index, true, item.document_value());
    }
  }

  // The dotted path of `name` below the current one; remembered when the dots do not say what it means.
  std::string noted(std::string_view name, bool is_index) {
    path_.push_back({std::string(name), is_index});
    auto text = noted_path();
    path_.pop_back();
    return text;
  }

  // Unclear is a name with a dot in it, and a name of digits that is no index; at the top there are no indexes.
  std::string noted_path() {
    std::string text;
    bool unclear = false;
    for (const auto& part : path_) {
      const bool top = &part == &path_.front();
      text += (top ? "" : ".") + part.name;
      if (part.is_index) continue;
      unclear |= part.name.find('.') != std::string::npos || (!top && is_array_index(part.name));
    }
    if (!unclear) return text;
    auto parts = ambiguous.open_array(text);
    for (const auto& part : path_) {
      if (part.is_index) {
        parts.append(static_cast<std::int32_t>(*array_index(part.name)));
      } else {
        parts.append(part.name);
      }
    }
    return text;
  }

  std::vector<Component> path_;
};

}  // namespace

Document update_description(View oplog_object, const UpdateDescriptionOptions& options) {
  Describer describer;
  if (const auto diff = oplog_object["diff"].to_document()) {
    describer.document(*diff);
  } else {
    describer.v1(oplog_object);
  }
  bson::Builder out;
  out.append("updatedFields", std::move(describer.updated).finish());
  out.append("removedFields", bson::ArrayView{std::move(describer.removed).finish().view()});
  if (options.truncated_arrays)
    out.append("truncatedArrays", bson::ArrayView{std::move(describer.truncated).finish().view()});
  if (options.disambiguated_paths) out.append("disambiguatedPaths", std::move(describer.ambiguous).finish());
  return std::move(out).finish();
}

}  // namespace drover::sandbox::query
