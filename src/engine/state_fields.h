// Fields of the migration's own documents on the destination, which somebody may have edited, or brought back in part from a backup.
// One that is missing or of another type is an error (kWrongState) that names it: never a crash, and never a guess, for what is
// guessed wrong here is copied, replayed or dropped wrongly.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/uuid.h"
#include "bson/document.h"
#include "model/change_event.h"

namespace drover::engine {

class StateFields {
 public:
  // Both outlive this.
  StateFields(std::string_view collection, bson::View document) : collection_(collection), document_(document) {}

  Result<std::string> text(std::string_view name) const;
  Result<std::string> one_of(std::string_view name, std::initializer_list<std::string_view> values) const;
  Result<ClusterTime> time(std::string_view name) const;
  Result<Uuid> uuid(std::string_view name) const;
  Result<std::int64_t> number(std::string_view name) const;  // a whole one, and there is one after it
  Result<bool> flag(std::string_view name) const;
  Result<bson::View> array(std::string_view name) const;
  // Absent: not set, none. There: of that type.
  Result<bool> flag_if_there(std::string_view name) const;
  Result<std::vector<std::string>> texts_if_there(std::string_view name) const;
  // A document that is kept as binary data, whose structure is checked.
  Result<bson::Document> packed(const bson::Element& field, std::string_view name) const;

 private:
  tl::unexpected<Error> wrong(std::string_view name, std::string_view wanted) const;

  std::string_view collection_;
  bson::View document_;
};

}  // namespace drover::engine
