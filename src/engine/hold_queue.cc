#include "engine/hold_queue.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/local_disk.h"
#include "bson/builder.h"
#include "bson/validate.h"
#include "cluster/reply_frame.h"

namespace drover::engine {
namespace {

inline constexpr long kGivenBackBytes = 1 << 20;  // at a time, of what was read
inline constexpr long kBlock = 4096;
inline constexpr int kRecordNesting = cluster::kMaxReplyNesting;

Error disk_error(const HoldUsage& usage, std::string_view what) {
  return Error{ErrorCode::kFailure,
               fmt::format("{} held changes in a temporary file in {}: {}; free space there, or set TMPDIR to a larger "
                           "disk, and start again",
                           what, usage.directory, std::strerror(errno)),
               0,
               {std::string(kLocalDisk)}};
}

// Not what was written: a disk that fails, or somebody who got hold of the file.
Error damaged(const HoldUsage& usage) {
  return Error{ErrorCode::kFailure,
               fmt::format("held changes in a temporary file in {} read back as something else than was written; check that disk, or set "
                           "TMPDIR to another one, and start again",
                           usage.directory),
               0,
               {std::string(kLocalDisk)}};
}

}  // namespace

Status HoldQueue::push(ChangeEvent event) {
  if (empty()) oldest_ = event.ts;
  const std::size_t bytes = event.bytes();
  ++usage_.events;
  if (on_disk_ == 0 && usage_.memory_bytes + bytes <= usage_.memory_limit) {
    usage_.memory_bytes += bytes;
    memory_.push_back(std::move(event));
    return {};
  }
  return spool(event);
}

Result<std::deque<ChangeEvent>> HoldQueue::pop(std::size_t count, std::size_t bytes) {
  std::deque<ChangeEvent> events;
  std::size_t taken = 0;
  while (events.size() < count && taken < bytes && !memory_.empty()) {
    usage_.memory_bytes -= memory_.front().bytes();
    taken += memory_.front().bytes();
    events.push_back(std::move(memory_.front()));
    memory_.pop_front();
  }
  while (events.size() < count && taken < bytes && on_disk_ > 0) {
    events.push_back(TRY(unspool()));
    taken += events.back().bytes();
  }
  usage_.events -= events.size();
  return events;
}

void HoldQueue::clear() {
  if (empty() && !file_) return;  // its owner may be gone, and others may be counting
  usage_.events -= size();
  for (const auto& event : memory_) usage_.memory_bytes -= event.bytes();
  usage_.disk_bytes -= static_cast<std::uint64_t>(write_at_ - read_at_);
  memory_.clear();
  file_.reset();
  on_disk_ = 0;
  read_at_ = write_at_ = given_back_ = 0;
}

Status HoldQueue::spool(const ChangeEvent& event) {
  if (!file_) {
    std::string path = usage_.directory + "/drover-held-XXXXXX";
    const int descriptor = ::mkstemp(path.data());
    if (descriptor < 0) return tl::unexpected(disk_error(usage_, "creating"));
    ::unlink(path.c_str());
    file_.reset(::fdopen(descriptor, "w+b"));
    if (!file_) {
      const auto failed = disk_error(usage_, "opening");
      ::close(descriptor);
      return tl::unexpected(failed);
    }
  }
  bson::Builder builder;
  builder.append("k", static_cast<std::int32_t>(event.kind)).append("t", event.ts);
  builder.append("x", static_cast<std::int32_t>(event.txn_index)).append("i", event.key);
  builder.append("d", event.document);
  const auto record = std::move(builder).finish();
  if (std::fseek(file_.get(), write_at_, SEEK_SET) != 0 ||
      std::fwrite(record.bytes().data(), 1, record.size(), file_.get()) != record.size()) {
    return tl::unexpected(disk_error(usage_, "writing"));
  }
  write_at_ += static_cast<long>(record.size());
  usage_.disk_bytes += record.size();
  ++on_disk_;
  return {};
}

Result<ChangeEvent> HoldQueue::unspool() {
  std::uint32_t size = 0;
  if (std::fseek(file_.get(), read_at_, SEEK_SET) != 0 || std::fread(&size, sizeof size, 1, file_.get()) != 1) {
    return tl::unexpected(disk_error(usage_, "reading"));
  }
  if (size < sizeof size || size > static_cast<std::uint64_t>(write_at_ - read_at_)) return tl::unexpected(damaged(usage_));
  std::vector<std::uint8_t> bytes(size);
  std::memcpy(bytes.data(), &size, sizeof size);
  if (std::fread(bytes.data() + sizeof size, 1, size - sizeof size, file_.get()) != size - sizeof size) {
    return tl::unexpected(disk_error(usage_, "reading"));
  }
  if (!bson::validate(bytes, kRecordNesting)) return tl::unexpected(damaged(usage_));
  const bson::Document record(std::move(bytes));
  const auto kind = record["k"], ts = record["t"], index = record["x"], document = record["d"];
  if (kind.type() != bson::Type::kInt32 || ts.type() != bson::Type::kTimestamp || index.type() != bson::Type::kInt32 || !document.is_document()) {
    return tl::unexpected(damaged(usage_));
  }
  ChangeEvent event;
  event.kind = static_cast<ChangeKind>(kind.int32_value());
  event.ts = ts.timestamp_value();
  event.txn_index = static_cast<std::uint32_t>(index.int32_value());
  event.key = bson::Value(record["i"]);
  event.document = bson::Document(document.document_value());
  read_at_ += size;
  usage_.disk_bytes -= size;
  if (--on_disk_ == 0) {
    file_.reset();
    read_at_ = write_at_ = given_back_ = 0;
  } else if (read_at_ - given_back_ >= kGivenBackBytes) {
    // While as much comes as goes the file would only grow. Where the disk has no holes, all of it is given back at the end.
    (void)::fallocate(::fileno(file_.get()), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, given_back_, read_at_ - given_back_);
    given_back_ = read_at_ / kBlock * kBlock;
  }
  return event;
}

}  // namespace drover::engine
