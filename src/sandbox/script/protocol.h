// What a server and its script processes say to each other: one document there, one document back, over a pair of sockets. Both are the
// same program, so there are no versions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace drover::sandbox::script {

// The first argument of the process, which is otherwise the program that starts it; the second is its heap in bytes.
inline constexpr std::string_view kHostArgument = "script-host";
// Its end of the sockets.
inline constexpr int kHostSocket = 3;
// A document of the largest size and what is around it, several times.
inline constexpr std::size_t kMaxMessage = 56 << 20;

// {do: Request, ...}
enum class Request : std::int32_t {
  kBegin,    // {stored: {}, variables: {}}
  kEnd,      // no reply: the operation is over
  kCompile,  // {globals, source}
  kTest,     // {source, document}; {value: bool}
  kCall,     // {globals, source, arguments: []}; {value}
  kFold,     // {globals, source, state, calls: [[]]}; {value}
  kMap,      // {source, documents: []}; {emits: [{k, v}], done}
};
// A failure is {code, message}, with `last: true` when the process ends after it.

}  // namespace drover::sandbox::script
