#include "remote/run.h"

#include <charconv>
#include <ctime>
#include <optional>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "remote/json_path.h"
#include "remote/private_file.h"
#include "terminal/format.h"
#include "terminal/table.h"

namespace drover::remote {
namespace {

std::string formatted(const std::string& text, Format format) {
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (format == Format::kPlain || text.empty() || failed != std::errc() || end != text.data() + text.size() || number < 0) return text;
  if (format == Format::kBytes) return terminal::format_bytes(static_cast<double>(number));
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(number / 1000)));
}

std::string table_of(const std::vector<Column>& columns, const std::vector<Json>& items) {
  terminal::Table table;
  for (const auto& column : columns) table.headers.emplace_back(column.header);
  for (const auto& item : items) {
    auto& row = table.rows.emplace_back();
    for (const auto& column : columns) row.push_back(formatted(expand(item, column.value), column.format));
  }
  return terminal::render_table(table);
}

// With the site and the organization in front: a file for --credentials.
Json credentials_of(const Json& answer, const std::string& site, const std::string& org) {
  Json::Object fields{{"site", site}};
  if (!org.empty()) fields.emplace_back("orgId", org);
  for (const auto& field : *answer.as_object())
    if (field.first != "site" && field.first != "orgId") fields.push_back(field);
  return Json(std::move(fields));
}

// The secret goes to the file, and what remains says where it is.
Status keep_secret(const Verb& verb, Session& session, PrivateFile& file, Outcome& outcome) {
  auto text = !outcome.text.empty() ? outcome.text : verb.alone ? text_at(outcome.value, verb.shown_once) + "\n" : outcome.value.dump() + "\n";
  if (verb.credentials && outcome.value.as_object() != nullptr) {
    const bool of_this_org = takes_org(verb);
    text = credentials_of(outcome.value, session.login().site, of_this_org ? TRY(session.org()) : text_at(outcome.value, "organization.id")).dump() + "\n";
  }
  const auto kept = file.write(text);
  if (!kept) {
    // The thing is made, and this is the only time that its secret is known.
    session.around().note(kept.error().message + "; the secret follows on standard output");
    return {};
  }
  outcome.value = with(outcome.value, verb.shown_once, fmt::format("(in {})", file.path()));
  outcome.text.clear();
  outcome.remark += fmt::format("{}Written to {}.", outcome.remark.empty() ? "" : "\n", file.path());
  return {};
}

}  // namespace

std::string present(const Verb& verb, const Outcome& outcome, bool json) {
  if (json) {
    if (outcome.shape == Shape::kNothing) return "{}\n";
    if (outcome.shape == Shape::kOne) return outcome.value.dump() + "\n";
    return Json(Json::Object{{"results", Json(Json::Array(outcome.list))}, {"totalCount", static_cast<std::int64_t>(outcome.list.size())}}).dump() + "\n";
  }
  if (outcome.shape == Shape::kNothing) return "";
  if (outcome.shape == Shape::kList) return outcome.list.empty() ? "" : table_of(verb.columns, outcome.list);
  if (!outcome.text.empty()) return outcome.text;
  if (verb.alone) return terminal::printable(text_at(outcome.value, verb.shown_once)) + "\n";
  const auto [fields, tables] = opened(outcome.value);
  auto text = terminal::render_fields(fields);
  for (const auto& table : tables) text += fmt::format("{}{}:\n{}", text.empty() ? "" : "\n", table.path, terminal::render_table({table.columns, table.rows}));
  return text;
}

Result<int> run_verb(const Verb& verb, const Values& values, const Login& login, const RunOptions& options, const Surroundings& around) {
  std::optional<PrivateFile> file;
  if (!options.out.empty()) file.emplace(TRY(PrivateFile::create(options.out)));
  auto client = TRY(SiteClient::open(login, options.client));
  Session session(verb, values, login, client, around);
  auto outcome = TRY(run(session));
  if (outcome.shape == Shape::kList && outcome.list.empty() && outcome.remark.empty()) outcome.remark = std::string(verb.done);
  if (file) TRY(keep_secret(verb, session, *file, outcome));
  else if (!verb.shown_once.empty() && outcome.remark.empty()) outcome.remark = "It is shown this once.";
  if (!outcome.printed) around.out(present(verb, outcome, around.json));
  if (!outcome.remark.empty() && !around.json) around.note(outcome.remark);
  return outcome.exit;
}

}  // namespace drover::remote
