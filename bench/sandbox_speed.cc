#include "sandbox_speed.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include <fmt/format.h>

#include "bson/builder.h"
#include "mongo.h"
#include "parallel.h"
#include "process_cost.h"

namespace drover::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kDatabase = "bench_sandbox";
constexpr const char* kSmall = "small";
constexpr const char* kLarge = "large";
constexpr int kConnections = 4;
constexpr std::int64_t kSmallBatch = 5000;
constexpr std::int64_t kLargeBatch = 1000;
constexpr std::int64_t kUpdateBatch = 1000;
constexpr std::size_t kSmallText = 30;    // 80 bytes with the other fields
constexpr std::size_t kLargeText = 974;   // 1 KB
constexpr std::int64_t kPreparedDocuments = 250'000;  // in memory at a time
constexpr std::int64_t kUpdates = 100'000;
constexpr std::int64_t kPointReads = 100'000;
constexpr std::int64_t kRangeDocuments = 100;         // of one range read

// {_id, n, at, text}
bson::Document document(std::int64_t number, std::size_t text) {
  bson::Builder out;
  out.append("_id", number).append("n", static_cast<std::int32_t>(number & 0xffff));
  out.append("at", bson::DateTime{1'600'000'000'000 + number});
  auto words = fmt::format("{:016x}", static_cast<std::uint64_t>(number) * 0x9e3779b97f4a7c15u);
  while (words.size() < text) words += words;
  words.resize(text);
  out.append("t", words);
  return std::move(out).finish();
}

class Measurement {
 public:
  Measurement(std::string uri, pid_t server, std::string only) : uri_(std::move(uri)), server_(server), only_(std::move(only)) {}

  Status run(std::int64_t documents) {
    auto admin = TRY(Client::connect(uri_));
    TRY(admin.command(kDatabase, bson::make_document({{"dropDatabase", 1}})));
    TRY(admin.command(kDatabase, bson::make_document({{"create", kSmall}})));
    const auto start = TRY(admin.command("admin", bson::make_document({{"ping", 1}})))["operationTime"].to_timestamp();
    TRY(insert("inserts of 80 bytes", "insertSmall", kSmall, documents, kSmallBatch, kSmallText, 180'000));
    if (wanted("changeStream") && start) TRY(follow(*start, documents));
    if (wanted("insertLarge")) TRY(insert("inserts of 1 KB", "insertLarge", kLarge, documents / 4, kLargeBatch, kLargeText, 46'000));
    if (wanted("scan")) TRY(scan(documents));
    if (wanted("ranges")) TRY(ranges(documents));
    if (wanted("pointReads")) TRY(point_reads(documents));
    if (wanted("updates")) TRY(updates(documents));
    TRY(admin.command(kDatabase, bson::make_document({{"dropDatabase", 1}})));
    return {};
  }
  std::vector<SpeedFigure> take() && { return std::move(figures_); }

 private:
  bool wanted(std::string_view key) const { return only_.empty() || only_ == key; }

  // Times body(), which does `operations`.
  Status timed(const char* name, const char* key, std::int64_t operations, double reference, const std::function<Status()>& body) {
    const auto cores = server_ > 0 ? core_seconds(server_) : 0;
    const auto begun = Clock::now();
    TRY_WITH(body(), name);
    add(name, key, operations, reference, std::chrono::duration<double>(Clock::now() - begun).count(), cores);
    return {};
  }
  void add(const char* name, const char* key, std::int64_t operations, double reference, double seconds, double cores_before) {
    auto* figure = figures_.empty() || figures_.back().key != key ? &figures_.emplace_back() : &figures_.back();
    figure->name = name;
    figure->key = key;
    figure->reference = reference;
    figure->operations += operations;
    figure->seconds += seconds;
    if (server_ > 0) figure->server_core_seconds += core_seconds(server_) - cores_before;
  }

  // Default write concern. Building the commands is not counted.
  Status insert(const char* name, const char* key, const char* collection, std::int64_t documents, std::int64_t batch, std::size_t text,
                double reference) {
    const auto prepared = kPreparedDocuments * 80 / static_cast<std::int64_t>(text + 50);
    for (std::int64_t from = 0; from < documents; from += prepared) {
      const auto to = std::min(documents, from + prepared);
      std::vector<bson::Document> commands;
      for (auto at = from; at < to; at += batch) {
        bson::Builder command;
        command.append("insert", collection).append("ordered", true);
        {
          auto array = command.open_array("documents");
          for (auto number = at; number < std::min(to, at + batch); ++number) array.append(document(number, text));
        }
        commands.push_back(std::move(command).finish());
      }
      TRY(timed(name, key, to - from, reference, [&] {
        return in_parallel(kConnections, uri_, [&](Client& client, int thread) -> Status {
          for (auto i = static_cast<std::size_t>(thread); i < commands.size(); i += kConnections) TRY(client.command(kDatabase, commands[i]));
          return {};
        });
      }));
    }
    return {};
  }

  Status scan(std::int64_t documents) {
    return timed("scan of small documents, one connection", "scan", documents, 500'000, [&]() -> Status {
      auto client = TRY(Client::connect(uri_));
      return expect(documents, TRY(count(client, bson::make_document({{"find", kSmall}}))));
    });
  }

  Status ranges(std::int64_t documents) {
    const auto reads = std::min<std::int64_t>(documents / kRangeDocuments, 5000);
    return timed("documents of _id ranges of 100", "ranges", reads * kRangeDocuments, 0, [&] {
      return in_parallel(kConnections, uri_, [&](Client& client, int thread) -> Status {
        for (std::int64_t i = thread; i < reads; i += kConnections) {
          const auto from = i * 7919 % (documents / kRangeDocuments) * kRangeDocuments;
          const auto bounds = bson::make_document({{"_id", bson::make_document({{"$gte", from}, {"$lt", from + kRangeDocuments}})}});
          TRY(expect(kRangeDocuments, TRY(count(client, bson::make_document({{"find", kSmall}, {"filter", bounds}})))));
        }
        return {};
      });
    });
  }

  Status point_reads(std::int64_t documents) {
    return timed("point reads by _id, four connections", "pointReads", kPointReads, 0, [&] {
      return in_parallel(kConnections, uri_, [&](Client& client, int thread) -> Status {
        for (std::int64_t i = thread; i < kPointReads; i += kConnections) {
          const auto filter = bson::make_document({{"_id", i * 104729 % documents}});
          TRY(expect(1, TRY(count(client, bson::make_document({{"find", kSmall}, {"filter", filter}, {"limit", 1}, {"singleBatch", true}})))));
        }
        return {};
      });
    });
  }

  Status updates(std::int64_t documents) {
    return timed("bulk updates by _id, one connection", "updates", kUpdates, 16'000, [&]() -> Status {
      auto client = TRY(Client::connect(uri_));
      for (std::int64_t from = 0; from < kUpdates; from += kUpdateBatch) {
        bson::Builder command;
        command.append("update", kSmall);
        {
          auto list = command.open_array("updates");
          for (auto i = from; i < from + kUpdateBatch; ++i) {
            auto update = list.open_document();
            update.append("q", bson::make_document({{"_id", i * 104729 % documents}}));
            update.append("u", bson::make_document({{"$set", bson::make_document({{"n", static_cast<std::int32_t>(-1 - i)}})}}));
          }
        }
        const auto reply = TRY(client.command(kDatabase, std::move(command).finish()));
        TRY(expect(kUpdateBatch, reply["nModified"].to_int64().value_or(0)));
      }
      return {};
    });
  }

  // The inserts so far, as a change stream delivers them.
  Status follow(bson::Timestamp start, std::int64_t events) {
    return timed("change events delivered, one stream", "changeStream", events, 0, [&]() -> Status {
      auto client = TRY(Client::connect(uri_));
      bson::Builder command;
      command.append("aggregate", kSmall);
      {
        auto pipeline = command.open_array("pipeline");
        pipeline.append(bson::make_document({{"$changeStream", bson::make_document({{"startAtOperationTime", start}})}}));
      }
      command.append("cursor", bson::make_document());
      return expect(events, TRY(count(client, std::move(command).finish(), events)));
    });
  }

  // How many documents a cursor gives, read to its end or to `enough`.
  static Result<std::int64_t> count(Client& client, const bson::Document& command, std::int64_t enough = INT64_MAX) {
    std::int64_t counted = 0;
    auto reply = TRY(client.command(kDatabase, command));
    for (const char* batch = "firstBatch";; batch = "nextBatch") {
      const auto cursor = reply["cursor"].document_value();
      const auto documents = cursor[batch].document_value();
      for (auto it = documents.begin(); it != documents.end(); ++it) ++counted;
      const auto id = cursor["id"].to_int64().value_or(0);
      if (id == 0 || counted >= enough) return counted;
      reply = TRY(client.command(kDatabase, bson::make_document({{"getMore", id}, {"collection", kSmall}})));
    }
  }

  static Status expect(std::int64_t wanted, std::int64_t got) {
    if (got >= wanted) return {};
    return fail(ErrorCode::kFailure, fmt::format("the server gave {} of {}", got, wanted));
  }

  const std::string uri_;
  const pid_t server_;
  const std::string only_;
  std::vector<SpeedFigure> figures_;
};

}  // namespace

Result<std::vector<SpeedFigure>> measure_sandbox(const std::string& uri, std::int64_t documents, pid_t server, const std::string& only) {
  Measurement measurement(uri, server, only);
  TRY(measurement.run(documents));
  return std::move(measurement).take();
}

}  // namespace drover::bench
