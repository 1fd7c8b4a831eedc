#include "sandbox/commands/script_session.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/support.h"
#include "sandbox/script/protocol.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

using bson::Document;
using bson::View;
using script::Request;

namespace {

constexpr Duration kLongestCall = std::chrono::seconds(60);
constexpr Duration kLongestInUnit = std::chrono::seconds(2);
constexpr std::size_t kMaxStoredBytes = 8 << 20;

thread_local ScriptOperation* running = nullptr;

std::int32_t number(Request what) { return static_cast<std::int32_t>(what); }

// {value: x} as {"": x}. Every reply to a call has one (script/reply.h).
Document value_of(const Document& reply) {
  bson::Builder out;
  out.append("", reply["value"]);
  return std::move(out).finish();
}

// Functions of $where and mapReduce see those of system.js; those of expressions do not.
bool sees_stored(View request) {
  const auto what = static_cast<Request>(request["do"].to_int64().value_or(0));
  return what == Request::kTest || what == Request::kMap || request["globals"].to_int64().value_or(0) != 0;
}

class CommandScripts final : public query::Scripts {
 public:
  Status check_predicate(std::string_view source) override {
    return ask({{"do", number(Request::kCompile)}, {"globals", 1}, {"source", source}}).map([](const Document&) {});
  }
  Result<bool> test(std::string_view source, View document) override {
    const auto reply = TRY(ask({{"do", number(Request::kTest)}, {"source", source}, {"document", document}}));
    return reply["value"].is_truthy();
  }
  Result<Document> call(std::string_view source, View arguments) override {
    return value_of(TRY(ask({{"do", number(Request::kCall)}, {"globals", globals()}, {"source", source}, {"arguments", bson::ArrayView{arguments}}})));
  }
  Result<Document> fold(std::string_view source, View state, View calls) override {
    return value_of(TRY(
        ask({{"do", number(Request::kFold)}, {"globals", globals()}, {"source", source}, {"state", state.first()}, {"calls", bson::ArrayView{calls}}})));
  }

 private:
  static std::int32_t globals() { return running == nullptr ? 0 : running->globals_of_functions(); }
  static Result<Document> ask(std::initializer_list<bson::Field> fields) {
    if (running == nullptr) return server_error(31264, "Cannot run server-side javascript outside of an operation");
    return running->ask(bson::make_document(fields));
  }
};

}  // namespace

std::shared_ptr<query::Scripts> make_command_scripts() { return std::make_shared<CommandScripts>(); }

void give_back_scripts() {
  for (auto* operation = running; operation != nullptr; operation = operation->outer_) operation->lease_.reset();
}

ScriptOperation::ScriptOperation(CommandContext& context) : context_(context), outer_(running) { running = this; }
ScriptOperation::~ScriptOperation() { running = outer_; }
ScriptOperation* ScriptOperation::current() { return running; }

ScriptOperation::InUnit::InUnit(SteadyTime since) : operation_(running) {
  if (operation_ != nullptr) operation_->unit_since_ = since;
}
ScriptOperation::InUnit::~InUnit() {
  if (operation_ != nullptr) operation_->unit_since_.reset();
}

void ScriptOperation::map_reduce(View variables) {
  map_reduce_ = true;
  variables_ = Document(variables);
}

Status ScriptOperation::check(SteadyTime call_began) const {
  TRY(check_interrupt(context_));
  const auto now = context_.services.runtime.now();
  const bool too_long = now - call_began > kLongestCall || (unit_since_ && now - *unit_since_ > kLongestInUnit);
  if (too_long) return server_error(code::kInterrupted, "JavaScript execution interrupted");
  return {};
}

namespace {

bool mentions_scripts(bson::View document) {
  const std::string_view bytes(reinterpret_cast<const char*>(document.data()), document.size());
  return bytes.find("$function") != std::string_view::npos || bytes.find("$accumulator") != std::string_view::npos || bytes.find("$where") != std::string_view::npos;
}

// Too often rather than too seldom: a text may say so too.
bool mentions_scripts(const CommandContext& context) {
  if (context.services.scripts == nullptr) return false;
  if (mentions_scripts(context.body)) return true;
  for (const auto& sequence : context.sequences) {
    for (const auto& document : sequence.documents) {
      if (mentions_scripts(document)) return true;
    }
  }
  return false;
}

}  // namespace

Status ScriptOperation::ready_for_unit() {
  if (running == nullptr) return {};
  // A statement of a transaction is not begun anew: what it has done is part of the transaction's.
  if (!running->wanted_ && running->context_.transaction != nullptr && mentions_scripts(running->context_)) running->wanted_ = true;
  if (!running->wanted_) return {};
  return running->take_process();
}

bool ScriptOperation::was_without_process() { return running != nullptr && std::exchange(running->missed_, false); }

Result<Document> ScriptOperation::ask(View request) {
  const auto began = context_.services.runtime.now();
  TRY(check(began));  // many short calls are interrupted between them
  TRY(take_process());
  if (!begun_ || (sees_stored(request) && !has_stored_)) TRY(begin(sees_stored(request)));
  return (**lease_).ask(request, [&] { return check(began); });
}

// Whoever is within a unit waits for no process, since those who have one may wait for the unit: it is told to begin anew.
Status ScriptOperation::take_process() {
  wanted_ = true;
  if (lease_ && (**lease_).usable()) return {};
  lease_.reset();
  begun_ = false;
  if (unit_since_) {
    missed_ = true;
    return server_error(code::kWriteConflict, "JavaScript is run in this unit once it has a process");
  }
  auto& hosts = *context_.services.scripts;
  const auto owner = owner_of_process();
  const auto began = context_.services.runtime.now();
  auto at_once = TRY(hosts.try_take(owner));
  if (at_once) {
    lease_.emplace(std::move(*at_once));
    return {};
  }
  lease_.emplace(TRY(context_.wait_aside(context_.stop, [&] { return hosts.take(owner, [&] { return check(began); }); })));
  return check_interrupt(context_);  // it may have no place again
}

Status ScriptOperation::begin(bool with_stored) {
  const auto stored = with_stored ? TRY(stored_functions()) : Document();
  const auto began = context_.services.runtime.now();
  const auto request = bson::make_document({{"do", number(Request::kBegin)}, {"stored", stored}, {"variables", variables_}});
  TRY((**lease_).ask(request, [&] { return check(began); }));
  begun_ = true;
  has_stored_ = with_stored;
  return {};
}

// Processes are not handed on between users or databases.
std::string ScriptOperation::owner_of_process() const {
  std::vector<std::string> names;
  for (const auto& user : context_.authorization.users()) names.push_back(fmt::format("{}.{}", user.db, user.name));
  std::ranges::sort(names);
  return fmt::format("{}\n{}", context_.database, fmt::join(names, "\n"));
}

// {name: value} of <db>.system.js.
Result<Document> ScriptOperation::stored_functions() const {
  const auto reader = make_reader(context_.engine(), context_.engine().view());
  const auto collection = reader->catalog().find({std::string(context_.database), "system.js"});
  if (!collection || collection->is_view()) return Document();
  bson::Builder out;
  RecordCursor cursor(*reader, *collection);
  while (const auto document = TRY(cursor.next())) {
    const auto name = (*document)["_id"];
    const auto value = (*document)["value"];
    if (!name.is_string()) return server_error(10209, fmt::format("name has to be a string: _id: {}", bson::to_shell(name)));
    if (name.string_value().find('\0') != std::string_view::npos) continue;
    if (!value) return server_error(10210, "value has to be set");
    out.append(name.string_value(), value);
    if (out.size() > kMaxStoredBytes) return server_error(10334, fmt::format("the functions of {}.system.js are more than {} bytes", context_.database, kMaxStoredBytes));
  }
  return std::move(out).finish();
}

}  // namespace drover::sandbox
