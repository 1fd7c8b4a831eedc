#include "ceilings.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include <fmt/format.h>

#include "bson/builder.h"
#include "mongo.h"
#include "parallel.h"

namespace drover::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kPreparedBytes = 256 << 20;  // batches in memory at a time
constexpr std::int64_t kApplyDocuments = 500;       // of one read and one write, or kApplyBytes
constexpr std::int64_t kApplyBytes = 4 << 20;

double seconds_since(Clock::time_point begun) { return std::chrono::duration<double>(Clock::now() - begun).count(); }

bson::Document between(std::int64_t from, std::int64_t to) {
  return bson::make_document({{"_id", bson::make_document({{"$gte", from}, {"$lt", to}})}});
}

// The documents of a query as they come; `take` may be empty.
Status read(Client& client, const Shape& shape, const bson::Document& filter, const std::function<void(bson::View)>& take) {
  const std::unique_ptr<mongoc_collection_t, void (*)(mongoc_collection_t*)> collection(
      mongoc_client_get_collection(client.get(), kDatabase, shape.collection.c_str()), mongoc_collection_destroy);
  const auto options = bson::make_document({{"readConcern", bson::make_document({{"level", "majority"}})}});
  bson_t query, opts;
  bson_init_static(&query, filter.bytes().data(), filter.size());
  bson_init_static(&opts, options.bytes().data(), options.size());
  const std::unique_ptr<mongoc_cursor_t, void (*)(mongoc_cursor_t*)> cursor(
      mongoc_collection_find_with_opts(collection.get(), &query, &opts, nullptr), mongoc_cursor_destroy);
  const bson_t* document = nullptr;
  while (mongoc_cursor_next(cursor.get(), &document))
    if (take) take(bson::View(bson_get_data(document)));
  bson_error_t error;
  if (mongoc_cursor_error(cursor.get(), &error)) return fail(ErrorCode::kFailure, fmt::format("reading: {}", error.message));
  return {};
}

Status replace_range(Client& source, Client& destination, const Shape& shape, std::int64_t from, std::int64_t to) {
  bson::Builder filter;
  {
    auto condition = filter.open_document("_id");
    auto ids = condition.open_array("$in");
    for (auto number = from; number < to; ++number) ids.append(number);
  }
  bson::Builder command;
  command.append("update", shape.collection).append("ordered", false);
  {
    auto updates = command.open_array("updates");
    TRY(read(source, shape, std::move(filter).finish(), [&](bson::View document) {
      auto update = updates.open_document();
      {
        auto query = update.open_document("q");
        query.append("_id", document["_id"]);
      }
      update.append("u", document).append("upsert", true);
    }));
  }
  command.append("writeConcern", bson::make_document({{"w", "majority"}}));
  TRY(destination.command(kCeilingDatabase, std::move(command).finish()));
  return {};
}

}  // namespace

namespace {

Status insert_prepared(Client& client, const std::string& db, const std::vector<bson::Document>& commands, int thread) {
  for (auto i = static_cast<std::size_t>(thread); i < commands.size(); i += kCopyThreads) TRY(client.command(db, commands[i]));
  return {};
}

// The part of documents [from, to) that this thread scans.
Status scan_part(Client& client, const Shape& shape, std::int64_t from, std::int64_t to, int thread) {
  const auto at = [&](int part) { return from + (to - from) * part / kCopyThreads; };
  return read(client, shape, between(at(thread), at(thread + 1)), {});
}

// Slices of what fits into memory as batches: body(from, to, commands) is timed, building them is not.
using SliceBody = std::function<Status(std::int64_t from, std::int64_t to, const std::vector<bson::Document>& commands)>;
Result<double> by_slices(const Shape& shape, const SliceBody& body) {
  double seconds = 0;
  const auto slice = std::max<std::int64_t>(kPreparedBytes / static_cast<std::int64_t>(shape.document_bytes), 1);
  for (std::int64_t from = 0; from < shape.documents; from += slice) {
    const auto to = std::min(shape.documents, from + slice);
    const auto commands = insert_commands(shape, from, to);
    const auto begun = Clock::now();
    TRY(body(from, to, commands));
    seconds += seconds_since(begun);
  }
  return seconds;
}

}  // namespace

Result<double> insert_all(const std::string& uri, const std::string& db, const Shape& shape) {
  return by_slices(shape, [&](std::int64_t, std::int64_t, const std::vector<bson::Document>& commands) {
    return in_parallel(kCopyThreads, uri, [&](Client& client, int thread) { return insert_prepared(client, db, commands, thread); });
  });
}

Result<double> scan_and_insert_all(const std::string& source, const std::string& destination, const std::string& db, const Shape& shape) {
  return by_slices(shape, [&](std::int64_t from, std::int64_t to, const std::vector<bson::Document>& commands) -> Status {
    Status scanned;
    std::jthread scanning([&] {
      scanned = in_parallel(kCopyThreads, source, [&](Client& client, int thread) { return scan_part(client, shape, from, to, thread); });
    });
    TRY(in_parallel(kCopyThreads, destination, [&](Client& client, int thread) { return insert_prepared(client, db, commands, thread); }));
    scanning.join();
    return scanned;
  });
}

Result<double> scan_all(const std::string& uri, const Shape& shape) {
  const auto begun = Clock::now();
  TRY(in_parallel(kCopyThreads, uri, [&](Client& client, int thread) {
    return scan_part(client, shape, 0, shape.documents, thread);
  }));
  return seconds_since(begun);
}

Result<double> replace_all(const std::string& source, const std::string& destination, const Shape& shape, std::int64_t documents) {
  const auto batch = std::clamp<std::int64_t>(kApplyBytes / static_cast<std::int64_t>(shape.document_bytes), 1, kApplyDocuments);
  const auto begun = Clock::now();
  TRY(in_parallel(kApplyThreads, source, [&](Client& reader, int thread) -> Status {
    auto writer = TRY(Client::connect(destination));
    for (auto from = thread * batch; from < documents; from += kApplyThreads * batch)
      TRY(replace_range(reader, writer, shape, from, std::min(documents, from + batch)));
    return {};
  }));
  return seconds_since(begun);
}

Status update_all(const std::string& uri, const std::string& db, const Shape& shape, std::int64_t documents) {
  return in_parallel(kCopyThreads, uri, [&](Client& client, int thread) -> Status {
    for (auto from = static_cast<std::int64_t>(thread) * kApplyDocuments; from < documents; from += kCopyThreads * kApplyDocuments) {
      bson::Builder command;
      command.append("update", shape.collection).append("ordered", false);
      {
        auto updates = command.open_array("updates");
        for (auto number = from; number < std::min(documents, from + kApplyDocuments); ++number) {
          auto update = updates.open_document();
          update.append("q", bson::make_document({{"_id", number}}));
          update.append("u", bson::make_document({{"$set", bson::make_document({{"n", static_cast<std::int32_t>(-1 - number)}})}}));
        }
      }
      TRY(client.command(db, std::move(command).finish()));
    }
    return {};
  });
}

Status drop_database(const std::string& uri, const std::string& db) {
  auto client = TRY(Client::connect(uri));
  TRY(client.command(db, bson::make_document({{"dropDatabase", 1}})));
  return {};
}

}  // namespace drover::bench
