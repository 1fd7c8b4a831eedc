#include "remote/session.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "net/http_client.h"
#include "remote/answer_error.h"
#include "remote/json_path.h"
#include "remote/private_file.h"
#include "remote/secret_prompt.h"

namespace drover::remote {
namespace {

constexpr std::string_view kBody = "body:", kPath = "path:", kQuery = "query:";

bool is_given(const Argument& argument, const Value& value) {
  switch (argument.kind) {
    case Kind::kNumber:
    case Kind::kFlag: return true;
    case Kind::kTexts: return !value.texts.empty();
    default: return !value.text.empty();
  }
}

Result<Json> host_and_port(const std::string& text, const Json& body) {
  auto url = net::parse_url("http://" + text);
  const bool has_port = url && (text.ends_with(']') ? false : text.rfind(':') != std::string::npos);
  if (!url || !url->path.empty() || !has_port) return fail(ErrorCode::kUsage, fmt::format("\"{}\" is not HOST:PORT, such as db1.example.net:27017", text));
  return with(with(body, "hostname", url->host), "port", std::stoi(url->port));
}

Result<Json> json_file(const Argument& argument, const std::string& path, const std::stop_token& stop) {
  const auto text = TRY(read_file(path, "JSON", Secrecy::kPublic, stop));
  auto json = Json::parse(text);
  if (!json) return fail(ErrorCode::kUsage, fmt::format("{} {}: {}", argument.name, path, json.error().message));
  return std::move(*json);
}

Result<Outcome> run_plain(Session& session) {
  const auto& verb = session.verb();
  const auto request = TRY(session.request());
  Outcome outcome;
  outcome.shape = verb.shape;
  if (verb.shape == Shape::kList && verb.method == "GET") {
    outcome.list = TRY(session.list(request));
    return outcome;
  }
  outcome.value = TRY(session.call(request));
  if (outcome.value.is_null()) outcome.shape = Shape::kNothing;
  if (const auto* results = outcome.value.find("results"); verb.shape == Shape::kList && results != nullptr && results->as_array() != nullptr)
    outcome.list = *results->as_array();
  if (outcome.shape == Shape::kNothing) outcome.remark = std::string(verb.done);
  return outcome;
}

}  // namespace

bool takes_org(const Verb& verb) {
  const bool filled = std::any_of(verb.arguments.begin(), verb.arguments.end(), [](const Argument& one) { return one.place == "path:orgId"; });
  return verb.org_flag || (!filled && verb.path.find("{orgId}") != std::string_view::npos);
}

bool takes_project(const Verb& verb) {
  const bool filled = std::any_of(verb.arguments.begin(), verb.arguments.end(), [](const Argument& one) { return one.place == "path:groupId"; });
  return verb.project_flag || (!filled && verb.path.find("{groupId}") != std::string_view::npos);
}

const std::string& Session::text(std::string_view argument) const {
  const auto found = values_.find(argument);
  CHECK(found != values_.end(), argument);
  return found->second.text;
}

std::int64_t Session::number(std::string_view argument) const { return values_.find(argument)->second.number; }
bool Session::flag(std::string_view argument) const { return values_.find(argument)->second.flag; }

const Argument* Session::argument_at(std::string_view place) const {
  for (const auto& argument : verb_.arguments)
    if (argument.place == place) return &argument;
  return nullptr;
}

Result<std::string> Session::org() {
  if (!org_.empty()) return org_;
  const auto* argument = argument_at("path:orgId");
  const auto& given = argument != nullptr && !text(argument->name).empty() ? text(argument->name) : login_.org;
  const auto& facts = facts_of(Thing::kOrg);
  if (!given.empty()) org_ = TRY(id_of(Thing::kOrg, given));
  else org_ = TRY(pick_only(facts, TRY(list(call_to("GET", facts.api, std::string(facts.path)))), "--org ORG"));
  return org_;
}

Result<std::string> Session::project() {
  if (!project_.empty()) return project_;
  const auto* argument = argument_at("path:groupId");
  const auto& given = argument != nullptr ? text(argument->name) : login_.project;
  const auto& facts = facts_of(Thing::kProject);
  if (argument != nullptr || !given.empty()) project_ = TRY(id_of(Thing::kProject, given));
  else project_ = TRY(pick_only(facts, TRY(list(call_to("GET", facts.api, std::string(facts.path)))), "--project PROJECT"));
  return project_;
}

Result<std::string> Session::id_of(Thing thing, const std::string& given) {
  const auto& facts = facts_of(thing);
  if (is_sendable(facts, given)) return given;
  return pick(facts, TRY(list(call_to("GET", facts.api, TRY(path_of(facts.path))))), given, verb_.method == "GET" ? PickFor::kReading : PickFor::kChange);
}

SiteCall Session::call_to(std::string_view method, Api api, std::string path) const {
  SiteCall call;
  call.method = std::string(method);
  call.api = api;
  call.path = std::move(path);
  call.needs = std::string(verb_.needs);
  for (const auto& argument : verb_.arguments)
    if (argument.thing != Thing::kNone && call.list.empty()) call.list = std::string(facts_of(argument.thing).list);
  return call;
}

Result<std::string> Session::filled(std::string_view name) {
  if (name == "orgId") return org();
  if (name == "groupId") return project();
  const auto* argument = argument_at(std::string(kPath) + std::string(name));
  CHECK(argument != nullptr, name);
  const auto& given = text(argument->name);
  return argument->thing == Thing::kNone ? Result<std::string>(given) : id_of(argument->thing, given);
}

Result<std::string> Session::path_of(std::string_view pattern) {
  std::string path;
  while (!pattern.empty()) {
    const auto open = pattern.find('{');
    path += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = pattern.find('}', open);
    path += url_encoded(TRY(filled(pattern.substr(open + 1, close - open - 1))));
    pattern.remove_prefix(close + 1);
  }
  return path;
}

Result<SiteCall> Session::request() {
  auto call = call_to(verb_.method, verb_.api, TRY(path_of(verb_.path)));
  for (const auto& argument : verb_.arguments) {
    if (!argument.place.starts_with(kQuery)) continue;
    if (const auto given = flag(argument.name) ? std::string("true") : text(argument.name); !given.empty())
      call.query.emplace_back(argument.place.substr(kQuery.size()), given);
  }
  if (verb_.method != "GET" && verb_.method != "DELETE") call.body = TRY(body());
  return call;
}

Result<Json> Session::body() {
  Json body(Json::Object{});
  for (const auto& [path, value] : verb_.constants) body = with(body, path, value);
  for (const auto& argument : verb_.arguments) {
    const auto& value = values_.find(argument.name)->second;
    const bool asked = argument.asked && value.text.empty();
    if (!argument.place.starts_with(kBody) || (!is_given(argument, value) && !asked)) continue;
    const auto place = argument.place.substr(kBody.size());
    switch (argument.kind) {
      case Kind::kNumber: body = with(body, place, value.number); break;
      case Kind::kFlag: body = with(body, place, value.flag); break;
      case Kind::kTexts: {
        Json::Array all;
        for (const auto& text : value.texts) all.emplace_back(text);
        body = with(body, place, std::move(all));
        break;
      }
      case Kind::kSecretFile:
        body = with(body, place, TRY(asked ? ask_new_secret(argument.help, around_.stop) : read_file(value.text, "the password", Secrecy::kSecret, around_.stop)));
        break;
      case Kind::kJsonFile: body = with(body, place, TRY(json_file(argument, value.text, around_.stop))); break;
      case Kind::kAddress: body = with(body, value.text.find('/') == std::string::npos ? "ipAddress" : "cidrBlock", value.text); break;
      case Kind::kHostPort: body = TRY(host_and_port(value.text, body)); break;
      case Kind::kText:
      case Kind::kUri:
        body = with(body, place, argument.thing == Thing::kNone ? value.text : TRY(id_of(argument.thing, value.text)));
        break;
    }
  }
  if (verb_.finish != nullptr) body = TRY(verb_.finish(values_, std::move(body)));
  return verb_.array_body ? Json(Json::Array{std::move(body)}) : std::move(body);
}

Status Session::pause(Duration duration) const {
  if (around_.runtime.sleep(duration, around_.stop)) return {};
  return fail(ErrorCode::kInterrupted, "stopped");
}

Result<Outcome> run(Session& session) { return session.verb().action != nullptr ? session.verb().action(session) : run_plain(session); }

}  // namespace drover::remote
