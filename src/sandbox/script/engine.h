// The interpreter: SpiderMonkey in one thread of a process of its own (host_main.h). It compiles and calls functions; what an operation
// leaves behind goes with the global objects that begin() makes anew. Nothing here bounds time or memory: the process is bounded, and ended
// from outside.
//
// Errors carry the server's code: 139 JSInterpreterFailure for what scripts throw ("ReferenceError: x is not defined :\n@:1:15\n").
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox::script {

// Which global object: that of $function and $accumulator, or the one with the functions of system.js ($where, mapReduce).
enum class Globals { kPlain, kStored };

class Engine {
 public:
  // Objects take at most three quarters of `heap_bytes`, which is met as an error; for what lies outside of them the process has its bound.
  // Once in a process.
  static Result<std::unique_ptr<Engine>> start(std::size_t heap_bytes);
  ~Engine();

  // New global objects. `stored`: {name: value, ...} for the second, functions as code; `variables`: for both.
  void begin(bson::View stored, bson::View variables);
  // The global objects are forgotten.
  void end();
  // Frees what no script can reach any more.
  void collect();

  // A function, the body of one, or an expression.
  Status compile(Globals globals, std::string_view source);
  // $where: `this` and `obj` are the document.
  Result<bool> test(std::string_view source, bson::View document);
  // {value: result}. `arguments` is an array's bytes, which stay readable for as long as objects made from them live.
  Result<bson::Document> call(Globals globals, std::string_view source, std::shared_ptr<const std::vector<std::uint8_t>> message, bson::View arguments);
  // Calls source(state, ...arguments) for each item of `calls`, arrays all, and hands the result on as the next state: {value: state}.
  Result<bson::Document> fold(Globals globals, std::string_view source, bson::View state, bson::View calls);
  // For each of `documents`, an array's, in turn with emit(): {emits: [{k, v}, ...], done: how many documents}. Ends early when the emits
  // are many.
  Result<bson::Document> map(std::string_view source, bson::View documents);

 private:
  Engine();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace drover::sandbox::script
