#include "sandbox/script/engine.h"

#include <cstring>
#include <string>
#include <unordered_map>

#include <fmt/format.h>
#include <jsapi.h>
#include <js/CompilationAndEvaluation.h>
#include <js/Conversions.h>
#include <js/ContextOptions.h>
#include <js/ErrorReport.h>
#include <js/Exception.h>
#include <js/GCAPI.h>
#include <js/Initialization.h>
#include <js/PropertyAndElement.h>
#include <js/RealmOptions.h>
#include <js/SourceText.h>
#include <js/String.h>
#include <jsfriendapi.h>
#include <mozilla/Utf8.h>

#include "sandbox/script/prelude.h"
#include "sandbox/script/values.h"

namespace drover::sandbox::script {

using bson::Document;
using bson::Element;
using bson::View;

namespace {

constexpr int kUnknownError = 8;
constexpr int kInterpreterFailure = 139;
constexpr std::size_t kStackBytes = 1 << 20;
constexpr std::uint32_t kNurseryBytes = 4 << 20;
constexpr std::size_t kMaxMessageBytes = 8 << 10;
// One answer to map() has so much, and what the emits of one document come to beyond.
constexpr std::size_t kEmitsOfAnswer = 1 << 20;
constexpr std::size_t kMaxEmits = 32 << 20;

tl::unexpected<Error> failed(int code, std::string message) {
  if (message.size() > kMaxMessageBytes) {
    std::size_t end = kMaxMessageBytes;
    while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
    message.resize(end);
  }
  return fail(ErrorCode::kFailure, std::move(message), code);
}

// A global object and what was compiled in it.
struct World {
  Realm realm;
  std::unordered_map<std::string, std::unique_ptr<JS::PersistentRootedValue>> functions;
  JS::PersistentRootedValue parse;
  bool has_emit = false;
};

struct Emits {
  bson::ArrayBuilder items;
};

// A call, and what it has left to be done: the reactions of its promises.
template <typename Self>
bool run(JSContext* cx, const Self& self, JS::HandleValue function, const JS::HandleValueArray& arguments, JS::MutableHandleValue result) {
  if (JS::Call(cx, self, function, arguments, result)) {
    js::RunJobs(cx);
    return true;
  }
  // None is left for the next call, which may be another operation's.
  JS::AutoSaveExceptionState thrown(cx);
  js::RunJobs(cx);
  thrown.restore();
  return false;
}

}  // namespace

struct Engine::Parts {
  ~Parts() {
    worlds[0].reset();
    worlds[1].reset();
    if (cx != nullptr) JS_DestroyContext(cx);
  }

  Result<std::unique_ptr<World>> make_world();
  bool evaluate(std::string_view source, JS::MutableHandleValue out);
  bool make_function(World& world, std::string_view source, JS::MutableHandleValue out);
  bool find_function(World& world, std::string_view source, JS::MutableHandleValue out);
  bool set_variables(World& world, View variables);
  tl::unexpected<Error> thrown(World& world);
  // Made when it is first used.
  Result<World*> world(Globals globals);
  static bool emit(JSContext* cx, unsigned argc, JS::Value* vp);

  JSContext* cx = nullptr;
  std::unique_ptr<World> worlds[2];
  Document stored, variables;
  std::unique_ptr<Emits> emits;
};

Engine::Engine() : parts_(std::make_unique<Parts>()) {}
Engine::~Engine() {
  parts_.reset();
  JS_ShutDown();
}

Result<std::unique_ptr<Engine>> Engine::start(std::size_t heap_bytes) {
  // Compiled code would be pages that can be written and executed, and memory that nobody counts.
  JS::DisableJitBackend();
  if (!JS_Init()) return failed(kInterpreterFailure, "Failed to initialize the JavaScript engine");
  std::unique_ptr<Engine> engine(new Engine());
  JSContext* cx = engine->parts_->cx = JS_NewContext(static_cast<std::uint32_t>(heap_bytes / 4 * 3));
  if (cx == nullptr) return failed(kInterpreterFailure, "Failed to initialize JSContext");
  JS::ContextOptionsRef(cx).setWasm(false).setAsmJS(false).setAsyncStack(false);
  JS_SetNativeStackQuota(cx, kStackBytes);
  JS_SetGCParameter(cx, JSGC_MAX_NURSERY_BYTES, kNurseryBytes);
  if (!js::UseInternalJobQueues(cx) || !JS::InitSelfHostedCode(cx)) return failed(kInterpreterFailure, "Failed to initialize the JavaScript engine");
  return engine;
}

Result<std::unique_ptr<World>> Engine::Parts::make_world() {
  auto world = std::make_unique<World>();
  JS::RealmOptions options;
  options.creationOptions().setSharedMemoryAndAtomicsEnabled(false);
  JS::RootedObject global(cx, JS_NewGlobalObject(cx, &kGlobalClass, nullptr, JS::FireOnNewGlobalHook, options));
  if (!global) return failed(kInterpreterFailure, "Out of memory while trying to initialize javascript scope");
  JSAutoRealm entered(cx, global);
  JS::SetReservedSlot(global, 0, JS::PrivateValue(&world->realm));
  Realm& realm = world->realm;
  realm.global.init(cx, global);
  for (auto& prototype : realm.prototypes) prototype.init(cx, nullptr);
  realm.db_ref.init(cx, nullptr);
  realm.coded_error.init(cx, JS::UndefinedValue());
  realm.regexp_source.init(cx, JS::UndefinedValue());
  world->parse.init(cx, JS::UndefinedValue());
  realm.make_function = [this, it = world.get()](JSContext*, std::string_view source, JS::MutableHandleValue out) { return make_function(*it, source, out); };

  // The prelude is one function: (intrinsics) => {prototypes, dbRef, regexpSource, asFunction}.
  JS::RootedValue prelude(cx), made(cx);
  JS::RootedObject intrinsics(cx, make_intrinsics(cx));
  const bool ready = JS::InitRealmStandardClasses(cx) && JS_InitReflectParse(cx, global) && intrinsics && evaluate(kPrelude, &prelude);
  if (!ready) return thrown(*world);
  JS::RootedValueArray<1> arguments(cx);
  arguments[0].setObject(*intrinsics);
  if (!JS::Call(cx, global, prelude, arguments, &made) || !made.isObject()) return thrown(*world);
  JS::RootedObject parts(cx, &made.toObject());
  JS::RootedValue value(cx), item(cx);
  if (!JS_GetProperty(cx, parts, "asFunction", &value)) return thrown(*world);
  world->parse = value;
  if (!JS_GetProperty(cx, parts, "regexpSource", &value)) return thrown(*world);
  realm.regexp_source = value;
  if (!JS_GetProperty(cx, parts, "dbRef", &value) || !value.isObject()) return thrown(*world);
  realm.db_ref = &value.toObject();
  if (!JS_GetProperty(cx, parts, "prototypes", &value) || !value.isObject()) return thrown(*world);
  JS::RootedObject prototypes(cx, &value.toObject());
  for (int i = 0; i < kKinds; ++i) {
    if (!JS_GetElement(cx, prototypes, static_cast<std::uint32_t>(i), &item) || !item.isObject()) return thrown(*world);
    realm.prototypes[i] = &item.toObject();
  }
  return world;
}

Result<World*> Engine::Parts::world(Globals globals) {
  auto& world = worlds[static_cast<int>(globals)];
  if (world) return world.get();
  auto made = TRY(make_world());
  JSAutoRealm entered(cx, made->realm.global);
  if (globals == Globals::kStored && !set_variables(*made, stored)) return thrown(*made);
  if (!set_variables(*made, variables)) return thrown(*made);
  world = std::move(made);
  return world.get();
}

void Engine::begin(View stored, View variables) {
  for (auto& world : parts_->worlds) world.reset();
  parts_->stored = Document(stored);
  parts_->variables = Document(variables);
}

void Engine::end() {
  begin(View(), View());
  collect();
}

void Engine::collect() { JS_GC(parts_->cx); }

bool Engine::Parts::set_variables(World& world, View variables) {
  JS::RootedObject global(cx, world.realm.global);
  JS::RootedValue value(cx), name(cx);
  JS::RootedId id(cx);
  for (const Element& variable : variables) {
    if (!to_js(cx, variable, nullptr, &value) || !string_to_js(cx, variable.key(), &name)) return false;
    JS::RootedString key(cx, name.toString());
    if (!JS_StringToId(cx, key, &id) || !JS_SetPropertyById(cx, global, id, value)) return false;
  }
  return true;
}

bool Engine::Parts::evaluate(std::string_view source, JS::MutableHandleValue out) {
  JS::CompileOptions options(cx);
  options.setFileAndLine("", 1);
  JS::SourceText<mozilla::Utf8Unit> text;
  return text.init(cx, source.data(), source.size(), JS::SourceOwnership::Borrowed) && JS::Evaluate(cx, options, text, out);
}

bool Engine::Parts::make_function(World& world, std::string_view source, JS::MutableHandleValue out) {
  JS::RootedValueArray<1> arguments(cx);
  JS::RootedValue form(cx);
  if (!string_to_js(cx, source, arguments[0])) return false;
  if (!JS::Call(cx, JS::UndefinedHandleValue, world.parse, arguments, &form)) return false;
  std::string text;
  if (!shown(cx, form, text)) return false;
  if (!evaluate("(" + text + ")", out)) return false;
  if (out.isObject() && JS_ObjectIsFunction(&out.toObject())) return true;
  return throw_coded(cx, 10232, "not a function");
}

bool Engine::Parts::find_function(World& world, std::string_view source, JS::MutableHandleValue out) {
  auto found = world.functions.find(std::string(source));
  if (found == world.functions.end()) {
    JS::RootedValue made(cx);
    if (!make_function(world, source, &made)) return false;
    found = world.functions.emplace(source, std::make_unique<JS::PersistentRootedValue>(cx, made)).first;
  }
  out.set(*found->second);
  return true;
}

tl::unexpected<Error> Engine::Parts::thrown(World& world) {
  const bool out_of_memory = JS_IsThrowingOutOfMemory(cx);
  JS::ExceptionStack exception(cx);
  if (!JS_IsExceptionPending(cx) || !JS::StealPendingExceptionStack(cx, &exception)) {
    JS_ClearPendingException(cx);
    return failed(kUnknownError, "Unknown Failure from JSInterpreter");
  }
  JS::RootedValue value(cx, exception.exception());
  std::string text;
  const auto quietly = [&](bool done) {
    if (!done) {
      JS_ClearPendingException(cx);
      text = "unknown";
    }
    return text;
  };
  if (out_of_memory) return failed(kInterpreterFailure, "Out of memory");
  if (!value.isObject()) {
    if (value.isSymbol()) return failed(kUnknownError, "uncaught exception: Symbol");
    return failed(kUnknownError, "uncaught exception: " + quietly(shown(cx, value, text)));
  }
  JS::RootedObject object(cx, &value.toObject());
  JSErrorReport* report = JS_ErrorFromException(cx, object);
  std::string stack;
  if (report != nullptr) {
    if (JSObject* saved = JS::ExceptionStackOrNull(object)) {
      JS::RootedObject frames(cx, saved);
      JS::RootedString built(cx);
      if (!JS::BuildStackString(cx, nullptr, frames, &built) || !string_from_js(cx, built, stack)) JS_ClearPendingException(cx);
    }
  }
  if (world.realm.code != 0 && world.realm.coded_error.isObject() && &world.realm.coded_error.toObject() == object) {
    return failed(world.realm.code, world.realm.message + (stack.empty() ? "" : " :\n" + stack));
  }
  if (report != nullptr) {
    JS::ErrorReportBuilder described(cx);
    std::string message = "Unknown Failure from JSInterpreter";
    if (described.init(cx, exception, JS::ErrorReportBuilder::NoSideEffects) && described.toStringResult()) message = described.toStringResult().c_str();
    JS_ClearPendingException(cx);
    if (stack.empty()) stack = fmt::format("@{}:{}:{}\n", report->filename ? report->filename : "", report->lineno, report->column);
    return failed(kInterpreterFailure, message + " :\n" + stack);
  }
  JS::RootedValue member(cx);
  const std::string what = quietly(shown(cx, value, text));
  if (!JS_GetProperty(cx, object, "stack", &member) || !shown(cx, member, stack)) {
    JS_ClearPendingException(cx);
    stack.clear();
  }
  return failed(kInterpreterFailure, "uncaught exception: " + what + " :\n" + stack);
}

Status Engine::compile(Globals globals, std::string_view source) {
  World& world = *TRY(parts_->world(globals));
  JSAutoRealm entered(parts_->cx, world.realm.global);
  JS::RootedValue function(parts_->cx);
  if (!parts_->find_function(world, source, &function)) return parts_->thrown(world);
  return {};
}

Result<bool> Engine::test(std::string_view source, View document) {
  JSContext* cx = parts_->cx;
  World& world = *TRY(parts_->world(Globals::kStored));
  JSAutoRealm entered(cx, world.realm.global);
  JS::RootedObject global(cx, world.realm.global);
  JS::RootedValue function(cx), self(cx), result(cx);
  const bool done = parts_->find_function(world, source, &function) && document_to_js(cx, document, nullptr, &self) &&
                    JS_SetProperty(cx, global, "obj", self) && run(cx, self, function, JS::HandleValueArray::empty(), &result);
  if (!done) return parts_->thrown(world);
  return JS::ToBoolean(result);
}

namespace {

// {value: result}. No value is null to the server.
bool put_result(JSContext* cx, JS::HandleValue result, bson::Builder& out) {
  JS::RootedValue value(cx, result.isUndefined() ? JS::NullValue() : result.get());
  return from_js(cx, value, out, "value", true);
}

bool all_to_js(JSContext* cx, View items, const Bytes& bytes, JS::RootedValueVector& out) {
  JS::RootedValue value(cx);
  for (const Element& item : items) {
    if (!to_js(cx, item, bytes, &value) || !out.append(value)) return false;
  }
  return true;
}

}  // namespace

Result<Document> Engine::call(Globals globals, std::string_view source, Bytes message, View arguments) {
  JSContext* cx = parts_->cx;
  World& world = *TRY(parts_->world(globals));
  JSAutoRealm entered(cx, world.realm.global);
  JS::RootedObject self(cx, JS_NewPlainObject(cx));
  JS::RootedValue function(cx), result(cx);
  JS::RootedValueVector values(cx);
  bson::Builder out;
  const bool done = self && parts_->find_function(world, source, &function) && all_to_js(cx, arguments, message, values) &&
                    run(cx, self, function, values, &result) && put_result(cx, result, out);
  if (!done) {
    out.close();
    return parts_->thrown(world);
  }
  return std::move(out).finish();
}

Result<Document> Engine::fold(Globals globals, std::string_view source, View state, View calls) {
  JSContext* cx = parts_->cx;
  World& world = *TRY(parts_->world(globals));
  JSAutoRealm entered(cx, world.realm.global);
  JS::RootedObject self(cx, JS_NewPlainObject(cx));
  JS::RootedValue function(cx), result(cx);
  bool done = self && parts_->find_function(world, source, &function) && to_js(cx, state.first(), nullptr, &result);
  for (const Element& arguments : calls) {
    JS::RootedValueVector values(cx);
    done = done && values.append(result) && all_to_js(cx, arguments.document_value(), nullptr, values) && run(cx, self, function, values, &result);
    if (!done) break;
  }
  bson::Builder out;
  if (!done || !put_result(cx, result, out)) {
    out.close();
    return parts_->thrown(world);
  }
  return std::move(out).finish();
}

bool Engine::Parts::emit(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  if (args.length() != 2) return throw_coded(cx, 31220, "emit takes 2 args");
  auto& parts = *static_cast<Parts*>(JS_GetContextPrivate(cx));
  if (!parts.emits) return throw_coded(cx, 31220, "emit is for map functions");
  JS::RootedValue key(cx, args[0].isUndefined() ? JS::NullValue() : args[0].get());
  bson::Builder pair;
  if (!from_js(cx, key, pair, "k", false) || !from_js(cx, args[1], pair, "v", false)) {
    pair.close();
    return false;
  }
  parts.emits->items.append(std::move(pair).finish());
  if (parts.emits->items.size() > kMaxEmits) {
    return throw_coded(cx, 31292, fmt::format("Size of emitted values exceeds the set size limit of {} bytes", kMaxEmits));
  }
  args.rval().setUndefined();
  return true;
}

Result<Document> Engine::map(std::string_view source, View documents) {
  JSContext* cx = parts_->cx;
  World& world = *TRY(parts_->world(Globals::kStored));
  JSAutoRealm entered(cx, world.realm.global);
  JS::RootedObject global(cx, world.realm.global);
  JS_SetContextPrivate(cx, parts_.get());
  if (!world.has_emit && !JS_DefineFunction(cx, global, "emit", Parts::emit, 2, JSPROP_ENUMERATE)) return parts_->thrown(world);
  world.has_emit = true;
  parts_->emits = std::make_unique<Emits>();
  JS::RootedValue function(cx), self(cx), result(cx);
  int count = 0;
  bool done = parts_->find_function(world, source, &function);
  for (const Element& document : documents) {
    done = done && document_to_js(cx, document.document_value(), nullptr, &self) && run(cx, self, function, JS::HandleValueArray::empty(), &result);
    if (!done) break;
    ++count;
    if (parts_->emits->items.size() > kEmitsOfAnswer) break;
  }
  const auto emits = std::move(parts_->emits->items).finish();
  parts_->emits.reset();
  if (!done) return parts_->thrown(world);
  return bson::make_document({{"emits", bson::ArrayView{emits.view()}}, {"done", count}});
}

}  // namespace drover::sandbox::script
