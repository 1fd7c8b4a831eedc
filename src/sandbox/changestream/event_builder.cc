#include "sandbox/changestream/event_builder.h"

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/commands/command.h"
#include "sandbox/query/oplog_diff.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox::changestream {

namespace {

constexpr ServerVersion kWallTimeSince{6, 0, 0};
constexpr ServerVersion kTruncatedArraysSince{4, 7, 0};
constexpr ServerVersion kDisambiguatedSince{6, 1, 0};

std::pair<std::string_view, std::string_view> split(std::string_view ns) {
  const auto dot = ns.find('.');
  return {ns.substr(0, dot), dot == std::string_view::npos ? std::string_view() : ns.substr(dot + 1)};
}

void append_ns(bson::Builder& out, std::string_view key, std::string_view db, std::string_view collection) {
  auto ns = out.open_document(key);
  ns.append("db", db);
  if (!collection.empty()) ns.append("coll", collection);
}

// The fields that every event begins with.
void begin(bson::Builder& out, const Options& options, const Operation& operation, std::string_view type, const ResumeToken& token) {
  if (operation.lsid) out.append("txnNumber", operation.txn_number).append("lsid", *operation.lsid);
  out.append("_id", token.to_document()).append("operationType", type).append("clusterTime", operation.time);
  if (options.expanded_events && operation.uuid && type != "invalidate") out.append("collectionUUID", *operation.uuid);
  if (options.version >= kWallTimeSince && operation.wall) out.append("wallTime", operation.wall);
}

// As the server shows an event in an error: what it is, and where and when it happened.
std::string described_briefly(const Operation& operation, std::string_view type) {
  const auto [db, collection] = split(operation.ns);
  auto text = fmt::format("{{operationType: \"{}\", ns: {{db: \"{}\", coll: \"{}\"}}, clusterTime: Timestamp({}, {})", type, db, collection,
                          operation.time.seconds, operation.time.increment);
  if (operation.lsid) text += fmt::format(", txnNumber: {}", operation.txn_number);
  return text + "}";
}

tl::unexpected<Error> pre_image_missing(const Options& options, const Operation& operation, std::string_view type) {
  constexpr std::string_view kText = "Change stream was configured to require a pre-image for all update, delete and replace events, but ";
  if (options.version < kPreImagesSince) {
    return server_error(51770, fmt::format("{}no optime was recorded for event: {}", kText, described_briefly(operation, type)));
  }
  return server_error(47, fmt::format("{}the pre-image was not found for event: {}", kText, described_briefly(operation, type)));
}

tl::unexpected<Error> post_image_missing(const Operation& operation) {
  return server_error(47, fmt::format("Change stream was configured to require a post-image for all update events, but the post-image was "
                                      "not found for event: {}", described_briefly(operation, "update")));
}

// fullDocument of an update, by the stream's choice.
Status append_full_document(bson::Builder& out, const Options& options, const Operation& operation, const bson::Element& id,
                            const std::optional<bson::Document>& before, const Lookups& lookups) {
  switch (options.full_document) {
    case Options::Image::kOff: return {};
    case Options::Image::kLookup: {
      const auto found = operation.uuid ? TRY(lookups.current_document(*operation.uuid, id)) : std::nullopt;
      if (found) {
        out.append("fullDocument", *found);
      } else {
        out.append("fullDocument", bson::Null());
      }
      return {};
    }
    default: {
      if (before) {
        out.append("fullDocument", TRY(query::apply_oplog_update(*before, operation.o)));
        return {};
      }
      if (options.full_document == Options::Image::kRequired) return post_image_missing(operation);
      out.append("fullDocument", bson::Null());
      return {};
    }
  }
}

Result<std::optional<bson::Document>> read_before(const Options& options, const Operation& operation, bool is_update, const Lookups& lookups) {
  const bool for_post_image =
      is_update && (options.full_document == Options::Image::kWhenAvailable || options.full_document == Options::Image::kRequired);
  if (options.before_change == Options::Image::kOff && !for_post_image) return std::optional<bson::Document>();
  return lookups.before(operation);
}

Status append_before_change(bson::Builder& out, const Options& options, const Operation& operation, std::string_view type,
                            const std::optional<bson::Document>& before) {
  if (options.before_change == Options::Image::kOff) return {};
  if (before) {
    out.append("fullDocumentBeforeChange", *before);
  } else if (options.before_change == Options::Image::kRequired) {
    return pre_image_missing(options, operation, type);
  } else if (options.version >= kPreImagesSince || operation.pre_image) {
    out.append("fullDocumentBeforeChange", bson::Null());
  }
  return {};
}

bson::Document key_of(const Operation& operation) {
  if (operation.op == "d") return bson::Document(operation.o);
  if (operation.o2) return bson::Document(*operation.o2);
  bson::Builder out;
  if (const auto id = operation.o["_id"]) out.append_raw(id);
  return std::move(out).finish();
}

Result<Event> make_data_event(const Options& options, const Operation& operation, const Lookups& lookups) {
  const bool update = operation.op == "u" && !query::is_replacement_entry(operation.o);
  const std::string_view type = operation.op == "i" ? "insert" : operation.op == "d" ? "delete" : update ? "update" : "replace";
  const auto document_key = key_of(operation);
  const auto token = ResumeToken::event(options.token_version_at(operation.time), operation.time, operation.txn_index, operation.uuid,
                                        {.operation_type = type, .key_name = "documentKey", .key = document_key});
  const auto before = operation.op == "i" ? std::nullopt : TRY(read_before(options, operation, update, lookups));
  bson::Builder out;
  begin(out, options, operation, type, token);
  if (update) {
    TRY(append_full_document(out, options, operation, document_key["_id"], before, lookups));
  } else if (operation.op != "d") {
    out.append("fullDocument", operation.o);
  }
  const auto [db, collection] = split(operation.ns);
  append_ns(out, "ns", db, collection);
  out.append("documentKey", document_key);
  if (update) {
    if (options.raw_update_description) {
      out.append("rawUpdateDescription", operation.o);
    } else {
      out.append("updateDescription",
                 query::update_description(operation.o, {.truncated_arrays = options.version >= kTruncatedArraysSince,
                                                         .disambiguated_paths = options.expanded_events && options.version >= kDisambiguatedSince}));
    }
  }
  if (operation.op != "i") TRY(append_before_change(out, options, operation, type, before));
  return Event{.document = std::move(out).finish(), .token = token};
}

// Every field but the command's own name.
bson::Document without_first(bson::View o) {
  bson::Builder out;
  bool first = true;
  for (const auto& field : o) {
    if (!first) out.append_raw(field);
    first = false;
  }
  return std::move(out).finish();
}

// Documents of <db>.system.views define views. Streams of expanded events over a database or all of them show them as what they
// mean (6.0): a view's creation, change and end.
bool defines_view(const Options& options, const Operation& operation) {
  if (!options.expanded_events || options.scope == Options::Scope::kCollection || operation.op == "c" || operation.op == "n") return false;
  const auto [db, collection] = split(operation.ns);
  return collection == "system.views" && options.concerns_database(db);
}

std::optional<Event> make_view_event(const Options& options, const Operation& operation) {
  const auto [db, view] = split(operation.o["_id"].to_string_view().value_or(""));
  if (view.empty()) return std::nullopt;
  if (operation.o["viewOn"].to_string_view().value_or("").starts_with("system.buckets.")) return std::nullopt;  // a time-series collection
  const std::string_view type = operation.op == "i" ? "create" : operation.op == "d" ? "drop" : "modify";
  bson::Builder described;
  for (const auto& field : operation.o) {
    if (field.key() != "_id") described.append_raw(field);
  }
  const auto description = std::move(described).finish();
  const bool has_description = operation.op != "d";
  const auto token = ResumeToken::event(options.token_version_at(operation.time), operation.time, operation.txn_index, operation.uuid,
                                        {.operation_type = type, .key_name = has_description ? std::string_view("operationDescription") : std::string_view(),
                                         .key = has_description ? description.view() : bson::View(), .is_expanded = has_description});
  auto of_no_collection = operation;
  of_no_collection.uuid.reset();
  bson::Builder out;
  begin(out, options, of_no_collection, type, token);
  append_ns(out, "ns", db, view);
  if (has_description) out.append("operationDescription", description);
  return Event{.document = std::move(out).finish(), .token = token};
}

class CommandEvents {
 public:
  CommandEvents(const Options& options, const Operation& operation) : options_(options), operation_(operation) {
    std::tie(db_, std::ignore) = split(operation.ns);
    name_ = operation.o.first().key();
    collection_ = operation.o.first().to_string_view().value_or("");
  }

  std::optional<Event> make() {
    if (name_ == "drop") return drop();
    if (name_ == "renameCollection") return rename();
    if (name_ == "dropDatabase") return drop_database();
    if (!options_.expanded_events || !concerned()) return std::nullopt;
    if (name_ == "create") return create();
    if (name_ == "createIndexes") {
      const bson::Document specs[] = {without_first(operation_.o)};
      return described("createIndexes", bson::make_document({{"indexes", bson::ArrayView{bson::make_array(specs)}}}));
    }
    if (name_ == "commitIndexBuild") {
      bson::Builder description;
      description.append("indexes", operation_.o["indexes"]);
      return described("createIndexes", std::move(description).finish());
    }
    if (name_ == "dropIndexes") return drop_indexes();
    if (name_ == "collMod") return modify();
    return std::nullopt;
  }

 private:
  bool concerned() const { return options_.concerns(fmt::format("{}.{}", db_, collection_)); }
  bool is_collection_stream() const { return options_.scope == Options::Scope::kCollection; }

  Event finish(bson::Builder& out, ResumeToken token, bool invalidates) {
    return {.document = std::move(out).finish(), .token = std::move(token), .invalidates = invalidates};
  }
  ResumeToken token(std::string_view type) const { return token(type, {}, {}); }
  ResumeToken token(std::string_view type, std::string_view key_name, bson::View key, bool is_expanded = false) const {
    return ResumeToken::event(options_.token_version_at(operation_.time), operation_.time, operation_.txn_index, operation_.uuid,
                              {.operation_type = type, .key_name = key_name, .key = key, .is_expanded = is_expanded});
  }

  std::optional<Event> drop() {
    if (!concerned()) return std::nullopt;
    bson::Builder out;
    const auto id = token("drop");
    begin(out, options_, operation_, "drop", id);
    append_ns(out, "ns", db_, collection_);
    return finish(out, id, is_collection_stream());
  }

  std::optional<Event> rename() {
    const auto from = collection_;
    const auto to = operation_.o["to"].to_string_view().value_or("");
    if (!options_.concerns(from) && !options_.concerns(to)) return std::nullopt;
    const auto [from_db, from_collection] = split(from);
    const auto [to_db, to_collection] = split(to);
    bson::Builder described;
    append_ns(described, "to", to_db, to_collection);
    if (const auto target = operation_.o["dropTarget"].to_uuid()) described.append("dropTarget", *target);
    const auto description = std::move(described).finish();
    const auto id = token("rename", "operationDescription", description);
    bson::Builder out;
    append_ns(out, "to", to_db, to_collection);
    begin(out, options_, operation_, "rename", id);
    append_ns(out, "ns", from_db, from_collection);
    if (options_.expanded_events) out.append("operationDescription", description);
    return finish(out, id, is_collection_stream());
  }

  std::optional<Event> drop_database() {
    if (!options_.concerns_database(db_)) return std::nullopt;
    bson::Builder out;
    const auto id = token("dropDatabase");
    begin(out, options_, operation_, "dropDatabase", id);
    append_ns(out, "ns", db_, "");
    auto event = finish(out, id, options_.scope != Options::Scope::kCluster);
    event.is_drop_database = true;
    return event;
  }

  std::optional<Event> described(std::string_view type, const bson::Document& description) {
    const auto id = token(type, "operationDescription", description, true);
    bson::Builder out;
    begin(out, options_, operation_, type, id);
    append_ns(out, "ns", db_, collection_);
    out.append("operationDescription", description);
    return finish(out, id, false);
  }

  std::optional<Event> create() { return described("create", without_first(operation_.o)); }

  std::optional<Event> drop_indexes() {
    bson::Builder description;
    {
      auto indexes = description.open_array("indexes");
      if (operation_.o2) indexes.append(*operation_.o2);
    }
    return described("dropIndexes", std::move(description).finish());
  }

  std::optional<Event> modify() {
    const auto description = without_first(operation_.o);
    const auto id = token("modify", "operationDescription", description, true);
    bson::Builder out;
    begin(out, options_, operation_, "modify", id);
    append_ns(out, "ns", db_, collection_);
    out.append("operationDescription", description);
    if (operation_.o2) {
      auto before = out.open_document("stateBeforeChange");
      if (const auto options = (*operation_.o2)["collectionOptions_old"]) before.append("collectionOptions", options);
      if (const auto index = (*operation_.o2)["indexOptions_old"]) before.append("indexOptions", index);
    }
    return finish(out, id, false);
  }

  const Options& options_;
  const Operation& operation_;
  std::string_view db_;
  std::string_view name_;
  std::string_view collection_;
};

}  // namespace

Operation Operation::parse(bson::View entry) {
  Operation operation;
  for (const auto& field : entry) {
    const auto key = field.key();
    if (key == "op") operation.op = field.to_string_view().value_or("");
    else if (key == "ns") operation.ns = field.to_string_view().value_or("");
    else if (key == "ui") operation.uuid = field.to_uuid();
    else if (key == "o") operation.o = field.to_document().value_or(bson::View());
    else if (key == "o2") operation.o2 = field.to_document();
    else if (key == "ts") operation.time = operation.entry = field.to_timestamp().value_or(bson::Timestamp());
    else if (key == "wall") operation.wall = field;
    else if (key == "preImageOpTime") operation.pre_image = field.document_value()["ts"].to_timestamp();
  }
  return operation;
}

Result<std::optional<Event>> make_event(const Options& options, const Operation& operation, const Lookups& lookups) {
  if (defines_view(options, operation)) return make_view_event(options, operation);
  if (operation.op == "i" || operation.op == "u" || operation.op == "d") {
    if (!options.concerns(operation.ns)) return std::optional<Event>();
    return std::optional(TRY(make_data_event(options, operation, lookups)));
  }
  if (operation.op == "c") return CommandEvents(options, operation).make();
  return std::optional<Event>();
}

Event make_invalidate(const Options& options, const Event& cause, const Operation& operation) {
  auto token = cause.token;
  token.from_invalidate = true;
  bson::Builder out;
  auto plain = operation;
  plain.lsid.reset();
  begin(out, options, plain, "invalidate", token);
  return {.document = std::move(out).finish(), .token = std::move(token)};
}

}  // namespace drover::sandbox::changestream
