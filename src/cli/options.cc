#include "cli/options.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/spelling.h"
#include "cli/help_text.h"
#include "cli/subcommand.h"
#include "cli/uri_argument.h"
#include "cli/version.h"
#include "terminal/table.h"

namespace drover::cli {
namespace {

constexpr std::size_t kOptionColumns = 28;   // an option and its value, before what it means
constexpr std::size_t kCommandColumns = 20;  // a command's name
constexpr std::size_t kExampleIndent = 2, kCommentIndent = 6;
constexpr const char* kCommands = "Commands";
constexpr const char* kSizePlaceholder = "BYTES";

CLI::Option* as_option(void* option) { return static_cast<CLI::Option*>(option); }

// The library counts fractions and "3 apples" as integers in some places; a port of 12x must be refused.
std::string check_range(const std::string& text, std::int64_t low, std::int64_t high) {
  std::int64_t value = 0;
  if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high) return {};
  return text + " is not a whole number from " + std::to_string(low) + " to " + std::to_string(high);
}

std::string check_number(const std::string& text) {
  double value = 0;
  return CLI::detail::lexical_cast(text, value) ? "" : text + " is not a number, such as 2 or 0.1";
}

std::string replace_size(std::string& text) {
  const auto given = text;
  try {
    if (CLI::AsSizeValue(false)(text).empty()) return {};
  } catch (const CLI::Error&) {  // how it tells of units that it does not know
  }
  return given + " is not a size, such as 512MB or 2GB";
}

std::string replace_uri(std::string& text) {
  auto resolved = resolve_uri_argument(text);
  if (!resolved) return resolved.error().message;
  text = std::move(*resolved);
  return {};
}

// The library's own form, NUMBER:8..200=8 Needs: --x, has to be deciphered; here the words stand behind what the option means.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(kOptionColumns);
    label("SUBCOMMAND", "COMMAND");
    label("Positionals", "Arguments");
  }

  // One empty line between sections, where the library makes two.
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    auto text = CLI::Formatter::make_help(app, std::move(name), mode);
    for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at)) text.erase(at, 1);
    return text;
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return "";
    const auto type = option->get_type_name();
    const auto placeholder = type.substr(0, type.find(':'));
    return placeholder.empty() ? "" : " " + placeholder;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::vector<std::string> facts;
    const auto type = option->get_type_name();
    const bool takes_value = option->get_type_size() != 0, is_size = type.starts_with(kSizePlaceholder);
    if (option->get_required() && !option->get_positional()) facts.emplace_back("required");
    if (const auto colon = type.find(':'); takes_value && colon != std::string::npos) facts.push_back(allowed_values(std::string_view(type).substr(colon + 1)));
    if (takes_value && !option->get_default_str().empty())
      facts.push_back("default " + (is_size ? size_text(option->get_default_str()) : option->get_default_str()));
    if (option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll) facts.emplace_back("may be given several times");
    for (const auto* other : option->get_needs()) facts.push_back("needs " + other->get_name());
    for (const auto* other : option->get_excludes()) facts.push_back("not with " + other->get_name());
    auto text = option->get_description();
    for (std::size_t i = 0; i < facts.size(); ++i) text += (i == 0 ? " [" : "; ") + facts[i];
    if (!facts.empty()) text += ']';
    return wrapped(text, kHelpColumns - kOptionColumns);
  }

  // Names that are too many for a line stand below each other.
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    auto names = CLI::Formatter::make_option_name(option, positional);
    const auto comma = names.find(',');
    if (names.size() <= kHelpColumns / 2 || comma == std::string::npos) return names;
    return names.substr(0, comma + 1) + "\n  " + names.substr(comma + 1);
  }

  std::string make_description(const CLI::App* app) const override { return wrapped(CLI::Formatter::make_description(app)) + "\n"; }

  std::string make_subcommand(const CLI::App* below) const override {
    std::stringstream out;
    CLI::detail::format_help(out, below->get_name(), wrapped(below->get_description(), kHelpColumns - kCommandColumns), kCommandColumns);
    return out.str();
  }
};

// " org list": the commands that were found on the command line, each below the one before.
std::string names_of(const CLI::App& app) {
  std::string names;
  for (auto below = app.get_subcommands(); !below.empty(); below = below.front()->get_subcommands()) names += " " + below.front()->get_name();
  return names;
}

// The first word from `next` on that looks like an option and is none of the command's.
std::optional<std::string> unknown_option(const CLI::App& command, int argc, char** argv, int next) {
  std::vector<std::string> names, short_names;
  for (const auto* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    for (const auto& name : option->get_snames()) short_names.push_back("-" + name);
  }
  const auto among = [](const std::string& name, const std::vector<std::string>& known) { return std::find(known.begin(), known.end(), name) != known.end(); };
  for (; next < argc && std::string_view(argv[next]) != "--"; ++next) {
    const std::string_view word(argv[next]);
    const auto equals = word.find('=');
    const std::string name(word.substr(0, equals));
    if (word.size() < 2 || word[0] != '-' || (word[1] != '-' && std::isalpha(static_cast<unsigned char>(word[1])) == 0)) continue;
    if (word[1] != '-' && among(name.substr(0, 2), short_names)) {
      if (name.size() > 2) continue;  // -p80
    } else if (!among(name, names)) {
      return "no such option " + name + did_you_mean(name, names);
    }
    if (equals == std::string_view::npos && command.get_option(name)->get_type_size() != 0) ++next;  // its value
  }
  return std::nullopt;
}

// What the library says of a word that nobody knows does not name what could have been meant.
std::string usage_message(const CLI::App& app, int argc, char** argv, const CLI::ParseError& error) {
  const auto* at = &app;
  int next = 1;
  for (; next < argc && argv[next][0] != '-'; ++next) {
    std::vector<std::string> names;
    const CLI::App* found = nullptr;
    for (const auto* below : at->get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(below->get_name());
      if (below->get_name() == argv[next]) found = below;
    }
    if (names.empty()) break;
    if (found == nullptr) return std::string("no such ") + (at == &app ? "command" : "verb") + " `" + argv[next] + "`" + did_you_mean(argv[next], names);
    at = found;
  }
  // Of an option that is mistyped the library also says that the one that was meant is missing.
  const auto code = error.get_exit_code();
  if (code == static_cast<int>(CLI::ExitCodes::ExtrasError) || code == static_cast<int>(CLI::ExitCodes::RequiredError)) {
    if (auto unknown = unknown_option(*at, argc, argv, next)) return *unknown;
  }
  return error.what();
}

constexpr const char* kParagraph = "\n\n";
constexpr const char* kAbout =
    "Moves a MongoDB deployment while it is in use.";

constexpr const char* kMoreHelp = R"(Examples:
  drover demo
      the whole story on this machine: two embedded servers, real data, live
      writes, a cutover, a comparison
  drover migrate --source @source.uri --destination @destination.uri
      migrates one deployment to another; the connection strings are read from
      files, so no password is on show
  drover org list --site http://127.0.0.1:8080 --credentials shop.json
      asks a control plane (`drover server`), as project, key, deployment, host,
      link, cluster, migration and other groups do
  drover migrate --help
      what one command takes, with examples

)";
constexpr const char* kExitCodes = R"(Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration or unsupported,
4 wrong state, 5 source, 6 destination, 7 verification mismatch, 8 timed out,
9 login refused, 10 not permitted, 11 not found, 12 and 13 of --cleanup (its
cutover is decided; it was committed), 75 temporary (try again),
130 interrupted. docs/operations/exit-codes.md says what to do.)";

}  // namespace

Option& Option::required() {
  as_option(option_)->required();
  return *this;
}

Option& Option::range(std::int64_t low, std::int64_t high) {
  as_option(option_)->check(CLI::Validator([low, high](std::string& text) { return check_range(text, low, high); },
                                           std::to_string(low) + ".." + std::to_string(high)));
  return *this;
}

Option& Option::one_of(std::vector<std::string> values) {
  as_option(option_)->check(CLI::IsMember(std::move(values)));
  return *this;
}

Option& Option::not_empty() {
  as_option(option_)->check(CLI::Validator([](std::string& text) { return std::string(text.empty() ? "it must not be empty" : ""); }, ""));
  return *this;
}

Option& Option::placeholder(const std::string& name) {
  as_option(option_)->type_name(name);
  return *this;
}

Option& Option::needs(const Option& other) {
  as_option(option_)->needs(as_option(other.option_));
  return *this;
}

Option& Option::excludes(const Option& other) {
  as_option(option_)->excludes(as_option(other.option_));
  return *this;
}

Option& Option::group(const std::string& title) {
  as_option(option_)->group(title);
  return *this;
}

struct OptionSet::State {
  CLI::App* app;
  std::string text;
  std::string examples;

  // Below the options; the library's own description is the line in the list of commands.
  void show() const {
    std::string below;
    for (std::size_t from = 0; from < text.size();) {
      const auto end = std::min(text.find(kParagraph, from), text.size());
      below += (below.empty() ? "" : kParagraph) + wrapped(text.substr(from, end - from));
      from = end + std::string_view(kParagraph).size();
    }
    for (const std::string& part : {examples, std::string(kExitCodes)})
      if (!part.empty()) below += (below.empty() ? "" : "\n\n") + part;
    app->footer(below);
  }
};

OptionSet::OptionSet(void* app) : state_(std::make_unique<State>(State{static_cast<CLI::App*>(app), {}, {}})) {}
OptionSet::~OptionSet() = default;
OptionSet::OptionSet(OptionSet&&) noexcept = default;

Option OptionSet::string(const std::string& name, std::string& value, const std::string& help) {
  return Option(state_->app->add_option(name, value, help)->capture_default_str()->type_name("TEXT"));
}

Option OptionSet::path(const std::string& name, std::string& value, const std::string& help) {
  return string(name, value, help).placeholder("PATH");
}

Option OptionSet::integer(const std::string& name, std::int64_t& value, const std::string& help) {
  return Option(state_->app->add_option(name, value, help)->capture_default_str()->type_name("NUMBER"));
}

Option OptionSet::number(const std::string& name, double& value, const std::string& help) {
  auto* option = state_->app->add_option(name, value, help)->capture_default_str()->type_name("NUMBER");
  option->check(CLI::Validator([](std::string& text) { return check_number(text); }, ""));
  return Option(option);
}

Option OptionSet::flag(const std::string& name, bool& value, const std::string& help) {
  return Option(state_->app->add_flag(name, value, help));
}

Option OptionSet::repeated(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  // One value per mention, so that a positional argument may follow.
  return Option(state_->app->add_option(name, values, help)->type_name("TEXT")->type_size(1)->expected(1)
                    ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
}

Option OptionSet::bytes(const std::string& name, std::int64_t& value, const std::string& help) {
  auto* option = state_->app->add_option(name, value, help)->capture_default_str();
  option->transform(CLI::Validator(replace_size, ""));
  return Option(option->type_name(kSizePlaceholder));
}

Option OptionSet::uri(const std::string& name, std::string& value, const std::string& help) {
  auto* option = state_->app->add_option(name, value, help + " (or @FILE, or env:NAME)");
  option->transform(CLI::Validator(replace_uri, ""));
  return Option(option->type_name("URI"));
}

OptionSet OptionSet::verb(const std::string& name, const std::string& summary, std::function<void()> chosen) {
  state_->app->require_subcommand(1);
  auto* below = state_->app->add_subcommand(name, summary);
  below->group(kCommands);
  below->callback(std::move(chosen));
  return OptionSet(below);
}

void OptionSet::description(const std::string& text) {
  state_->text = text;
  state_->show();
}

void OptionSet::example(const std::string& command, const std::string& comment) {
  state_->examples += state_->examples.empty() ? "Examples:\n  " : "\n  ";
  state_->examples += wrapped_command(command, kExampleIndent);
  if (!comment.empty()) state_->examples += "\n      " + wrapped(comment, kHelpColumns, kCommentIndent);
  state_->show();
}

int run_command_line(int argc, char** argv, const std::vector<std::unique_ptr<Subcommand>>& commands) {
  CLI::App app{kAbout, "drover"};
  app.footer(std::string(kMoreHelp) + kExitCodes);
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());  // before the subcommands, which inherit it

  Subcommand* chosen = nullptr;
  std::vector<OptionSet> option_sets;
  for (const auto& command : commands) {
    auto* sub = app.add_subcommand(std::string(command->name()), std::string(command->summary()));
    sub->group(kCommands);
    sub->callback([&chosen, &command] { chosen = command.get(); });
    option_sets.emplace_back(sub);
    command->configure(option_sets.back());
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    const auto used = app.get_subcommands();
    const auto message = usage_message(app, argc, argv, error);
    const std::string name = "drover" + names_of(app);
    const bool json = std::any_of(argv, argv + argc, [](const char* word) { return std::string_view(word) == "--json"; });
    if (json && used.empty()) {
      std::printf("%s\n", Json(Json::Object{{"error", to_json({ErrorCode::kUsage, message, 0, {}})}}).dump().c_str());
      std::fflush(stdout);
    }
    for (const auto& command : commands) {
      if (!json || used.empty() || used.front()->get_name() != command->name()) continue;
      const auto line = command->failure_json({ErrorCode::kUsage, message, 0, {}});
      if (!line.is_null()) std::printf("%s\n", line.dump().c_str());
      std::fflush(stdout);
    }
    std::fprintf(stderr, "%s: %s\nSee `%s --help`.\n", name.c_str(), message.c_str(), name.c_str());
    return exit_code(ErrorCode::kUsage);
  }
  if (hide_passwords(argc, argv)) {
    std::fprintf(stderr, "note: a password on the command line could be seen by others on this machine; @FILE or env:NAME keeps it off\n");
  }
  return chosen->run();
}

Json to_json(const Error& error) {
  return Json(Json::Object{{"exitCode", exit_code(error.code)}, {"message", error.message}});
}

int report(std::string_view command, const Error& error) {
  std::fflush(stdout);
  const auto message = terminal::printable_lines(error.message);  // it may hold names that would drive a terminal
  std::fprintf(stderr, "drover %.*s: %s\n", static_cast<int>(command.size()), command.data(), message.c_str());
  return exit_code(error.code);
}

}  // namespace drover::cli
