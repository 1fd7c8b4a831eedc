#include "control/store.h"

#include <algorithm>

#include <fmt/format.h>

#include "cluster/commands.h"
#include "control/fields.h"

namespace drover::control {
namespace {

constexpr int kDuplicateKey = 11000;
constexpr int kNamespaceNotFound = 26;
constexpr int kIndexNotFound = 27;
constexpr std::chrono::milliseconds kPause{100};
constexpr std::chrono::milliseconds kLongestPause{500};
constexpr int kReadings = 3;

void append_read(bson::Builder& command) { command.open_document("readConcern").append("level", "majority"); }
void append_write(bson::Builder& command) { command.open_document("writeConcern").append("w", "majority"); }

struct Index {
  const char* collection;
  std::initializer_list<const char*> fields;
  const char* name;
  enum class Kind { kUnique, kUniqueSparse, kPlain, kPlainSparse } kind = Kind::kUnique;
};
const Index kIndexes[] = {
    {"orgs", {"root"}, "root", Index::Kind::kPlain},
    {"orgs", {"gone"}, "gone", Index::Kind::kPlainSparse},
    {"projects", {"gone"}, "gone", Index::Kind::kPlainSparse},
    {"projects", {"orgId", "name"}, "org and name"},
    {"projects", {"name"}, "name", Index::Kind::kPlain},
    {"apiKeys", {"publicKey"}, "public key"},
    {"apiKeys", {"orgId"}, "org", Index::Kind::kPlain},
    {"orgLinks", {"orgId"}, "org", Index::Kind::kPlain},
    {"linkProjects", {"linkId"}, "link", Index::Kind::kPlain},
    {"clusters", {"groupId", "name"}, "project and name"},
    {"clusterHosts", {"groupId"}, "project", Index::Kind::kPlain},
    {"clusterHosts", {"clusterId"}, "cluster", Index::Kind::kPlain},
    {"liveImports", {"locks"}, "locks", Index::Kind::kUniqueSparse},
    {"liveImports", {"open"}, "open", Index::Kind::kPlainSparse},
    {"liveImports", {"groupId"}, "project", Index::Kind::kPlain},
    {"liveImports", {"orgId"}, "org", Index::Kind::kPlain},
    {"events", {"groupId"}, "project", Index::Kind::kPlain},
    {"events", {"orgId"}, "org", Index::Kind::kPlain},
    {"accessList", {"groupId", "cidrBlock"}, "project and range"},
    {"networkContainers", {"groupId", "providerName", "region"}, "project, provider and region"},
    {"networkPeers", {"groupId"}, "project", Index::Kind::kPlain},
    {"endpointServices", {"groupId", "providerName", "region"}, "project, provider and region"},
    {"databaseUsers", {"deleting"}, "deleting", Index::Kind::kPlainSparse},
    {"databaseUsers", {"groupId", "databaseName", "username"}, "project, database and name"},
    {"customRoles", {"deleting"}, "deleting", Index::Kind::kPlainSparse},
    {"customRoles", {"groupId", "roleName"}, "project and name"},
    {"serviceAccounts", {"orgId"}, "org", Index::Kind::kPlain},
    {"serviceAccounts", {"groupRoles.groupId"}, "project", Index::Kind::kPlain},
    {"accessTokens", {"clientId"}, "client", Index::Kind::kPlain},
    {"agentKeys", {"keyHash"}, "key"},
    {"agents", {"groupId", "hostname"}, "group and host name"},
    {"agentJobs", {"groupId", "hostname"}, "group and host name", Index::Kind::kPlain},
    {"agentJobs", {"linkId"}, "link", Index::Kind::kPlain},
    {"agentJobs", {"removedAt"}, "removed", Index::Kind::kPlainSparse},
    {"agentJobLogs", {"jobId"}, "job", Index::Kind::kPlain},
    {"deployments", {"groupId", "name"}, "group and name"},
    {"hosts", {"groupId", "deploymentId"}, "group and deployment", Index::Kind::kPlain},
    {"measurements", {"hostId", "at"}, "host and time", Index::Kind::kPlain},
    {"databaseMeasurements", {"hostId", "at"}, "host and time", Index::Kind::kPlain},
};

// The port knows a migration's two sides; this is neither.
std::string in_words_of_the_store(std::string_view message, bool silent) {
  constexpr std::string_view kSide = "source: ";
  if (message.starts_with(kSide)) message.remove_prefix(kSide.size());
  return fmt::format("the control plane's store{}: {}", silent ? " does not answer" : "", message);
}

}  // namespace

Status Store::open() {
  const auto schema = bson::make_document({{"_id", "schema"}});
  auto asked = find_one("meta", schema);
  for (const auto until = runtime_.now() + kOpenPatience; !asked && (asked.error().code == ErrorCode::kTemporary || asked.error().server_code == 0) && runtime_.now() < until;) {
    if (!runtime_.sleep(kStoreProbeEvery, {})) break;
    asked = find_one("meta", schema);
  }
  const auto found = TRY(std::move(asked));
  if (!found) {
    TRY(create_indexes());
    TRY(insert("meta", bson::make_document({{"_id", "schema"}, {"version", kStoreSchema}})));
    return {};
  }
  const auto version = (*found)["version"].to_int64().value_or(0);
  if (version > kStoreSchema) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("the store was written by a newer version (schema {}, this one knows {}); upgrade this server",
                            version, kStoreSchema));
  }
  for (auto from = version; from < kStoreSchema; ++from) TRY_WITH(migrate(from), fmt::format("bringing the store to schema {}", from + 1));
  return create_indexes();
}

// One step, noted when it is done. Steps may run twice, and in two processes at once; servers of the older schema are stopped before.
Status Store::migrate(std::int64_t from) {
  if (from == 1) {
    // A link-token is found by its link's id; its hash needs no index.
    const auto dropped = run(bson::make_document({{"dropIndexes", "orgLinks"}, {"index", "token"}}));
    if (!dropped && dropped.error().server_code != kIndexNotFound && dropped.error().server_code != kNamespaceNotFound)
      return tl::unexpected(dropped.error());
  }
  TRY(update("meta", bson::make_document({{"_id", "schema"}, {"version", from}}),
             bson::make_document({{"$set", bson::make_document({{"version", from + 1}})}})));
  return {};
}

Status Store::create_indexes() {
  for (const auto& index : kIndexes) {
    bson::Builder command;
    command.append("createIndexes", index.collection);
    {
      auto indexes = command.open_array("indexes");
      auto spec = indexes.open_document();
      {
        auto key = spec.open_document("key");
        for (const auto* field : index.fields) key.append(field, 1);
      }
      spec.append("name", index.name);
      if (index.kind == Index::Kind::kUnique || index.kind == Index::Kind::kUniqueSparse) spec.append("unique", true);
      if (index.kind == Index::Kind::kUniqueSparse || index.kind == Index::Kind::kPlainSparse) spec.append("sparse", true);
    }
    append_write(command);
    const auto document = std::move(command).finish();
    // A build that takes longer than a reply may goes on in the store; asking again waits for it.
    const auto until = runtime_.now() + kIndexPatience;
    auto built = run(document);
    while (!built && built.error().code == ErrorCode::kTemporary && runtime_.now() < until && runtime_.sleep(kStoreProbeEvery, {})) built = run(document);
    TRY_WITH(std::move(built), "preparing the store");
  }
  return {};
}

// For commands that end in the same state when they run twice.
Result<bson::Document> Store::run(bson::View command) {
  const auto begun = runtime_.now();
  if (!may_ask(begun)) return fail(ErrorCode::kTemporary, "the control plane's store does not answer");
  for (int attempt = 1;; ++attempt) {
    const auto asked = runtime_.now();
    auto reply = deployment_.run_command(kStoreDatabase, command);
    const bool silent = !reply && reply.error().code == ErrorCode::kTemporary;
    const bool over = after(!silent, begun, asked) != Next::kAgain || !runtime_.sleep(std::min<Duration>(kPause * attempt, kLongestPause), {});
    if (!over) continue;
    if (!reply) reply.error().message = in_words_of_the_store(reply.error().message, silent);
    return reply;
  }
}

// A command that is slow alone says nothing of the others: only who was answered by nobody since it asked finds the store silent.
Store::Next Store::after(bool answered, SteadyTime begun, SteadyTime asked) {
  const auto now = runtime_.now();
  return silence_.with([&](Silence& known) {
    if (answered) {
      known = {std::nullopt, std::nullopt, now};
      return Next::kDone;
    }
    if (now - begun >= kStorePatience + kStoreReplyLimit) return Next::kGiveUp;  // whatever others are answered
    if (known.last_answer > asked) return now - asked >= kStoreReplyLimit || now - begun >= kStorePatience ? Next::kGiveUp : Next::kAgain;
    if (!known.since) known.since = asked;
    if (!known.next_probe && now - *known.since < kStorePatience) return Next::kAgain;
    known.next_probe = now + kStoreProbeEvery;
    return Next::kGiveUp;
  });
}

// Who is let through while it does not answer is the one that finds out; the next one when that is decided, or was not heard of again.
bool Store::may_ask(SteadyTime now) {
  return silence_.with([&](Silence& known) {
    if (!known.next_probe) return true;
    if (now < *known.next_probe) return false;
    known.next_probe = now + 2 * kStoreReplyLimit;
    return true;
  });
}

// A write of one document, under a session and a number: a repetition is answered with what the first one did.
Result<bson::Document> Store::run_once(bson::Builder command) {
  auto session = sessions_.with([&](auto& free) {
    if (free.empty()) return WriteSession{Uuid::random(runtime_), 0};
    const auto last = free.back();
    free.pop_back();
    return last;
  });
  command.open_document("lsid").append("id", session.id);
  command.append("txnNumber", ++session.last_number);
  append_write(command);
  auto reply = run(std::move(command).finish());
  // Else a late copy of it may still come: the session is not used again.
  if (reply) sessions_.with([&](auto& free) { free.push_back(session); });
  return reply;
}

Result<bool> Store::insert(const std::string& collection, bson::View document) {
  bson::Builder command;
  command.append("insert", collection);
  command.open_array("documents").append(document);
  const auto reply = TRY(run_once(std::move(command)));
  const auto errors = reply["writeErrors"].to_array();
  if (!errors || errors->empty()) return true;
  const auto error = object_in(errors->first());
  if (error["code"].to_int64() == kDuplicateKey) return false;
  return fail(ErrorCode::kFailure, fmt::format("writing to the store's {}: code {}", collection, error["code"].to_int64().value_or(0)));
}

Result<std::optional<bson::Document>> Store::find_one(const std::string& collection, bson::View filter) {
  auto found = TRY(find(collection, filter, {1, 1}));
  if (found.empty()) return std::optional<bson::Document>();
  return std::optional(std::move(found.front()));
}

Result<std::vector<bson::Document>> Store::find(const std::string& collection, bson::View filter, Page page, Order order) {
  bson::Builder command;
  command.append("find", collection).append("filter", filter);
  command.open_document("sort").append("_id", order == Order::kOldestFirst ? 1 : -1);
  command.append("skip", static_cast<std::int64_t>(page.number - 1) * page.items);
  command.append("limit", page.items).append("batchSize", page.items);
  append_read(command);
  return run_to_end(collection, std::move(command).finish());
}

Result<std::vector<bson::Document>> Store::run_to_end(const std::string& collection, bson::View command) {
  for (int reading = 1;; ++reading) {
    auto all = read_rest(collection, TRY(run(command)));
    if (all || all.error().code != ErrorCode::kTemporary || reading == kReadings) return all;
  }
}

// A getMore is not repeated: a reply that was lost is lost with its documents, and a cursor with its server. All is read anew.
Result<std::vector<bson::Document>> Store::read_rest(const std::string& collection, bson::Document reply) {
  std::vector<bson::Document> documents;
  for (const char* batch = "firstBatch";; batch = "nextBatch") {
    const auto cursor = cluster::parse_cursor(reply, batch);
    if (!cursor) return fail(ErrorCode::kFailure, fmt::format("reading the store's {}: the answer holds no cursor with documents", collection));
    for (const auto& item : cursor->batch) documents.emplace_back(item.document_value());
    if (cursor->id == 0) return documents;
    const auto more = bson::make_document({{"getMore", cursor->id}, {"collection", collection}});
    reply = TRY(deployment_.run_command(kStoreDatabase, more));
  }
}

Status Store::each(const std::string& collection, bson::View filter, const std::function<Status(bson::View)>& see) {
  std::string last;
  for (;;) {
    bson::Builder rest;
    rest.append_all(filter);
    if (!last.empty()) rest.open_document("_id").append("$gt", last);
    const auto page = TRY(find(collection, std::move(rest).finish(), {1, kStride}));
    for (const auto& document : page) TRY(see(document));
    if (page.size() < static_cast<std::size_t>(kStride)) return {};
    last = std::string(page.back()["_id"].to_string_view().value_or(""));
    if (last.empty()) return fail(ErrorCode::kFailure, fmt::format("the store's {} has an _id that is no text", collection));
  }
}

// What the one stage makes of the documents of the filter, in its field `n`; of none at all, 0.
Result<std::int64_t> Store::aggregate_number(const std::string& collection, bson::View filter, bson::View stage) {
  bson::Builder command;
  command.append("aggregate", collection);
  {
    auto pipeline = command.open_array("pipeline");
    pipeline.open_document().append("$match", filter);
    pipeline.append(stage);
  }
  command.open_document("cursor");
  append_read(command);
  const auto reply = TRY(run(std::move(command).finish()));
  const auto batch = reply.view().at_path("cursor.firstBatch").to_array();
  if (!batch || batch->empty()) return 0;
  return object_in(batch->first())["n"].to_int64().value_or(0);
}

Result<std::map<std::string, std::int64_t>> Store::count_by(const std::string& collection, bson::View filter, const std::string& field) {
  bson::Builder command;
  command.append("aggregate", collection);
  {
    auto pipeline = command.open_array("pipeline");
    pipeline.open_document().append("$match", filter);
    pipeline.append(bson::make_document({{"$group", bson::make_document({{"_id", "$" + field}, {"n", bson::make_document({{"$sum", 1}})}})}}));
  }
  command.open_document("cursor");
  append_read(command);
  std::map<std::string, std::int64_t> counts;
  for (const auto& one : TRY(run_to_end(collection, std::move(command).finish())))
    counts[std::string(one["_id"].to_string_view().value_or(""))] = one["n"].to_int64().value_or(0);
  return counts;
}

Result<std::int64_t> Store::count(const std::string& collection, bson::View filter) {
  return aggregate_number(collection, filter, bson::make_document({{"$count", "n"}}));
}

Result<std::int64_t> Store::sum(const std::string& collection, bson::View filter, const std::string& field) {
  const auto sum = bson::make_document({{"$sum", "$" + field}});
  return aggregate_number(collection, filter, bson::make_document({{"$group", bson::make_document({{"_id", bson::Null{}}, {"n", sum}})}}));
}

Result<bool> Store::update(const std::string& collection, bson::View filter, bson::View update) {
  return TRY(change(collection, filter, update, false)) == Changed::kYes;
}

Result<Changed> Store::try_update(const std::string& collection, bson::View filter, bson::View update) {
  return change(collection, filter, update, false);
}

Result<bool> Store::upsert(const std::string& collection, bson::View filter, bson::View update) {
  return TRY(change(collection, filter, update, true)) == Changed::kYes;
}

Result<Changed> Store::change(const std::string& collection, bson::View filter, bson::View update, bool upsert) {
  bson::Builder command;
  command.append("update", collection);
  {
    auto updates = command.open_array("updates");
    auto one = updates.open_document();
    one.append("q", filter).append("u", update);
    if (upsert) one.append("upsert", true);
  }
  const auto reply = TRY(run_once(std::move(command)));
  if (const auto errors = reply["writeErrors"].to_array(); errors && !errors->empty()) {
    const auto code = object_in(errors->first())["code"].to_int64().value_or(0);
    if (code == kDuplicateKey) return Changed::kDuplicate;
    return fail(ErrorCode::kFailure, fmt::format("changing the store's {}: code {}", collection, code));
  }
  return reply["n"].to_int64().value_or(0) > 0 ? Changed::kYes : Changed::kNoMatch;
}

Result<std::int64_t> Store::remove(const std::string& collection, bson::View filter) {
  bson::Builder command;
  command.append("delete", collection);
  {
    auto deletes = command.open_array("deletes");
    auto one = deletes.open_document();
    one.append("q", filter).append("limit", 0);
  }
  append_write(command);
  const auto reply = TRY(run(std::move(command).finish()));
  return reply["n"].to_int64().value_or(0);
}

std::string new_id(Runtime& runtime) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(runtime.wall_time().time_since_epoch()).count();
  return fmt::format("{:08x}{:05x}{:011x}", static_cast<std::uint32_t>(micros / 1'000'000), micros % 1'000'000,
                     runtime.random() & 0xfffffffffffull);
}

std::string first_id_of(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  return fmt::format("{:08x}{:016x}", static_cast<std::uint32_t>(std::max<std::int64_t>(seconds, 0)), 0);
}

std::pair<std::string, std::string> ids_around(std::chrono::system_clock::time_point time, std::chrono::seconds within) {
  return {first_id_of(time - within), first_id_of(time + within + std::chrono::seconds(1))};
}

bool is_id(std::string_view text) {
  return text.size() == 24 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace drover::control
