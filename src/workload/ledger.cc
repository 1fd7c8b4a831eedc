#include "workload/ledger.h"

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "cluster/commands.h"

namespace drover::workload {
namespace {

std::string describe(const Namespace& ns, const bson::Document& document, std::string_view what) {
  return fmt::format("{} _id {}: {}", ns.to_string(), bson::to_ejson(document["_id"]), what);
}

}  // namespace

void Ledger::apply(const Change& change) {
  auto& documents = books_[change.ns].documents;
  const auto key = bson::key_string(change.id.element());
  if (change.after) documents.insert_or_assign(key, *change.after);
  else documents.erase(key);
}

void Ledger::replace_all(const Namespace& ns, const std::vector<bson::Document>& documents) {
  auto& book = books_[ns].documents;
  book.clear();
  for (const auto& document : documents) book.emplace(bson::key_string(document["_id"]), document);
}

const bson::Document* Ledger::find(const Namespace& ns, const bson::Value& id) const {
  const auto book = books_.find(ns);
  if (book == books_.end()) return nullptr;
  const auto found = book->second.documents.find(bson::key_string(id.element()));
  return found == book->second.documents.end() ? nullptr : &found->second;
}

std::vector<bson::Document> Ledger::documents(const Namespace& ns) const {
  std::vector<bson::Document> all;
  if (const auto book = books_.find(ns); book != books_.end())
    for (const auto& [key, document] : book->second.documents) all.push_back(document);
  return all;
}

std::size_t Ledger::size() const {
  std::size_t count = 0;
  for (const auto& [ns, book] : books_) count += book.documents.size();
  return count;
}

Result<std::vector<std::string>> Ledger::differences(cluster::Deployment& deployment, const Uuid& session) const {
  std::vector<std::string> all;
  for (const auto& [ns, book] : books_) TRY(compare(deployment, session, ns, book, all));
  return all;
}

Status Ledger::compare(cluster::Deployment& deployment, const Uuid& session, const Namespace& ns, const Book& book,
                       std::vector<std::string>& differences) const {
  bson::Builder filter;
  if (book.ownership == Ownership::kMarked) filter.append("w", writer_);
  if (book.ownership == Ownership::kListed) {
    auto condition = filter.open_document("_id");
    auto ids = condition.open_array("$in");
    for (const auto& [key, document] : book.documents) ids.append(document["_id"]);
  }
  auto missing = book.documents;
  for (const auto& document : TRY(find_all(deployment, session, ns, std::move(filter).finish()))) {
    const auto expected = missing.find(bson::key_string(document["_id"]));
    if (expected == missing.end()) {
      differences.push_back(describe(ns, document, "is there, but its removal was acknowledged"));
      continue;
    }
    if (!(expected->second == document)) differences.push_back(describe(ns, document, "differs from what was acknowledged"));
    missing.erase(expected);
  }
  for (const auto& [key, document] : missing) differences.push_back(describe(ns, document, "is missing, but was acknowledged"));
  return {};
}

Result<std::vector<bson::Document>> find_all(cluster::Deployment& deployment, const Uuid& session, const Namespace& ns,
                                             bson::View filter) {
  const auto lsid = bson::make_document({{"id", session}});
  bson::Builder command;
  command.append("find", ns.collection).append("filter", filter);
  command.append("readConcern", bson::make_document({{"level", "majority"}})).append("lsid", lsid);
  const auto find = std::move(command).finish();
  auto reply = TRY_WITH(deployment.run_command(ns.db, find), fmt::format("reading {}", ns.to_string()));
  std::vector<bson::Document> all;
  for (const char* batch = "firstBatch";; batch = "nextBatch") {
    const auto cursor = cluster::parse_cursor(reply, batch);
    if (!cursor) return fail(ErrorCode::kFailure, fmt::format("reading {}: the answer holds no cursor with documents", ns.to_string()));
    for (const auto& item : cursor->batch) all.emplace_back(item.document_value());
    if (cursor->id == 0) return all;
    const auto more = bson::make_document({{"getMore", cursor->id}, {"collection", ns.collection}, {"lsid", lsid}});
    reply = TRY_WITH(deployment.run_command(ns.db, more), fmt::format("reading {}", ns.to_string()));
  }
}

}  // namespace drover::workload
