// Functions of clients, in JavaScript, as filters and expressions call them. Implemented by commands/script_session; without one the server
// is one whose JavaScript is switched off.
//
// A call belongs to the operation that runs in the calling thread, and ends with it (11601, 50). Errors are the server's: 139 for what a
// function throws.
#pragma once

#include <string_view>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox::query {

class Scripts {
 public:
  virtual ~Scripts() = default;
  // Whether `source`, for $where, is a function, or makes one.
  virtual Status check_predicate(std::string_view source) = 0;
  // $where.
  virtual Result<bool> test(std::string_view source, bson::View document) = 0;
  // {"": result}. `arguments` is an array's bytes.
  virtual Result<bson::Document> call(std::string_view source, bson::View arguments) = 0;
  // source(state, ...arguments) for each of `calls`, an array of arrays, one after the other: {"": the last state}. `state`: {"": state}.
  virtual Result<bson::Document> fold(std::string_view source, bson::View state, bson::View calls) = 0;
};

}  // namespace drover::sandbox::query
