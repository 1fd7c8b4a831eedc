#include "sandbox/commands/script_session.h"

#include <chrono>

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

// {value: x} as {"": x}
Document value_of(const Document& reply) {
  bson::Builder out;
  out.append("", reply["value"]);
  return std::move(out).finish();
}

class CommandScripts final : public query::Scripts {
 public:
  explicit CommandScripts(script::Hosts& hosts) : hosts_(hosts) {}

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
  Result<Document> ask(std::initializer_list<bson::Field> fields) {
    if (running == nullptr) return server_error(31264, "Cannot run server-side javascript outside of an operation");
    return running->ask(hosts_, bson::make_document(fields));
  }
  script::Hosts& hosts_;
};

}  // namespace

std::shared_ptr<query::Scripts> make_command_scripts(script::Hosts& hosts) { return std::make_shared<CommandScripts>(hosts); }

ScriptOperation::ScriptOperation(CommandContext& context) : context_(context), outer_(running) { running = this; }
ScriptOperation::~ScriptOperation() { running = outer_; }
ScriptOperation* ScriptOperation::current() { return running; }

void ScriptOperation::map_reduce(View variables) {
  map_reduce_ = true;
  variables_ = Document(variables);
}

Status ScriptOperation::check(SteadyTime call_began) const {
  TRY(check_interrupt(context_));
  const auto now = context_.services.runtime.now();
  const bool too_long = now - call_began > kLongestCall || (context_.unit_since && now - *context_.unit_since > kLongestInUnit);
  if (too_long) return server_error(code::kInterrupted, "JavaScript execution interrupted");
  return {};
}

Result<Document> ScriptOperation::ask(script::Hosts& hosts, View request) {
  if (!lease_) TRY(begin(hosts));
  const auto began = context_.services.runtime.now();
  return (**lease_).ask(request, [&] { return check(began); });
}

Status ScriptOperation::begin(script::Hosts& hosts) {
  const auto stored = TRY(stored_functions());
  const auto began = context_.services.runtime.now();
  const auto going_on = [&] { return check(began); };
  lease_.emplace(TRY(hosts.take(going_on)));
  const auto request = bson::make_document({{"do", number(Request::kBegin)}, {"stored", stored}, {"variables", variables_}});
  TRY((**lease_).ask(request, going_on));
  return {};
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
