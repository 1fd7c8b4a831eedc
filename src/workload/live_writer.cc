#include "workload/live_writer.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/decimal.h"
#include "workload/datasets.h"
#include "workload/document_edit.h"
#include "workload/statements.h"

namespace drover::workload {
namespace {

using bson::make_document;

constexpr int kSeats = 20;       // per writer
constexpr int kAccounts = 20;
constexpr int kFirstOrders = 50;
constexpr int kMaxOrders = 3000;  // then deletes take the place of inserts
constexpr std::uint32_t kFlights = 150;
constexpr std::int64_t kNumbersPerWriter = 10'000'000;  // _ids stay within int32 for 200 writers
constexpr std::size_t kKeptItems = 4;
constexpr std::size_t kSummaryDocuments = 50;
constexpr std::int64_t kFirstMoment = 1'600'000'000'000;
constexpr std::int64_t kOutEvery = 2000;  // operations; spread over the writers, the first ones soon
constexpr std::int64_t kOutFirst = 50;
constexpr std::int64_t kOutSpread = 250;

struct Weight {
  WriteKind kind;
  int weight;
};
constexpr Weight kWeights[] = {
    {WriteKind::kInsert, 20}, {WriteKind::kSetField, 25}, {WriteKind::kPush, 12},   {WriteKind::kTruncate, 6},
    {WriteKind::kUnsetThenSet, 6}, {WriteKind::kReorder, 5}, {WriteKind::kReplace, 8}, {WriteKind::kDelete, 8},
    {WriteKind::kRetype, 3},  {WriteKind::kSwapUnique, 2}, {WriteKind::kSwapInTransaction, 1}, {WriteKind::kTransaction, 4},
};

bson::Decimal128 cents(std::int64_t amount) {
  return *bson::decimal_from_string(fmt::format("{}.{:02}", amount / 100, amount % 100));
}

// {op: {field: value}}
bson::Document operation(std::string_view op, std::string_view field, const bson::Value& value) {
  bson::Builder out;
  {
    auto fields = out.open_document(op);
    fields.append(field, value);
  }
  return std::move(out).finish();
}

// The number as the next numeric type: int32, int64, double, decimal, int32, ...
bson::Value retyped(const bson::Element& id) {
  const auto number = *id.to_int64();
  switch (id.type()) {
    case bson::Type::kInt32: return make_value(number);
    case bson::Type::kInt64: return make_value(static_cast<double>(number));
    case bson::Type::kDouble: return make_value(bson::decimal_from_int64(number));
    default: return make_value(static_cast<std::int32_t>(number));
  }
}

}  // namespace

std::string_view name(WriteKind kind) {
  static constexpr std::array<std::string_view, kWriteKinds> kNames = {
      "insert", "set a field", "push", "push and truncate", "unset, then set", "reorder fields (pipeline)", "replace", "delete",
      "re-insert as another type", "swap unique values", "swap in a transaction", "transaction", "$out"};
  return kNames[static_cast<std::size_t>(kind)];
}

Namespace orders_namespace() { return {"shop", "orders"}; }
Namespace seats_namespace() { return {"shop", "seats"}; }
Namespace accounts_namespace() { return {"shop", "accounts"}; }
Namespace transfers_namespace() { return {"shop", "transfers"}; }
Namespace flights_namespace() { return {"travel", "flights"}; }
Namespace summary_namespace(int writer) { return {"shop", fmt::format("summary_{}", writer)}; }

LiveWriter::LiveWriter(int writer, int writers, std::uint64_t seed, WriterLink& link, Pacer& pacer, WriteCounts& counts)
    : writer_(writer), writers_(writers), link_(link), pacer_(pacer), counts_(counts), ledger_(writer),
      state_(seed ^ (static_cast<std::uint64_t>(writer + 1) << 48)) {
  state_ = random(~std::uint64_t{0});  // or neighbours would walk along one sequence
  ledger_.own(flights_namespace(), Ownership::kListed);
  ledger_.own(summary_namespace(writer), Ownership::kWhole);
}

Status LiveWriter::prepare(cluster::Deployment& source, std::uint32_t loaded_rows, const std::stop_token& stop) {
  for (int i = 0; i < kFirstOrders; ++i) TRY(insert_order(stop));
  std::vector<Statement> statements;
  for (int i = 0; i < kSeats; ++i) {
    const std::int64_t number = writer_ * kNumbersPerWriter + i;
    statements.push_back(insert_statement(seats_namespace(), make_document({{"_id", number}, {"w", writer_}, {"seat", number}})));
  }
  for (int i = 0; i < kAccounts; ++i) {
    const std::int64_t number = writer_ * kNumbersPerWriter + i;
    statements.push_back(insert_statement(
        accounts_namespace(), make_document({{"_id", number}, {"w", writer_}, {"balance", std::int64_t{100'000}}, {"moves", 0}})));
  }
  TRY(perform_all(statements, stop));

  bson::Builder filter;
  {
    auto condition = filter.open_document("_id");
    auto ids = condition.open_array("$in");
    const auto count = std::min(kFlights, loaded_rows / static_cast<std::uint32_t>(writers_));
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto row = static_cast<std::uint64_t>(i * writers_ + writer_) * loaded_rows / (count * writers_);
      ids.append(row_object_id(flights_namespace(), 0, static_cast<std::uint32_t>(row)));
    }
  }
  for (const auto& document : TRY(find_all(source, link_.session(), flights_namespace(), std::move(filter).finish()))) {
    flights_.emplace_back(document["_id"]);
    ledger_.apply({flights_namespace(), flights_.back(), std::nullopt, document});
  }
  return {};
}

Status LiveWriter::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto kind = choose();
    const auto status = write(kind, stop);
    if (!status && status.error().code == ErrorCode::kInterrupted) return {};
    if (!status) return tl::unexpected(Error(status.error()).with_context(fmt::format("the live workload, {}", name(kind))));
    ++counts_[static_cast<std::size_t>(kind)];
  }
  return {};
}

// splitmix64
std::uint64_t LiveWriter::random(std::uint64_t below) {
  auto z = state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) % below;
}

WriteKind LiveWriter::choose() {
  if (++operations_ % kOutEvery == (kOutFirst + kOutSpread * writer_) % kOutEvery) return WriteKind::kOut;
  int total = 0;
  for (const auto& [kind, weight] : kWeights) total += weight;
  auto point = static_cast<int>(random(total));
  auto chosen = WriteKind::kInsert;
  for (const auto& [kind, weight] : kWeights) {
    if (point < weight) {
      chosen = kind;
      break;
    }
    point -= weight;
  }
  const bool needs_order = chosen != WriteKind::kSwapUnique && chosen != WriteKind::kSwapInTransaction && chosen != WriteKind::kTransaction;
  if (needs_order && orders_.empty()) return WriteKind::kInsert;
  if (chosen == WriteKind::kInsert && orders_.size() >= kMaxOrders) return WriteKind::kDelete;
  return chosen;
}

Status LiveWriter::write(WriteKind kind, const std::stop_token& stop) {
  switch (kind) {
    case WriteKind::kInsert: return insert_order(stop);
    case WriteKind::kSetField: return set_field(stop);
    case WriteKind::kPush: return push(stop, false);
    case WriteKind::kTruncate: return push(stop, true);
    case WriteKind::kUnsetThenSet: return unset_then_set(stop);
    case WriteKind::kReorder: return reorder(stop);
    case WriteKind::kReplace: return replace(stop);
    case WriteKind::kDelete: return remove(stop);
    case WriteKind::kRetype: return retype(stop);
    case WriteKind::kSwapUnique: return swap_unique(stop, false);
    case WriteKind::kSwapInTransaction: return swap_unique(stop, true);
    case WriteKind::kTransaction: return transfer(stop);
    case WriteKind::kOut: return out(stop);
  }
  return {};
}

Status LiveWriter::insert_order(const std::stop_token& stop) {
  const auto number = writer_ * kNumbersPerWriter + ++serial_;
  const auto id = random(2) == 0 ? make_value(number) : make_value(static_cast<std::int32_t>(number));
  TRY(perform(insert_statement(orders_namespace(), new_order(id)), stop));
  orders_.push_back(number);
  return {};
}

Status LiveWriter::set_field(const std::stop_token& stop) {
  Namespace ns;
  const auto before = some_document(ns);
  std::string_view field = "status";
  auto value = make_value(fmt::format("step {}", random(1000)));
  if (ns == flights_namespace()) {
    field = "live";
    value = make_value(make_document({{"by", writer_}, {"n", ++serial_}, {"at", bson::DateTime{kFirstMoment + serial_}}}));
  } else if (random(3) == 0) {
    field = "total";
    value = make_value(cents(static_cast<std::int64_t>(random(1'000'000))));
  }
  return perform(update_statement(ns, before, with_field(before, field, value), operation("$set", field, value)), stop);
}

Status LiveWriter::push(const std::stop_token& stop, bool truncate) {
  Namespace ns;
  const auto before = some_document(ns);
  const std::string_view field = ns == flights_namespace() ? "history" : "items";
  std::vector<bson::Value> items;
  for (int i = 0; i < (truncate ? 2 : 1); ++i)
    items.push_back(make_value(make_document({{"sku", fmt::format("sku-{}", random(500))}, {"n", static_cast<std::int32_t>(random(9))}})));
  const bool cut = truncate || before.size() > 4096;  // documents do not grow without end
  bson::Builder argument;
  {
    auto each = argument.open_array("$each");
    for (const auto& item : items) each.append(item);
  }
  if (cut) argument.append("$slice", -static_cast<std::int32_t>(kKeptItems));
  const auto update = operation("$push", field, make_value(std::move(argument).finish()));
  return perform(update_statement(ns, before, with_pushed(before, field, items, cut ? kKeptItems : 0), update), stop);
}

Status LiveWriter::unset_then_set(const std::stop_token& stop) {
  const auto before = some_order();
  const auto between = without_field(before, "note");
  const auto value = make_value(fmt::format("note {}", random(1'000'000)));
  TRY(perform(update_statement(orders_namespace(), before, between, operation("$unset", "note", make_value(""))), stop));
  return perform(update_statement(orders_namespace(), between, with_field(between, "note", value), operation("$set", "note", value)), stop);
}

Status LiveWriter::reorder(const std::stop_token& stop) {
  const auto before = some_order();
  const auto after = with_fields_rotated(before);
  bson::ArrayBuilder pipeline;
  {
    auto stage = pipeline.open_document();
    auto fields = stage.open_document("$replaceWith");
    for (const auto& field : after) fields.append(field.key(), fmt::format("${}", field.key()));
  }
  const auto update = std::move(pipeline).finish();
  return perform(update_statement(orders_namespace(), before, after, update, UpdateForm::kPipeline), stop);
}

Status LiveWriter::replace(const std::stop_token& stop) {
  const auto before = some_order();
  const auto after = new_order(bson::Value(before["_id"]));
  return perform(update_statement(orders_namespace(), before, after, after), stop);
}

Status LiveWriter::remove(const std::stop_token& stop) {
  const auto index = random(orders_.size());
  const auto before = *ledger_.find(orders_namespace(), make_value(orders_[index]));
  TRY(perform(delete_statement(orders_namespace(), before), stop));
  orders_[index] = orders_.back();
  orders_.pop_back();
  return {};
}

Status LiveWriter::retype(const std::stop_token& stop) {
  const auto index = random(orders_.size());
  const auto number = orders_[index];
  const auto before = *ledger_.find(orders_namespace(), make_value(number));
  TRY(perform(delete_statement(orders_namespace(), before), stop));
  orders_[index] = orders_.back();
  orders_.pop_back();
  TRY(perform(insert_statement(orders_namespace(), new_order(retyped(before["_id"]))), stop));
  orders_.push_back(number);
  return {};
}

Status LiveWriter::swap_unique(const std::stop_token& stop, bool in_transaction) {
  const auto ns = seats_namespace();
  const auto first = static_cast<std::int64_t>(random(kSeats)), second = (first + 1 + static_cast<std::int64_t>(random(kSeats - 1))) % kSeats;
  const auto a = *ledger_.find(ns, make_value(writer_ * kNumbersPerWriter + first));
  const auto b = *ledger_.find(ns, make_value(writer_ * kNumbersPerWriter + second));
  const auto step = [&](const bson::Document& before, const bson::Value& seat) {
    return update_statement(ns, before, with_field(before, "seat", seat), operation("$set", "seat", seat));
  };
  const auto parked = make_value(-(writer_ * kNumbersPerWriter + first + 1));
  std::vector<Statement> statements = {step(a, parked), step(b, bson::Value(a["seat"]))};
  statements.push_back(step(with_field(a, "seat", parked), bson::Value(b["seat"])));
  if (!in_transaction) return perform_all(statements, stop);
  statements[2].changes[0].before = a;  // of the transaction as a whole
  statements[0].changes.clear();
  if (!pacer_.admit(stop)) return fail(ErrorCode::kInterrupted, "stopped");
  TRY(link_.perform_transaction(statements, stop));
  for (const auto& statement : statements)
    for (const auto& change : statement.changes) ledger_.apply(change);
  return {};
}

Status LiveWriter::transfer(const std::stop_token& stop) {
  const auto ns = accounts_namespace();
  const auto first = static_cast<std::int64_t>(random(kAccounts)), second = (first + 1 + static_cast<std::int64_t>(random(kAccounts - 1))) % kAccounts;
  const auto amount = static_cast<std::int64_t>(random(500)) + 1;
  const auto step = [&](std::int64_t account, std::int64_t by) {
    const auto before = *ledger_.find(ns, make_value(writer_ * kNumbersPerWriter + account));
    const auto balance = with_field(before, "balance", make_value(before["balance"].int64_value() + by));
    const auto after = with_field(balance, "moves", make_value(before["moves"].int32_value() + 1));
    return update_statement(ns, before, after, make_document({{"$inc", make_document({{"balance", by}, {"moves", 1}})}}));
  };
  const auto number = writer_ * kNumbersPerWriter + ++serial_;
  const auto record = make_document({{"_id", number}, {"w", writer_}, {"from", first}, {"to", second}, {"amount", cents(amount)}});
  const std::vector<Statement> statements = {step(first, -amount), step(second, amount), insert_statement(transfers_namespace(), record)};
  if (!pacer_.admit(stop)) return fail(ErrorCode::kInterrupted, "stopped");
  TRY(link_.perform_transaction(statements, stop));
  for (const auto& statement : statements)
    for (const auto& change : statement.changes) ledger_.apply(change);
  return {};
}

Status LiveWriter::out(const std::stop_token& stop) {
  const auto target = summary_namespace(writer_);
  bson::Builder command;
  command.append("aggregate", orders_namespace().collection);
  {
    auto pipeline = command.open_array("pipeline");
    pipeline.append(make_document({{"$match", make_document({{"w", writer_}})}}));
    pipeline.append(make_document({{"$sort", make_document({{"_id", 1}})}}));
    pipeline.append(make_document({{"$limit", static_cast<std::int32_t>(kSummaryDocuments)}}));
    pipeline.append(make_document({{"$out", target.collection}}));
  }
  command.append("cursor", bson::Document());
  auto expected = ledger_.documents(orders_namespace());
  if (expected.size() > kSummaryDocuments) expected.resize(kSummaryDocuments);
  const Statement statement{.db = target.db, .command = std::move(command).finish(), .expected_n = -1, .retryable = false};
  TRY(perform(statement, stop));
  ledger_.replace_all(target, expected);
  return {};
}

Status LiveWriter::perform(const Statement& statement, const std::stop_token& stop) {
  if (!pacer_.admit(stop)) return fail(ErrorCode::kInterrupted, "stopped");
  TRY(link_.perform(statement, stop));
  for (const auto& change : statement.changes) ledger_.apply(change);
  return {};
}

Status LiveWriter::perform_all(const std::vector<Statement>& statements, const std::stop_token& stop) {
  for (const auto& statement : statements) TRY(perform(statement, stop));
  return {};
}

const bson::Document& LiveWriter::some_document(Namespace& ns) {
  if (!flights_.empty() && random(3) == 0) {
    ns = flights_namespace();
    return *ledger_.find(ns, flights_[random(flights_.size())]);
  }
  ns = orders_namespace();
  return some_order();
}

const bson::Document& LiveWriter::some_order() {
  return *ledger_.find(orders_namespace(), make_value(orders_[random(orders_.size())]));
}

bson::Document LiveWriter::new_order(const bson::Value& id) {
  bson::Builder out;
  out.append("_id", id).append("w", writer_).append("code", fmt::format("{}-{}", writer_, ++serial_)).append("status", "new");
  {
    auto customer = out.open_document("customer");
    customer.append("name", fmt::format("customer {}", random(10'000))).append("since", bson::DateTime{kFirstMoment - serial_ * 1000});
  }
  {
    auto items = out.open_array("items");
    for (std::uint64_t i = 0, count = random(4); i < count; ++i)
      items.append(make_document({{"sku", fmt::format("sku-{}", random(500))}, {"n", static_cast<std::int32_t>(i)}}));
  }
  out.append("total", cents(static_cast<std::int64_t>(random(1'000'000)))).append("note", std::string(random(200), 'n'));
  return std::move(out).finish();
}

}  // namespace drover::workload
