// `drover org`, `drover project`, …: the commands of the control plane, made of the table in remote/verb.h. Composition only.
#include <cstdio>
#include <map>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/runtime.h"
#include "cli/commands.h"
#include "cli/input_lines.h"
#include "cli/signals.h"
#include "remote/answer_error.h"
#include "remote/run.h"
#include "terminal/table.h"

namespace drover::cli {
namespace {

using remote::Kind;
using remote::Verb;

constexpr std::chrono::milliseconds kLookForAnswer{100};
constexpr std::int64_t kMaxTimeoutSeconds = 600;
constexpr const char* kWhere = "Which site, and as whom";
constexpr const char* kSettings =
    "Which site, and as whom, is said by flags, by the environment (DROVER_SITE, DROVER_CREDENTIALS, DROVER_PUBLIC_KEY and DROVER_PRIVATE_KEY, DROVER_CLIENT_ID and "
    "DROVER_CLIENT_SECRET, DROVER_ORG, DROVER_PROJECT, DROVER_CA_FILE; DROVER_ATLAS_CREDENTIALS and DROVER_MANAGER_CREDENTIALS, by the site that a command is for), or by the "
    "credentials file: one JSON object with site, publicKey, privateKey, clientId, clientSecret, orgId, projectId, caFile, mode 0600. "
    "What is named may be given by its id or its name.";

// The question with the arguments' values in it.
std::string question_of(const Verb& verb, const remote::Values& values) {
  std::string text(verb.question);
  for (const auto& [name, value] : values) {
    const auto hole = fmt::format("{{{}}}", name);
    if (const auto at = text.find(hole); at != std::string::npos) text.replace(at, hole.size(), value.text);
  }
  return text;
}

std::size_t screen_width() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

// Remarks may quote what a site answered.
void note(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    fmt::print(stderr, "{}\n", terminal::printable(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

class RemoteCommand final : public Subcommand {
 public:
  explicit RemoteCommand(const remote::Group& group) : group_(group) {}
  std::string_view name() const override { return group_.name; }
  std::string_view summary() const override { return group_.summary; }
  void configure(OptionSet& options) override;
  int run() override;
  Json failure_json(const Error& error) const override { return remote::failure_of(error); }

 private:
  void configure(const Verb& verb, OptionSet& options);
  void add(const remote::Argument& argument, remote::Value& value, OptionSet& options);
  Status confirm(const std::stop_token& stop) const;
  Result<int> execute(const std::stop_token& stop);

  const remote::Group& group_;
  const Verb* verb_ = nullptr;  // the chosen one
  std::map<const Verb*, remote::Values> values_;
  remote::LoginFlags login_;
  std::string out_;
  std::int64_t timeout_ = net::kHttpCallTimeout.count();
  bool json_ = false, yes_ = false;
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
};

void RemoteCommand::configure(OptionSet& options) {
  options.description(std::string(group_.about) + "\n\n" + kSettings);
  for (const auto& verb : remote::verbs()) {
    if (verb.group != group_.name) continue;
    auto below = options.verb(std::string(verb.name), std::string(verb.summary), [this, &verb] { verb_ = &verb; });
    configure(verb, below);
    if (values_.size() == 1)
      for (const auto& example : verb.examples) options.example(std::string(example.command), std::string(example.comment));
  }
}

void RemoteCommand::configure(const Verb& verb, OptionSet& options) {
  auto& values = values_[&verb];
  for (const auto& argument : verb.arguments) add(argument, values[std::string(argument.name)], options);
  if (!verb.shown_once.empty()) options.path("--out", out_, "Write the secret to this new file, of mode 0600, and not to standard output").placeholder("FILE").not_empty();
  if (!verb.question.empty()) options.flag("--yes", yes_, verb.asks_with.empty() ? "Do not ask" : fmt::format("Do not ask, with {}", verb.asks_with));
  options.flag("--json", json_, "One JSON object on standard output, for scripts");
  if (remote::takes_org(verb)) options.string("--org", login_.org, "The organization, by id or name (DROVER_ORG; the only one)").placeholder("ORG").not_empty().group(kWhere);
  if (remote::takes_project(verb)) options.string("--project", login_.project, "The project, by id or name (DROVER_PROJECT; the only one)").placeholder("PROJECT").not_empty().group(kWhere);
  options.string("--site", login_.site, "The site's URL (DROVER_SITE)").placeholder("URL").not_empty().group(kWhere);
  options.path("--credentials", login_.credentials, "File with the API key or service account (DROVER_CREDENTIALS)").placeholder("FILE").not_empty().group(kWhere);
  options.path("--ca-file", login_.ca_file, "Authority of the site's certificate (DROVER_CA_FILE; the system's)").placeholder("FILE").not_empty().group(kWhere);
  options.path("--tls-certificate-key-file", login_.certificate_key_file, "PEM file with certificate and key, for a site that asks for one").placeholder("FILE").not_empty().group(kWhere);
  options.flag("--allow-plain-http", login_.allow_plain_http, "Let http:// reach another machine, unencrypted").group(kWhere);
  options.integer("--timeout", timeout_, "Seconds for each request").range(1, kMaxTimeoutSeconds).group(kWhere);
  // The summary stands above already.
  std::string about(verb.about);
  const auto add_sentence = [&about](std::string_view sentence) { about += fmt::format("{}{}", about.empty() ? "" : " ", sentence); };
  if (verb.site != remote::SiteRole::kAny) add_sentence(verb.site == remote::SiteRole::kAtlas ? "It asks an Atlas site." : "It asks a manager site.");
  if (!verb.needs.empty()) add_sentence(fmt::format("The key's role: {}.", verb.needs));
  if (!about.empty()) about += "\n\n";
  options.description(fmt::format("{}`drover {} --help` says how the site and the key are named.", about, group_.name));
  for (const auto& example : verb.examples) options.example(std::string(example.command), std::string(example.comment));
}

void RemoteCommand::add(const remote::Argument& argument, remote::Value& value, OptionSet& options) {
  const std::string name(argument.name);
  std::string help(argument.help);
  const bool positional = !name.starts_with("-");
  const auto text = [&] {
    auto option = options.string(name, value.text, help).not_empty();
    if (positional) option.placeholder("");
    if (!argument.choices.empty()) option.one_of(argument.choices);
    return option;
  };
  const auto option = [&] {
    switch (argument.kind) {
      case Kind::kNumber:
        value.number = argument.otherwise;
        return options.integer(name, value.number, help).range(argument.low, argument.high);
      case Kind::kFlag: return options.flag(name, value.flag, help);
      case Kind::kTexts: return options.repeated(name, value.texts, help).not_empty();
      case Kind::kUri: return options.uri(name, value.text, help);
      case Kind::kSecretFile: return options.path(name, value.text, "File that holds " + help + ", readable by nobody else; - is standard input" + (argument.asked ? "; without it, it is asked for" : "")).placeholder("FILE").not_empty();
      case Kind::kJsonFile: return options.path(name, value.text, help).placeholder("FILE").not_empty();
      default: return text();
    }
  }();
  if (argument.required) Option(option).required();
}

Status RemoteCommand::confirm(const std::stop_token& stop) const {
  const auto& values = values_.at(verb_);
  if (verb_->question.empty() || yes_ || (!verb_->asks_with.empty() && !values.find(verb_->asks_with)->second.flag)) return {};
  const auto answer = verb_->typed.empty() ? std::string("yes") : values.find(verb_->typed)->second.text;
  if (!::isatty(STDIN_FILENO)) return fail(ErrorCode::kUsage, "it needs --yes when nobody can be asked; nothing was done");
  fmt::print(stderr, "{} Type {}: ", question_of(*verb_, values), terminal::printable(answer));
  std::fflush(stderr);
  InputLines input(STDIN_FILENO);
  while (!stop.stop_requested() && !input.ended()) {
    const auto line = input.next(kLookForAnswer);
    if (!line) continue;
    if (*line == answer) return {};
    break;
  }
  return fail(ErrorCode::kInterrupted, "nothing was done");
}

Result<int> RemoteCommand::execute(const std::stop_token& stop) {
  const auto login = TRY(remote::find_login(login_, verb_->site, remote::process_environment, stop));
  TRY(confirm(stop));
  // Whoever reads the output may go away (`… watch | head`): then there is nothing left to do.
  std::stop_source ending;
  const std::stop_callback forward(stop, [&ending] { ending.request_stop(); });
  const remote::Surroundings around{
      .runtime = *runtime_,
      .stop = ending.get_token(),
      .json = json_,
      .terminal = ::isatty(STDOUT_FILENO) != 0,
      .width = screen_width(),
      .out = [&ending](std::string_view text) {
        if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) ending.request_stop();
      },
      .note = note};
  return remote::run_verb(*verb_, values_.at(verb_), login, {{verb_->site, std::chrono::seconds(timeout_)}, out_}, around);
}

int RemoteCommand::run() {
  const auto done = execute(stop_on_signals());
  if (done) return *done;
  auto error = done.error();
  if (interrupted()) error.code = ErrorCode::kInterrupted;
  if (json_) {
    fmt::print("{}\n", remote::failure_of(error).dump());
    std::fflush(stdout);
  }
  error.message = terminal::printable(error.message);
  (void)report(fmt::format("{} {}", group_.name, verb_->name), error);
  return remote::exit_code_of(error);
}

}  // namespace

std::vector<std::unique_ptr<Subcommand>> make_remote_commands() {
  std::vector<std::unique_ptr<Subcommand>> commands;
  for (const auto& group : remote::groups()) commands.push_back(std::make_unique<RemoteCommand>(group));
  return commands;
}

}  // namespace drover::cli
