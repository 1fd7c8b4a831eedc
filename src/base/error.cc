#include "base/error.h"

#include <algorithm>

namespace drover {

bool Error::has_label(std::string_view label) const {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

Error Error::with_context(std::string_view what) && {
  message = std::string(what) + ": " + message;
  return std::move(*this);
}

Error Error::with_code(ErrorCode new_code) && {
  code = new_code;
  return std::move(*this);
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFailure: return 1;
    case ErrorCode::kUsage: return 2;
    case ErrorCode::kUnsupported: return 3;
    case ErrorCode::kWrongState: return 4;
    case ErrorCode::kSource: return 5;
    case ErrorCode::kDestination: return 6;
    case ErrorCode::kMismatch: return 7;
    case ErrorCode::kTimedOut: return 8;
    case ErrorCode::kTemporary: return 75;
    case ErrorCode::kInterrupted: return 130;
  }
  return 1;
}

}  // namespace drover
