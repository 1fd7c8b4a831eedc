#include "sandbox/commands/map_reduce.h"

#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/key_string.h"
#include "bson/validate.h"
#include "sandbox/commands/aggregate.h"
#include "sandbox/commands/aggregate_output.h"
#include "sandbox/commands/map_reduce_request.h"
#include "sandbox/commands/script_session.h"
#include "sandbox/query/stage_memory.h"
#include "sandbox/script/protocol.h"

namespace drover::sandbox {

using bson::Document;
using bson::Element;
using bson::View;
using script::Request;

namespace {

constexpr std::int64_t kDocumentsOfBatch = 1000;
constexpr std::size_t kBytesOfBatch = 1 << 20;
// Of what the values of one key take in memory beside themselves.
constexpr std::size_t kValueOverhead = 64;
// To a reduce function that many bytes go at once.
constexpr std::size_t kMaxReduced = bson::kMaxDocumentBytes;
constexpr std::int32_t kStoredGlobals = 1;
constexpr int kOutToSpecial = 17385, kMergeToSpecial = 31319, kToInternal = 31321;

class MapReduce {
 public:
  MapReduce(CommandContext& context, const MapReduceRequest& request) : context_(context), request_(request), memory_(&context.services.memory.work) {}

  // Maps all documents.
  Status gather() {
    const auto input_scope = TRY(read_scope(context_));
    const auto statement = bson::make_document({{"collation", request_.collation}});  // {}: none is given
    collator_ = TRY(effective_collation(statement, input_scope.reader->catalog().find(request_.ns).get()));
    auto input = TRY(open_aggregate(context_, {.ns = request_.ns, .pipeline = input_pipeline(), .statement = statement}));
    BatchRequest wanted{.max_documents = kDocumentsOfBatch, .max_bytes = kBytesOfBatch, .stop = context_.stop, .command = &context_};
    while (!input.cursor->exhausted()) {
      TRY(check_interrupt(context_));
      CursorBatch batch(wanted);
      TRY(input.cursor->next_batch(context_, batch));
      TRY(map(std::move(batch).finish_documents()));
    }
    return {};
  }

  // {_id, value} of the next key; nothing when there is none.
  Result<std::optional<Document>> next() {
    if (at_ == keys_.size()) return std::optional<Document>();
    TRY(check_interrupt(context_));
    Key& key = keys_[at_++];
    const View id(key.id.view());
    auto value = TRY(reduce(id.first(), std::move(key.values)));
    if (request_.finalize) {
      bson::ArrayBuilder arguments;
      arguments.append(id.first());
      arguments.append(value["value"]);
      value = TRY(call(*request_.finalize, std::move(arguments).finish()));
    }
    bson::Builder out;
    out.append("_id", id.first());
    out.append("value", value["value"]);
    return std::optional(std::move(out).finish());
  }

  const std::shared_ptr<const bson::Collator>& collator() const { return collator_; }

 private:
  struct Key {
    Document id;  // {"": key}
    std::vector<Document> values;
  };

  Document input_pipeline() const {
    bson::ArrayBuilder stages;
    if (!request_.query.empty()) stages.open_document().append("$match", request_.query);
    if (request_.sort) stages.open_document().append("$sort", *request_.sort);
    if (request_.limit) stages.open_document().append("$limit", *request_.limit);
    return std::move(stages).finish();
  }

  Result<Document> ask(const Document& request) { return ScriptOperation::current()->ask(request); }
  // {value: x}
  Result<Document> call(const std::string& source, View arguments) {
    return ask(bson::make_document({{"do", static_cast<std::int32_t>(Request::kCall)}, {"globals", kStoredGlobals}, {"source", source}, {"arguments", bson::ArrayView{arguments}}}));
  }

  Status map(const Document& documents) {
    auto rest = documents.view().begin();
    while (rest != View::Iterator()) {
      bson::ArrayBuilder those;
      for (auto next = rest; next != View::Iterator(); ++next) those.append(*next);
      const auto list = std::move(those).finish();
      const auto reply = TRY(ask(bson::make_document({{"do", static_cast<std::int32_t>(Request::kMap)}, {"source", request_.map}, {"documents", bson::ArrayView{list.view()}}})));
      for (const Element& pair : reply["emits"].document_value()) TRY(take(pair.document_value()));
      TRY(memory_.hold(bytes_));
      for (auto done = reply["done"].int32_value(); done > 0; --done) ++rest;
    }
    return {};
  }

  Status take(View pair) {
    const Element key = pair["k"], value = pair["v"];
    const auto [found, added] = index_.try_emplace(bson::key_string(key, collator_.get()), keys_.size());
    if (added) {
      bson::Builder id;
      id.append("", key);
      keys_.push_back({std::move(id).finish(), {}});
      bytes_ += 2 * found->first.size() + sizeof(Key) + kValueOverhead;
    }
    bson::Builder held;
    held.append("", value);
    keys_[found->second].values.push_back(std::move(held).finish());
    bytes_ += keys_[found->second].values.back().size() + kValueOverhead;
    return {};
  }

  // {value: x}. Many values are reduced in several steps.
  Result<Document> reduce(const Element& key, std::vector<Document> values) {
    while (true) {
      bson::ArrayBuilder some;
      std::size_t left = values.size();
      for (; left > 0; --left) {
        const auto value = values[left - 1].view().first();
        if (some.size() + key.size() + value.size() > kMaxReduced) {
          if (some.count() <= 1) return server_error(31392, "Value too large to reduce");
          break;
        }
        some.append(value);
      }
      bson::ArrayBuilder arguments;
      arguments.append(key);
      arguments.append(bson::ArrayView{std::move(some).finish()});
      auto reduced = TRY(call(request_.reduce, std::move(arguments).finish()));
      if (left == 0) return reduced;
      values.resize(left);
      bson::Builder held;
      held.append("", reduced["value"]);
      values.push_back(std::move(held).finish());
    }
  }

  CommandContext& context_;
  const MapReduceRequest& request_;
  query::StageMemory memory_;
  std::shared_ptr<const bson::Collator> collator_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<Key> keys_;
  std::size_t at_ = 0, bytes_ = 0;
};

class Results final : public query::DocumentSource {
 public:
  explicit Results(MapReduce& work) : work_(work) {}
  Result<std::optional<Document>> next() override { return work_.next(); }

 private:
  MapReduce& work_;
};

Result<Document> inline_reply(CommandContext& context, MapReduce& work) {
  query::StageMemory memory(&context.services.memory.work);
  bson::ArrayBuilder results;
  while (const auto result = TRY(work.next())) {
    results.append(*result);
    TRY(memory.hold(results.size()));
    if (results.size() > bson::kMaxDocumentBytes) {
      return server_error(10334, fmt::format("BSONObj size: {} (0x{:X}) is invalid. Size must be between 0 and {}(16MB)", results.size(), results.size(), bson::kMaxInternalBytes));
    }
  }
  bson::Builder out;
  out.append("results", bson::ArrayView{std::move(results).finish()});
  return std::move(out).finish();
}

Document output_reply(const MapReduceRequest& request) {
  const auto& output = *request.output;
  if (!request.names_database) return bson::make_document({{"result", output.collection}});
  return bson::make_document({{"result", bson::make_document({{"db", output.db}, {"collection", output.collection}})}});
}

// What the pipeline that mapReduce is says of its output, as mapReduce says it.
Error as_map_reduce(Error error, const MapReduceRequest& request) {
  const auto& output = *request.output;
  const Namespace target{output.db.empty() ? request.ns.db : output.db, output.collection};
  if (error.server_code == code::kInvalidNamespace) error.message = fmt::format("Invalid output namespace {} for MapReduce", target.to_string());
  if (error.server_code == kOutToSpecial || error.server_code == kMergeToSpecial) error.message = fmt::format("Can't output mapReduce results to special collection {}", target.collection);
  if (error.server_code == kToInternal) error.message = fmt::format("Can't output mapReduce results to internal DB {}", target.db);
  return error;
}

Result<Document> run(CommandContext& context, const MapReduceRequest& request) {
  if (request.sort && request.sort->empty()) return server_error(15976, "The mapReduce sort option must have at least one sort key");
  if (request.limit && *request.limit <= 0) return server_error(15958, "The limit specified to mapReduce must be positive");
  ScriptOperation::current()->map_reduce(request.scope);
  MapReduce work(context, request);
  const auto within = [](Error error) {
    return is_interruption(error) ? error : caused_by("MapReduce internal error", std::move(error));
  };
  TRY(work.gather().map_error(within));
  if (!request.output) return inline_reply(context, work).map_error(within);
  Results results(work);
  TRY(write_output(context, request.ns, *request.output, results, work.collator()).map_error(within));
  return output_reply(request);
}

}  // namespace

Result<Document> map_reduce(CommandContext& context) {
  if (context.services.scripts == nullptr) return server_error(31264, "Cannot run server-side javascript without the javascript engine enabled");
  const auto request = TRY(parse_map_reduce(context));
  const auto scope = TRY(read_scope(context));
  const auto collection = scope.reader->catalog().find(request.ns);
  if (collection && collection->is_view()) return server_error(code::kCommandNotSupportedOnView, "mapReduce on a view is not supported");
  if (request.output) TRY(check_output(context, request.ns, *request.output).map_error([&](Error error) { return as_map_reduce(std::move(error), request); }));
  return run(context, request);
}

}  // namespace drover::sandbox
