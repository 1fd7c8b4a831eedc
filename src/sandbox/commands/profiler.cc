#include "sandbox/commands/profiler.h"

#include <fmt/format.h>

#include "base/log.h"
#include "bson/ejson.h"
#include "sandbox/commands/fsync_lock.h"
#include "sandbox/commands/query_shape.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox {

namespace {

constexpr std::int64_t kProfileBytes = 1 << 20;
// A longer command is shown as text that is cut off.
constexpr std::size_t kMaxShownCommand = 50 << 10;

bool is_recorded(const Command& command) {
  if (command.name == "profile" || (command.flags & kNoAuth) != 0) return false;
  if (command.resource == ResourceKind::kCollection || command.resource == ResourceKind::kDatabase) return true;
  for (const std::string_view name : {"aggregate", "getMore", "listCollections", "explain", "renameCollection", "bulkWrite"}) {
    if (command.name == name) return true;
  }
  return false;
}

std::string_view op_of(const Command& command) {
  if (command.name == "find") return "query";
  if (command.name == "getMore") return "getmore";
  if (command.name == "insert") return "insert";
  return "command";
}

// Without the documents of an insert and without passwords.
bson::Document shown(bson::View command) {
  bson::Builder out;
  for (const auto& field : command) {
    if (field.key() == "documents") continue;
    field.key() == "pwd" ? out.append("pwd", "xxx") : out.append_raw(field);
  }
  auto whole = std::move(out).finish();
  if (whole.size() <= kMaxShownCommand) return whole;
  bson::Builder cut;
  cut.append("$truncated", bson::to_shell(whole).substr(0, kMaxShownCommand) + "...");
  if (const auto comment = command["comment"]; comment && comment.size() < kMaxShownCommand) cut.append_raw(comment);
  return std::move(cut).finish();
}

void append_counts(bson::Builder& out, bson::View reply, const Command& command) {
  if (command.name == "insert") {
    append_count(out, "ninserted", reply["n"].to_int64().value_or(0));
    return;
  }
  if (command.name != "findAndModify") return;
  const auto last = reply["lastErrorObject"].to_document().value_or(bson::View());
  const auto n = last["n"].to_int64().value_or(0);
  if (last["updatedExisting"]) {
    append_count(out, "nMatched", last["updatedExisting"].is_truthy() ? n : 0);
    append_count(out, "nModified", last["updatedExisting"].is_truthy() ? n : 0);
    if (last["upserted"]) append_count(out, "nUpserted", 1);
  } else {
    append_count(out, "ndeleted", n);
  }
}

// The query in a command, or in a statement of one; nothing where there is none.
std::optional<QueryParts> query_of(const Command& command, bson::View statement) {
  const auto part = [&](std::string_view name) { return statement[name].to_document().value_or(bson::View()); };
  if (command.name == "find") return QueryParts{part("filter"), part("sort"), part("projection"), part("collation")};
  if (command.name == "count" || command.name == "distinct") return QueryParts{part("query"), {}, {}, part("collation")};
  if (command.name == "findAndModify") return QueryParts{part("query"), part("sort"), part("fields"), part("collation")};
  if (command.name == "update" || command.name == "delete") return QueryParts{part("q"), {}, {}, part("collation")};
  if (command.name != "aggregate") return std::nullopt;
  const auto stages = statement["pipeline"].to_array();
  const auto first = stages ? stages->first().to_document() : std::nullopt;
  const auto match = first ? (*first)["$match"].to_document() : std::nullopt;
  return QueryParts{match.value_or(bson::View()), {}, {}, part("collation")};
}

}  // namespace

Profiler::Database Profiler::of(std::string_view db) const {
  return databases_.with([&](const auto& databases) {
    const auto it = databases.find(db);
    return it == databases.end() ? Database() : it->second;
  });
}

void Profiler::set(std::string_view db, Database database) {
  databases_.with([&](auto& databases) {
    if (database.level == 0 && !database.filter) {
      databases.erase(std::string(db));
    } else {
      databases[std::string(db)] = std::move(database);
    }
    any_ = !databases.empty();
  });
}

std::unique_ptr<ProfiledCommand> ProfiledCommand::begin(CommandContext& context) {
  const auto& profiler = context.services.profiler;
  if (!profiler.any() || context.internal || !is_recorded(*context.command)) return nullptr;
  auto database = profiler.of(context.database);
  if (database.level == 0) return nullptr;
  return std::unique_ptr<ProfiledCommand>(new ProfiledCommand(context, std::move(database)));
}

ProfiledCommand::ProfiledCommand(CommandContext& context, Profiler::Database database)
    : context_(context), database_(std::move(database)), started_(context.services.runtime.now()), counting_(totals_) {}
ProfiledCommand::~ProfiledCommand() = default;

void ProfiledCommand::statement(std::string_view op, bson::View statement, bson::View counts, const Error* error) {
  by_statement_ = true;
  write(entry(op, statement, counts, error, std::nullopt));
  started_ = context_.services.runtime.now();
  totals_ = {};
}

void ProfiledCommand::finish(const Result<bson::Document>& reply) {
  if (by_statement_) return;
  bson::Builder counts;
  if (reply) append_counts(counts, *reply, *context_.command);
  const auto cursor = reply ? (*reply)["cursor"].to_document() : std::nullopt;
  if (cursor && (*cursor)["id"].to_int64().value_or(0) == 0) counts.append("cursorExhausted", true);
  const auto bytes = reply ? std::optional(reply->size()) : std::nullopt;
  write(entry(op_of(*context_.command), shown(context_.body), std::move(counts).finish(), reply ? nullptr : &reply.error(), bytes, cursor));
}

bson::Document ProfiledCommand::entry(std::string_view op, bson::View statement, bson::View counts, const Error* error,
                                      std::optional<std::size_t> reply_bytes, std::optional<bson::View> cursor) {
  const auto named = context_.command->name == "getMore" ? context_.body["collection"] : context_.body.first();
  bson::Builder out;
  out.append("op", op).append("ns", fmt::format("{}.{}", context_.database, named.to_string_view().value_or("$cmd")));
  out.append("command", statement);
  if (const auto id = cursor ? (*cursor)["id"].to_int64().value_or(0) : 0; id != 0) out.append("cursorid", id);
  if (!totals_.plan.empty()) {
    append_count(out, "keysExamined", totals_.keys);
    append_count(out, "docsExamined", totals_.documents);
  }
  out.append_all(counts).append("numYield", 0);
  if (cursor) {
    const auto batch = (*cursor)["firstBatch"].to_array().value_or((*cursor)["nextBatch"].to_array().value_or(bson::View()));
    append_count(out, "nreturned", static_cast<std::int64_t>(batch.field_count()));
  }
  append_hashes(out, statement);
  if (error != nullptr) {
    const int code = error->server_code == 0 ? 1 : error->server_code;
    out.append("ok", 0.0).append("errMsg", error->message).append("errName", error_code_name(code)).append("errCode", code);
  }
  if (reply_bytes) append_count(out, "responseLength", static_cast<std::int64_t>(*reply_bytes));
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(context_.services.runtime.now() - started_).count();
  out.append("protocol", "op_msg");
  append_count(out, "millis", millis);
  if (!totals_.plan.empty()) out.append("planSummary", totals_.plan);
  out.append("ts", bson::DateTime{wall_millis(context_.services.runtime)});
  out.append("client", context_.connection.remote.substr(0, context_.connection.remote.rfind(':')));
  if (context_.connection.client) {
    if (const auto name = context_.connection.client->view().at_path("application.name").to_string_view()) out.append("appName", *name);
  }
  const auto users = context_.authorization.users();
  {
    auto all = out.open_array("allUsers");
    for (const auto& user : users) all.open_document().append("user", user.name).append("db", user.db);
  }
  out.append("user", users.empty() ? std::string() : users.front().name + "@" + users.front().db);
  auto document = std::move(out).finish();
  return wanted(document, millis) ? document : bson::Document();
}

// Of what was planned: a look-up by _id was not.
void ProfiledCommand::append_hashes(bson::Builder& out, bson::View statement) const {
  const auto parts = query_of(*context_.command, statement);
  if (!parts || totals_.plan.empty() || totals_.plan == "IDHACK") return;
  const auto name = context_.body.first().to_string_view();
  const auto collection = name ? context_.engine().view()->catalog->find({std::string(context_.database), std::string(*name)}) : nullptr;
  if (!collection) return;
  const auto shape = query_shape(*parts);
  out.append("queryHash", shape_hash(shape)).append("planCacheKey", plan_cache_key(shape, *collection));
}

bool ProfiledCommand::wanted(bson::View entry, std::int64_t millis) const {
  if (database_.level >= 2) return true;
  if (database_.filter) {
    const auto filter = query::Matcher::parse(*database_.filter, nullptr, context_.settings().version);
    return filter && filter->matches(entry);
  }
  const auto slow = context_.services.profiler.slow();
  if (millis < slow.millis) return false;
  return static_cast<double>(context_.services.runtime.random() >> 11) * 0x1.0p-53 < slow.sample_rate;
}

void ProfiledCommand::write(const bson::Document& entry) {
  if (entry.view().empty()) return;
  const auto written = [&]() -> Status {
    auto unit = begin_own_unit(context_.engine());
    if (!unit) return {};  // as the server, which records nothing while writes are locked
    const auto collection = unit->catalog().find(Namespace{std::string(context_.database), std::string(kProfileCollection)});
    if (!collection) return {};  // its database was dropped
    unit->set_replicated(false);
    TRY(unit->insert(collection, entry));
    return unit->commit().map([](bson::Timestamp) {});
  }();
  if (!written) context_.services.log.warn("an operation could not be recorded in system.profile", {{"reason", written.error().message}});
}

Status make_profile_collection(CommandContext& context) {
  const Namespace ns{std::string(context.database), std::string(kProfileCollection)};
  auto unit = context.engine().begin_write();
  const auto existing = unit->catalog().find(ns);
  if (existing && !existing->capped) {
    return server_error(72, fmt::format("{} exists but isn't capped", ns.to_string()));
  }
  if (existing) return {};
  unit->set_replicated(false);
  const auto options = bson::make_document({{"capped", true}, {"size", static_cast<std::int32_t>(kProfileBytes)}});
  TRY(unit->create_collection(ns, options, bson::View()));
  return unit->commit().map([](bson::Timestamp) {});
}

}  // namespace drover::sandbox
