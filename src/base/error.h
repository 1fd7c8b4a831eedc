// The one error type. Expected failures are returned as Result<T>; broken invariants abort (see check.h); differences in
// data are reports, not errors. Context is added on the way up, so that a message says what was being done, on what, why
// it failed and what to do next. Messages never carry documents or credentials.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace drover {

// Who has to act. Each value has one process exit code (blueprint, section 6), see exit_code().
enum class ErrorCode {
  kFailure,      // 1: anything that fits nowhere else
  kUsage,        // 2: the command line
  kUnsupported,  // 3: configuration, or something this version does not carry
  kWrongState,   // 4: the migration or deployment is in another state
  kSource,       // 5: the source deployment
  kDestination,  // 6: the destination deployment
  kMismatch,     // 7: verification found a difference
  kTimedOut,     // 8
  kTemporary,    // 75: try the same again
  kInterrupted,  // 130: stopped by the operator
};

struct Error {
  ErrorCode code = ErrorCode::kFailure;
  std::string message;
  int server_code = 0;              // MongoDB's error code, 0 when the failure is not a server's
  std::vector<std::string> labels;  // MongoDB's errorLabels

  bool has_label(std::string_view label) const;
  // "what: message". The outermost context comes first.
  Error with_context(std::string_view what) &&;
  Error with_code(ErrorCode new_code) &&;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

int exit_code(ErrorCode code);

// return fail(ErrorCode::kSource, "reading {}: ...", ns) is spelled with fmt::format at the call site.
inline tl::unexpected<Error> fail(ErrorCode code, std::string message, int server_code = 0) {
  return tl::unexpected<Error>(Error{code, std::move(message), server_code, {}});
}

namespace detail {
template <typename T>
T take(tl::expected<T, Error>& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace detail

}  // namespace drover

// Unwraps a Result or returns its error from the enclosing function: `const auto reply = TRY(run(command));`
#define TRY(expression)                                                                  \
  ({                                                                                     \
    auto try_result_ = (expression);                                                     \
    if (!try_result_) return ::tl::unexpected(std::move(try_result_).error());           \
    ::drover::detail::take(try_result_);                                                 \
  })

// As TRY, with context in front of the error's message.
#define TRY_WITH(expression, context)                                                                        \
  ({                                                                                                         \
    auto try_result_ = (expression);                                                                         \
    if (!try_result_) return ::tl::unexpected(std::move(try_result_).error().with_context(context));         \
    ::drover::detail::take(try_result_);                                                                     \
  })
