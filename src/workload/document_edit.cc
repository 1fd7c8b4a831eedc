#include "workload/document_edit.h"

#include <algorithm>

namespace drover::workload {

bson::Document with_field(bson::View document, std::string_view name, const bson::Value& value) {
  bson::Builder out;
  bool found = false;
  for (const auto& field : document) {
    if (field.key() == name) out.append(name, value);
    else out.append_raw(field);
    found = found || field.key() == name;
  }
  if (!found) out.append(name, value);
  return std::move(out).finish();
}

bson::Document without_field(bson::View document, std::string_view name) {
  bson::Builder out;
  for (const auto& field : document)
    if (field.key() != name) out.append_raw(field);
  return std::move(out).finish();
}

bson::Document with_pushed(bson::View document, std::string_view name, const std::vector<bson::Value>& items,
                           std::size_t keep_last) {
  std::vector<bson::Element> all;
  if (const auto old = document[name].to_array()) all.assign(old->begin(), old->end());
  for (const auto& item : items) all.push_back(item.element());
  const auto drop = keep_last == 0 || all.size() <= keep_last ? 0 : all.size() - keep_last;
  bson::ArrayBuilder array;
  for (auto i = drop; i < all.size(); ++i) array.append(all[i]);
  const auto bytes = std::move(array).finish();
  return with_field(document, name, make_value(bson::ArrayView{bytes.view()}));
}

bson::Document with_fields_rotated(bson::View document) {
  std::vector<bson::Element> fields(document.begin(), document.end());
  if (fields.size() > 3) std::rotate(fields.begin() + 2, fields.begin() + 3, fields.end());
  bson::Builder out;
  for (const auto& field : fields) out.append_raw(field);
  return std::move(out).finish();
}

}  // namespace drover::workload
