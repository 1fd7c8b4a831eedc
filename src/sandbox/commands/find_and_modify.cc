// findAndModify. Facts: corpus update/find-and-modify.
#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/timeseries.h"
#include "sandbox/commands/update_statement.h"
#include "sandbox/query/projection.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox {

namespace {

struct Request {
  UpdateSpec spec;
  bool remove = false;
  bool want_new = false;
  bson::View fields;
};

// Since 5.0 worded as every command's fields.
tl::unexpected<Error> mistyped(const CommandContext& context, const bson::Element& field, std::string_view wanted, std::string_view type) {
  if (!context.settings().at_least(5, 0)) {
    return server_error(code::kTypeMismatch, fmt::format("'{}' parameter must be {}, found {}", field.key(), wanted, bson::type_name(field.type())));
  }
  return server_error(code::kTypeMismatch, fmt::format("BSON field 'findAndModify.{}' is the wrong type '{}', expected type '{}'", field.key(),
                                                       bson::type_name(field.type()), type));
}

// Whatever is true or false is taken by 4.4.
Result<bool> flag(const CommandContext& context, std::string_view name) {
  return context.settings().at_least(5, 0) ? bool_field(context, name) : Result<bool>(context.body[name].is_truthy());
}

Result<Request> parse(const CommandContext& context) {
  TRY(named_collection(context));
  TRY(check_fields(context, {"query", "sort", "remove", "update", "new", "fields", "upsert", "bypassDocumentValidation", "collation", "arrayFilters",
                             "hint", "let", "collectionUUID", "bypassEmptyTsReplacement"}));
  TRY(check_newer_fields(context));
  Request request;
  auto& spec = request.spec;
  spec.collation_of = context.body;
  for (const auto& field : context.body) {
    const auto key = field.key();
    if (key == "query" || key == "sort" || key == "fields" || key == "let") {
      if (field.is_null()) continue;
      const auto document = field.to_document();
      if (!document) return mistyped(context, field, "an object", "object");
      if (key == "query") spec.query = *document;
      if (key == "sort") spec.sort = *document;
      if (key == "fields") request.fields = *document;
      if (key == "let") spec.let = *document;
    } else if (key == "remove") request.remove = TRY(flag(context, key));
    else if (key == "new") request.want_new = TRY(flag(context, key));
    else if (key == "upsert") spec.upsert = TRY(flag(context, key));
    else if (key == "update") spec.update = field;
    else if (key == "hint") spec.hint = TRY(statement_hint(field));
    else if (key == "arrayFilters") {
      spec.array_filters = field.to_array();
      if (!spec.array_filters) return mistyped(context, field, "an array", "array");
    }
  }
  if (!request.remove && !spec.update) return server_error(code::kFailedToParse, "Either an update or remove=true must be specified");
  if (request.remove && spec.update) return server_error(code::kFailedToParse, "Cannot specify both an update and remove=true");
  if (request.remove && spec.upsert) return server_error(code::kFailedToParse, "Cannot specify both upsert=true and remove=true");
  if (request.remove && request.want_new) return server_error(code::kFailedToParse, "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document");
  if (request.remove && spec.array_filters) return server_error(code::kFailedToParse, "Cannot specify arrayFilters and remove=true");
  return request;
}

struct Outcome {
  bool found = false;
  std::optional<bson::Value> upserted;
  std::optional<bson::Document> value;
};

constexpr std::string_view kFailing = "Plan executor error during findAndModify";
// Since 5.0 whatever fails once documents are looked at; before, only sorting (find_one).
tl::unexpected<Error> failed(const CommandContext& context, Error error) {
  if (!context.settings().at_least(5, 0)) return tl::unexpected(std::move(error));
  return tl::unexpected(caused_by(kFailing, std::move(error)));
}

using Evaluation = std::shared_ptr<const query::EvaluationContext>;

Result<bson::Document> reply_of(CommandContext& context, const Request& request, const query::Matcher* filter, const Evaluation& evaluation, const Outcome& outcome) {
  bson::Builder out;
  {
    auto last = out.open_document("lastErrorObject");
    last.append("n", outcome.found || outcome.upserted ? 1 : 0);
    if (!request.remove) last.append("updatedExisting", outcome.found);
    if (outcome.upserted) last.append("upserted", *outcome.upserted);
  }
  if (!outcome.value) {
    out.append("value", bson::Null{});
  } else if (request.fields.empty()) {
    out.append("value", *outcome.value);
  } else {
    const auto projection = TRY(query::Projection::parse(request.fields, filter, context.settings().version, evaluation));
    auto shown = projection.apply(*outcome.value);
    if (!shown) return failed(context, std::move(shown).error());
    out.append("value", *shown);
  }
  return std::move(out).finish();
}

// Before anything is written.
Status check_projection(CommandContext& context, const Request& request, const query::Matcher& filter, const Evaluation& evaluation) {
  if (request.fields.empty()) return {};
  const auto projection = TRY(query::Projection::parse(request.fields, &filter, context.settings().version, evaluation));
  if (request.want_new && projection.is_positional()) {
    return server_error(code::kBadValue, "cannot use a positional projection and return the new document");
  }
  return {};
}

// The image of a findAndModify since 5.0, while no later one of the session has taken its place.
Result<std::optional<bson::Document>> image_aside(CommandContext& context, const bson::Document& entry) {
  const auto reader = make_reader(context.engine(), context.engine().view());
  const auto images = reader->catalog().find(retry_images_namespace());
  if (!images) return std::optional<bson::Document>();
  const auto found = TRY(reader->find_by_id(*images, entry["lsid"]));
  if (!found || found->document["txnNum"].to_int64() != entry["txnNumber"].to_int64()) return std::optional<bson::Document>();
  return std::optional(bson::Document(found->document["image"].document_value()));
}

// A retry that asks for something else than what was done.
Status check_same_kind(const CommandContext& context, const Request& request, const bson::Document& entry) {
  const auto op = entry["op"].to_string_view().value_or("");
  const auto ts = entry["ts"].to_timestamp().value_or(bson::Timestamp{});
  const auto asked = "findAndModify retry request: " + bson::to_shell(context.body);
  const auto done = fmt::format("oplogTs: Timestamp({}, {}), oplog: {}", ts.seconds, ts.increment, bson::to_shell(entry));
  const auto other_kind = [&](int error_code) {
    return server_error(error_code, fmt::format("{} is not compatible with previous write in the transaction of type: {}, {}", asked, op, done));
  };
  if (op == "d") return request.remove ? Status() : other_kind(40606);
  if (op == "i") return request.spec.upsert ? Status() : other_kind(40608);
  if (request.remove) return other_kind(40609);
  const auto image = entry["needsRetryImage"].to_string_view().value_or("");
  const bool has_after = entry["postImageOpTime"].exists() || image == "postImage";
  if (request.want_new && !has_after) {
    return server_error(40611, fmt::format("{} wants the document after update returned, but only before update document is stored, {}", asked, done));
  }
  if (!request.want_new && has_after) {
    return server_error(40612, fmt::format("{} wants the document before update returned, but only after update document is stored, {}", asked, done));
  }
  return {};
}

// What was answered when the statement was first run, from its entry and the image beside it.
Result<Outcome> repeated(CommandContext& context, const Request& request, const bson::Document& entry) {
  Outcome outcome;
  const auto op = entry["op"].to_string_view().value_or("");
  TRY(check_same_kind(context, request, entry));
  if (op == "i") {
    outcome.upserted = bson::Value(entry["o"].document_value()["_id"]);
    if (request.want_new) outcome.value = bson::Document(entry["o"].document_value());
    return outcome;
  }
  outcome.found = true;
  for (const char* image : {"preImageOpTime", "postImageOpTime"}) {
    const auto time = entry[image].to_document();
    if (!time) continue;
    const auto note = TRY(oplog_entry_at(context.engine(), (*time)["ts"].to_timestamp().value_or(bson::Timestamp{})));
    if (!note) return server_error(217, "Incomplete history detected: the image of the retried operation is gone");
    outcome.value = bson::Document((*note)["o"].document_value());
  }
  if (const auto kind = entry["needsRetryImage"]) {
    auto image = TRY(image_aside(context, entry));
    if (!image) {
      return server_error(217, fmt::format("image collection no longer contains the complete write history of this transaction, record with "
                                           "_id: {} cannot be found", bson::to_shell(entry["lsid"].document_value())));
    }
    outcome.value = std::move(*image);
  }
  return outcome;
}

Result<Outcome> change(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, const Request& request,
                       const UpdateStatement* statement, const std::optional<Found>& found, Retries& retries) {
  Outcome outcome;
  const auto number = retries.statement(0);
  using Image = WriteUnit::Image;
  if (request.remove) {
    if (!found) return outcome;
    if (collection->capped && !context.settings().at_least(5, 0)) {
      return server_error(code::kIllegalOperation, fmt::format("cannot remove from a capped collection: {}", collection->ns.to_string()));
    }
    unit.set_image(found->document, Image::kBefore);
    TRY(unit.remove(collection, found->id, found->document, number));
    outcome = {true, std::nullopt, found->document};
  } else if (found) {
    const auto changed = TRY(statement->apply(context, unit, collection, *found, number, request.want_new ? Image::kAfter : Image::kBefore));
    outcome = {true, std::nullopt, request.want_new ? changed.document : found->document};
    if (!changed.modified) return outcome;
  } else if (request.spec.upsert) {
    auto document = TRY(statement->insert(context, unit, collection, number));
    outcome.upserted = bson::Value(document["_id"]);
    if (request.want_new) outcome.value = std::move(document);
  } else {
    return outcome;
  }
  retries.wrote(unit, 0);
  return outcome;
}

Result<bson::Document> find_and_modify(CommandContext& context) {
  const auto request = TRY(parse(context));
  const auto ns = TRY(named_collection(context));
  TRY(check_writable(context, ns));
  TRY(flag(context, "bypassDocumentValidation"));
  Retries retries(context);
  if (const auto entry = TRY(retries.done(0))) {
    context.services.sessions.count_retried(true);
    const auto let = request.spec.let ? TRY(query::evaluate_let(*request.spec.let, *evaluation_context(context))) : bson::Document();
    const auto collator = TRY(effective_collation(context.body, TRY(read_scope(context)).reader->catalog().find(ns).get()));
    auto reply = TRY(reply_of(context, request, nullptr, evaluation_context(context, let, collator), TRY(repeated(context, request, *entry))));
    if (!context.settings().at_least(5, 0)) return reply;
    return bson::append_fields(std::move(reply), bson::make_document({{"retriedStmtId", retries.statement(0)}}));
  }
  while (true) {
    TRY(check_interrupt(context));
    auto scope = TRY(read_scope(context));
    const auto collection = scope.reader->catalog().find(ns);
    TRY(check_collection_uuid(context, scope.reader->catalog(), ns, collection.get()));
    if (collection && collection->is_view()) return refuse_on_view(*collection, "findAndModify");
    TRY(check_transactional(context, collection));
    std::optional<UpdateStatement> statement;
    auto collator = TRY(effective_collation(context.body, collection.get()));
    const auto let = request.spec.let ? TRY(query::evaluate_let(*request.spec.let, *evaluation_context(context))) : bson::Document();
    if (!request.remove) statement = TRY(UpdateStatement::parse(context, request.spec, collection.get()));
    const auto evaluation = evaluation_context(context, let, collator);
    const auto filter = statement ? statement->filter() : TRY(query::Matcher::parse(request.spec.query, collator, context.settings().version, evaluation));
    TRY(check_projection(context, request, filter, evaluation));
    query::read_text_score(filter, *evaluation);
    const auto sort = statement ? statement->sort() : TRY(query::SortPattern::parse(request.spec.sort, collator, context.settings().version, evaluation));
    const FindOne what{.filter = &filter, .sort = &sort, .collator = collator, .hint = request.spec.hint, .sort_spec = request.spec.sort, .projection = request.fields, .failing = kFailing};
    auto found = collection ? TRY(find_one(context, *scope.reader, collection, what)) : std::nullopt;
    if (!found && !request.spec.upsert) return reply_of(context, request, &filter, evaluation, {});
    std::optional<Outcome> outcome;
    const auto written = in_write_unit(context, [&](WriteUnit& unit) -> Status {
      retries.enter(unit);
      const auto current = TRY(collection_for_write(context, unit, ns, request.spec.upsert));
      if (!current) return {};
      auto now = found ? TRY(still_there(unit, current, filter, *found)) : std::nullopt;
      if (found && !now) return {};  // it changed meanwhile: look again
      if (!found) now = TRY(find_one(context, unit, current, what));
      auto changed = change(context, unit, current, request, statement ? &*statement : nullptr, now, retries);
      if (!changed) {
        if (const auto& duplicate = unit.duplicate()) {
          bson::Builder extra;
          append_duplicate(extra, *duplicate);
          context.error_extra = std::move(extra).finish();
        }
        return tl::unexpected(changed.error());
      }
      outcome = std::move(*changed);
      return {};
    }, [&](const WriteUnit& unit) { retries.committed(unit); }, [&] {
      forget_document(found);
      outcome.reset();
    });
    if (!written) return failed(context, written.error());
    note_system_write(context, ns);
    if (outcome) return reply_of(context, request, &filter, evaluation, *outcome);
  }
}

}  // namespace

std::span<const Command> find_and_modify_commands() {
  static const Command kRows[] = {
      {.name = "findAndModify", .flags = kWrite | kInTransaction | kRetryable | kUserBlocked, .resource = ResourceKind::kCollection, .action = "find", .also = authorize_find_and_modify, .handler = find_and_modify, .help = "changes or removes one document and returns it", .alias = "findandmodify"},
  };
  return kRows;
}

}  // namespace drover::sandbox
