#include "sandbox/commands/authorize.h"

#include <algorithm>

#include "sandbox/commands/support.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

using Kind = Resource::Kind;

Resource cluster() { return {Kind::kCluster, {}}; }
Resource database(std::string_view db) { return {Kind::kDatabase, {std::string(db), ""}}; }
// Without a name: the database.
Resource collection(std::string_view db, std::string_view name) {
  return {name.empty() ? Kind::kDatabase : Kind::kCollection, {std::string(db), std::string(name)}};
}
Resource collection(const Namespace& ns) { return collection(ns.db, ns.collection); }

std::string_view text_of(const bson::Element& element) { return element.to_string_view().value_or(""); }

// The collection that a command names by its first field; a UUID is looked up.
Resource named(const CommandContext& context, bson::View body) {
  const auto first = body.first();
  if (const auto uuid = first.to_uuid()) {
    const auto found = context.engine().view()->catalog->find(*uuid);
    return found ? collection(found->ns) : database(context.database);
  }
  return collection(context.database, text_of(first));
}

// "db.collection"; a database alone is a database.
Resource spelled(std::string_view name) {
  const auto dot = name.find('.');
  return dot == std::string_view::npos ? database(name) : collection(name.substr(0, dot), name.substr(dot + 1));
}

Status authorize_all(CommandContext& context, std::initializer_list<std::string_view> actions, const Resource& resource) {
  for (const auto action : actions) TRY(context.authorize(action, resource));
  return {};
}

Status authorize_bypass(CommandContext& context, bson::View body, const Resource& resource) {
  return body["bypassDocumentValidation"].is_truthy() ? context.authorize("bypassDocumentValidation", resource) : Status();
}

// The statements of a write command, from wherever they came.
template <typename Predicate>
bool any_statement(const CommandContext& context, bson::View body, std::string_view name, Predicate predicate) {
  for (const auto& sequence : context.sequences) {
    if (sequence.name == name && std::any_of(sequence.documents.begin(), sequence.documents.end(), predicate)) return true;
  }
  const auto array = body[name].to_array();
  if (!array) return false;
  for (const auto& item : *array) {
    const auto document = item.to_document();
    if (document && predicate(*document)) return true;
  }
  return false;
}

Status authorize_stages(CommandContext& context, bson::View stages, const Namespace& ns, bool bypass);

Status authorize_sub_pipeline(CommandContext& context, const bson::Element& pipeline, const Namespace& ns) {
  const auto stages = pipeline.to_array();
  return stages ? authorize_stages(context, *stages, ns, false) : Status();
}

// `from` of $lookup and $graphLookup: a name, or {db, coll}.
Namespace foreign_namespace(const bson::Element& from, std::string_view db) {
  if (const auto object = from.to_document()) {
    const auto other = text_of((*object)["db"]);
    return {std::string(other.empty() ? db : other), std::string(text_of((*object)["coll"]))};
  }
  return {std::string(db), std::string(text_of(from))};
}

Namespace output_namespace(const bson::Element& target, std::string_view db) {
  if (const auto object = target.to_document()) {
    const auto other = text_of((*object)["db"]);
    return {std::string(other.empty() ? db : other), std::string(text_of((*object)["coll"]))};
  }
  return {std::string(db), std::string(text_of(target))};
}

Status authorize_merge(CommandContext& context, const bson::Element& argument, std::string_view db, bool bypass) {
  const auto object = argument.to_document();
  const auto ns = output_namespace(object ? (*object)["into"] : argument, db);
  const auto matched = object ? (*object)["whenMatched"] : bson::Element();
  const auto not_matched = object ? text_of((*object)["whenNotMatched"]) : std::string_view();
  const auto when = text_of(matched);
  const bool updates = when != "keepExisting" && when != "fail";  // merge by default, replace, or a pipeline
  const bool inserts = not_matched.empty() || not_matched == "insert";
  if (inserts || !updates) TRY(context.authorize("insert", collection(ns)));
  if (updates) TRY(context.authorize("update", collection(ns)));
  return bypass ? context.authorize("bypassDocumentValidation", collection(ns)) : Status();
}

Status authorize_out(CommandContext& context, const bson::Element& argument, std::string_view db, bool bypass) {
  const auto target = collection(output_namespace(argument, db));
  TRY(authorize_all(context, {"insert", "remove"}, target));
  return bypass ? context.authorize("bypassDocumentValidation", target) : Status();
}

// What a pipeline reads first, unless that is the collection itself.
struct FirstStage {
  std::string_view name;
  Status (*authorize)(CommandContext&, const bson::Element& argument, const Namespace& ns);
};
constexpr FirstStage kFirstStages[] = {
    {"$changeStream",
     [](CommandContext& context, const bson::Element& argument, const Namespace& ns) {
       const auto options = argument.to_document();
       const bool all = options && (*options)["allChangesForCluster"].is_truthy();
       return authorize_all(context, {"changeStream", "find"}, all ? Resource{Kind::kAnyNormal, {}} : collection(ns));
     }},
    {"$collStats", [](CommandContext& context, const bson::Element&, const Namespace& ns) { return context.authorize("collStats", collection(ns)); }},
    {"$indexStats", [](CommandContext& context, const bson::Element&, const Namespace& ns) { return context.authorize("indexStats", collection(ns)); }},
    {"$planCacheStats",
     [](CommandContext& context, const bson::Element&, const Namespace& ns) { return context.authorize("planCacheRead", collection(ns)); }},
    // allUsers: false shows the user's own operations.
    {"$currentOp",
     [](CommandContext& context, const bson::Element& argument, const Namespace&) {
       const auto options = argument.to_document();
       return options && (*options)["allUsers"].is_truthy() ? context.authorize("inprog", cluster()) : Status();
     }},
    {"$listSessions",
     [](CommandContext& context, const bson::Element& argument, const Namespace&) {
       const auto options = argument.to_document();
       return options && !options->empty() ? context.authorize("listSessions", cluster()) : Status();
     }},
    {"$listLocalSessions",
     [](CommandContext& context, const bson::Element& argument, const Namespace&) {
       const auto options = argument.to_document();
       return options && !options->empty() ? context.authorize("listSessions", cluster()) : Status();
     }},
    {"$listCatalog",
     [](CommandContext& context, const bson::Element&, const Namespace& ns) -> Status {
       if (!ns.collection.empty()) return authorize_all(context, {"listCollections", "listIndexes"}, collection(ns));
       TRY(context.authorize("listDatabases", cluster()));
       return authorize_all(context, {"listCollections", "listIndexes"}, {Kind::kAnyNormal, {}});
     }},
    {"$documents", [](CommandContext&, const bson::Element&, const Namespace&) { return Status(); }},
};

Status authorize_stage(CommandContext& context, const bson::Element& stage, const Namespace& ns, bool bypass) {
  const auto name = stage.key();
  const auto object = stage.to_document();
  if (name == "$out") return authorize_out(context, stage, ns.db, bypass);
  if (name == "$merge") return authorize_merge(context, stage, ns.db, bypass);
  if (name == "$unionWith") {
    const auto foreign = object ? foreign_namespace((*object)["coll"], ns.db) : foreign_namespace(stage, ns.db);
    if (foreign.collection.empty()) return object ? authorize_sub_pipeline(context, (*object)["pipeline"], ns) : Status();
    TRY(context.authorize("find", collection(foreign)));
    return object ? authorize_sub_pipeline(context, (*object)["pipeline"], foreign) : Status();
  }
  if (!object) return {};
  if (name == "$lookup" || name == "$graphLookup") {
    const auto from = (*object)["from"];
    const auto foreign = from ? foreign_namespace(from, ns.db) : ns;  // without it the pipeline brings its own documents
    if (from) TRY(context.authorize("find", collection(foreign)));
    return authorize_sub_pipeline(context, (*object)["pipeline"], foreign);
  }
  if (name == "$facet") {
    for (const auto& facet : *object) {
      if (const auto stages = facet.to_array()) {
        for (const auto& item : *stages) {
          const auto inner = item.to_document();
          if (inner && !inner->empty()) TRY(authorize_stage(context, inner->first(), ns, false));
        }
      }
    }
  }
  return {};
}

// Stages over the documents of `ns`.
Status authorize_stages(CommandContext& context, bson::View stages, const Namespace& ns, bool bypass) {
  bool first = true, own_source = false;
  for (const auto& item : stages) {
    const auto stage = item.to_document();
    if (!stage || stage->empty()) continue;
    const auto only = stage->first();
    if (std::exchange(first, false)) {
      for (const auto& [name, authorize] : kFirstStages) {
        if (only.key() != name) continue;
        own_source = true;
        TRY(authorize(context, only, ns));
      }
    }
    TRY(authorize_stage(context, only, ns, bypass));
  }
  return own_source ? Status() : context.authorize("find", collection(ns));
}

// Who could not read the view anyway may make it; who can has to be able to read what it shows.
Status authorize_view(CommandContext& context, bson::View body, const Resource& view) {
  if (!context.authorization.is_allowed("find", view)) return {};
  const Namespace on{std::string(context.database), std::string(text_of(body["viewOn"]))};
  const auto stages = body["pipeline"].to_array();
  return authorize_stages(context, stages ? *stages : bson::View(), on, false);
}

Status authorize_row(CommandContext& context, const Command& command, bson::View body) {
  switch (command.resource) {
    case ResourceKind::kCollection:
      if (body.first().type() == bson::Type::kBinary) TRY(context.authorize("useUUID", cluster()));
      return context.authorize(command.action, named(context, body));
    case ResourceKind::kDatabase: return context.authorize(command.action, database(context.database));
    case ResourceKind::kCluster: return context.authorize(command.action, cluster());
    case ResourceKind::kAuthenticated:
    case ResourceKind::kCustom: return {};
    case ResourceKind::kNone: break;
  }
  // A row without a rule is a mistake, which a test finds; until then nobody runs it.
  return server_error(code::kUnauthorized, "command " + std::string(command.name) + " has no rule of who may run it");
}

}  // namespace

Status authorize_command(CommandContext& context, const Command& command, bson::View body) {
  TRY(authorize_row(context, command, body));
  return command.also ? command.also(context, body) : Status();
}

Status authorize_insert(CommandContext& context, bson::View body) { return authorize_bypass(context, body, named(context, body)); }

Status authorize_update(CommandContext& context, bson::View body) {
  const auto target = named(context, body);
  if (any_statement(context, body, "updates", [](bson::View statement) { return statement["upsert"].is_truthy(); })) {
    TRY(context.authorize("insert", target));
  }
  return authorize_bypass(context, body, target);
}

Status authorize_find_and_modify(CommandContext& context, bson::View body) {
  const auto target = named(context, body);
  if (body["update"]) TRY(context.authorize("update", target));
  if (body["upsert"].is_truthy()) TRY(context.authorize("insert", target));
  if (body["remove"].is_truthy()) TRY(context.authorize("remove", target));
  return authorize_bypass(context, body, target);
}

Status authorize_create(CommandContext& context, bson::View body) {
  const auto target = named(context, body);
  if (body["capped"].is_truthy()) TRY(context.authorize("convertToCapped", target));
  if (body["viewOn"]) {
    TRY(context.authorize("createCollection", target));
    return authorize_view(context, body, target);
  }
  // An insert makes its collection too.
  return context.authorization.is_allowed("insert", target) ? Status() : context.authorize("createCollection", target);
}

Status authorize_coll_mod(CommandContext& context, bson::View body) {
  const bool on = body["viewOn"].exists(), pipeline = body["pipeline"].exists();
  if (on != pipeline) {
    return server_error(code::kInvalidOptions, "Must specify both 'viewOn' and 'pipeline' when modifying a view and auth is enabled");
  }
  return on ? authorize_view(context, body, named(context, body)) : Status();
}

Status authorize_clone_as_capped(CommandContext& context, bson::View body) {
  return authorize_all(context, {"insert", "createIndex", "convertToCapped"}, collection(context.database, text_of(body["toCollection"])));
}

Status authorize_aggregate(CommandContext& context, bson::View body) {
  const auto stages = body["pipeline"].to_array();
  const Namespace ns{std::string(context.database), std::string(text_of(body.first()))};
  return authorize_stages(context, stages ? *stages : bson::View(), ns, body["bypassDocumentValidation"].is_truthy());
}

// Where the results go: replaced, or changed document by document.
Status authorize_map_reduce(CommandContext& context, bson::View body) {
  const auto out = body["out"];
  const auto options = out.to_document().value_or(bson::View());
  if (options["inline"]) return {};
  const auto changed = options["merge"] ? options["merge"] : options["reduce"];
  const auto name = text_of(changed ? changed : options["replace"] ? options["replace"] : out);
  if (name.empty()) return {};
  const auto db = options["db"].to_string_view().value_or(context.database);
  const auto target = collection(db, name);
  TRY(authorize_all(context, {"insert", changed ? "update" : "remove"}, target));
  return body["bypassDocumentValidation"].is_truthy() ? context.authorize("bypassDocumentValidation", target) : Status();
}

Status authorize_explain(CommandContext& context, bson::View body) {
  const auto inner = body.first().to_document();
  if (!inner || inner->empty()) return {};
  const auto* command = context.services.commands.find(inner->first().key(), context.settings().version);
  if (command == nullptr || command->name == "explain" || (command->flags & kNoAuth) != 0) return {};
  return authorize_command(context, *command, *inner);
}

Status authorize_rename(CommandContext& context, bson::View body) {
  const auto from = spelled(text_of(body.first())), to = spelled(text_of(body["to"]));
  const bool drops = body["dropTarget"].is_truthy();
  const auto allowed = [&](std::string_view action, const Resource& resource) { return context.authorization.is_allowed(action, resource); };
  const auto is_system = [](const Resource& resource) { return resource.ns.collection.starts_with("system."); };
  if (from.ns.db == to.ns.db && !is_system(from) && !is_system(to) && allowed("renameCollectionSameDB", database(from.ns.db)) &&
      (!drops || allowed("dropCollection", to)) && (allowed("find", from) || !allowed("find", to))) {
    return {};
  }
  // To another database it is what it is made of.
  TRY(authorize_all(context, {"find", "dropCollection"}, from));
  TRY(authorize_all(context, {"insert", "createIndex"}, to));
  return drops ? context.authorize("dropCollection", to) : Status();
}

Status authorize_profile(CommandContext& context, bson::View body) {
  // Who may read what the profiler has written may ask for its level.
  const bool asks = body.first().to_int64() == -1 && !body["filter"];
  if (asks && context.authorization.is_allowed("find", collection(context.database, "system.profile"))) return {};
  return context.authorize("enableProfiler", database(context.database));
}

Status authorize_kill_cursors(CommandContext& context, bson::View body) {
  const auto ids = body["cursors"].to_array();
  if (!ids) return {};
  for (const auto& id : *ids) {
    const auto owners = id.type() == bson::Type::kInt64 ? context.services.cursors.users_of(id.int64_value()) : std::nullopt;
    if (!owners || is_coauthorized(context, *owners) || context.authorization.is_allowed("killAnyCursor", cluster())) continue;
    TRY(context.authorize("killAnyCursor", named(context, body)));
  }
  return {};
}

Status authorize_kill_op(CommandContext& context, bson::View body) {
  const auto id = body["op"].to_int64();
  const auto owners = id ? context.services.operations.users_of(*id) : std::nullopt;
  if (owners && !owners->empty() && is_coauthorized(context, *owners)) return {};
  return context.authorize("killop", cluster());
}

Status authorize_list_collections(CommandContext& context, bson::View body) {
  const bool own_names = body["nameOnly"].is_truthy() && body["authorizedCollections"].is_truthy();
  if (own_names && context.authorization.may_anything_in(context.database)) return {};
  return context.authorize("listCollections", database(context.database));
}

std::vector<std::string> user_names(const CommandContext& context) {
  std::vector<std::string> names;
  for (const auto& user : context.authorization.users()) names.push_back(user.name + "@" + user.db);
  return names;
}

bool is_coauthorized(const CommandContext& context, const std::vector<std::string>& users) {
  const auto own = user_names(context);
  if (own.empty() && users.empty()) return true;
  return std::any_of(own.begin(), own.end(), [&](const std::string& name) { return std::find(users.begin(), users.end(), name) != users.end(); });
}

}  // namespace drover::sandbox
