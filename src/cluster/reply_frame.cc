#include "cluster/reply_frame.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "bson/document.h"
#include "bson/validate.h"

// Exported by the library and used by it for what comes in, but declared in none of its public headers.
extern "C" bool mongoc_uncompress(std::int32_t compressor, const std::uint8_t* packed, std::size_t packed_size, std::uint8_t* plain,
                                  std::size_t* plain_size);

namespace drover::cluster {
namespace {

constexpr std::int32_t kReply = 1;
constexpr std::int32_t kQuery = 2004;
constexpr std::int32_t kCompressed = 2012;
constexpr std::int32_t kMessage = 2013;

constexpr std::size_t kHeader = 16;         // length, id, answer to, opcode
constexpr std::size_t kMessageHead = 21;    // and flags, the kind of the section
constexpr std::size_t kReplyHead = 36;      // and flags, cursor, first, count
constexpr std::size_t kCompressedHead = 25; // and opcode, size, compressor
constexpr std::size_t kSmallestDocument = 5;
constexpr int kOverflow = 15;
constexpr std::uint32_t kMoreToCome = 2, kOptionalFlags = 0xffff0000;

// 0, "no compression", is never agreed on; the driver would copy as many bytes as there are into a buffer of the size that is claimed.
bool is_compressor(std::uint8_t id) { return id >= 1 && id <= 3; }

std::int32_t int_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  std::int32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

void put_int(std::vector<std::uint8_t>& bytes, std::size_t at, std::int32_t value) { std::memcpy(bytes.data() + at, &value, sizeof value); }

std::size_t head_of(std::int32_t opcode) {
  return opcode == kReply ? kReplyHead : opcode == kCompressed ? kCompressedHead : kMessageHead;
}

std::string wrong_head(std::span<const std::uint8_t> head) {
  const auto opcode = int_at(head, 12);
  if (opcode == kReply) {
    const auto count = int_at(head, 32);
    return count == 1 ? "" : fmt::format("{} documents instead of one", count);
  }
  const auto flags = static_cast<std::uint32_t>(int_at(head, 16));
  if ((flags & ~(kMoreToCome | kOptionalFlags)) != 0) return fmt::format("flags that nobody asked for ({:#x})", flags);
  return head[20] == 0 ? "" : fmt::format("a section of kind {} where its document should be", head[20]);
}

// Of errors the driver reads the code, and ends the process when it is none.
Status check_code(bson::View error) {
  for (const auto& field : error) {
    if (field.key() != "code" || !field.is_number()) continue;
    const auto code = field.to_int64();
    if (!code || static_cast<std::uint32_t>(*code) == 0) return fail(ErrorCode::kFailure, "an error whose code is none");
    break;
  }
  return {};
}

}  // namespace

Status check_reply_document(std::span<const std::uint8_t> bytes) {
  const auto valid = bson::validate(bytes, kMaxReplyNesting);
  if (!valid) {
    return fail(ErrorCode::kFailure, valid.error().server_code == kOverflow ? fmt::format("a document of more than {} levels", kMaxReplyNesting)
                                                                            : valid.error().message);
  }
  const bson::View reply = *valid;
  static constexpr std::string_view kListsOfNames[] = {"hosts", "passives", "arbiters", "compression"};
  for (const auto& field : reply) {
    if (field.key() == "writeConcernError" && field.is_document()) TRY(check_code(field.document_value()));
    if (!field.is_array() || std::find(std::begin(kListsOfNames), std::end(kListsOfNames), field.key()) == std::end(kListsOfNames)) continue;
    for (const auto& name : field.document_value()) {
      if (!name.is_string()) return fail(ErrorCode::kFailure, fmt::format("'{}' that are no names", field.key()));
    }
  }
  // Decimals are other truths to the driver.
  const auto ok = reply["ok"];
  if (!ok.is_truthy() || ok.type() == bson::Type::kDecimal128) TRY(check_code(reply));
  return {};
}

void ReplyReader::sent(std::span<const std::uint8_t> head) {
  if (head.size() < kHeader) return;
  auto opcode = int_at(head, 12);
  if (opcode == kCompressed && head.size() >= kRequestHead) opcode = int_at(head, 16);
  request_ = Request{int_at(head, 4), opcode};
  expected_opcode_ = opcode == kQuery ? kReply : kMessage;
}

std::int64_t ReplyReader::read(std::span<std::uint8_t> into, const Source& source) {
  if (!refusal_.empty()) {
    errno = EBADMSG;
    return -1;
  }
  if (size_ == 0 && !begin(source)) return -1;
  const auto wanted = std::min(into.size(), size_ - at_);
  std::size_t done = 0;
  if (at_ < kept_.size()) {
    done = std::min(wanted, kept_.size() - at_);
    std::memcpy(into.data(), kept_.data() + at_, done);
    at_ += done;
  }
  if (done < wanted) {
    const auto direct = into.subspan(done, wanted - done);
    if (source(direct, direct.size()) != static_cast<std::int64_t>(direct.size())) return -1;
    const bool first = at_ == kept_.size();
    at_ += direct.size();
    const bool last = at_ == size_;
    if (!first || !last) pieces_.insert(pieces_.end(), direct.begin(), direct.end());
    if (last) {
      if (const auto fine = check_reply_document(first ? direct : std::span<std::uint8_t>(pieces_)); !fine) {
        refuse(fine.error().message);
        return -1;
      }
    }
  }
  if (at_ == size_) {
    size_ = at_ = 0;
    std::vector<std::uint8_t>().swap(kept_);
    std::vector<std::uint8_t>().swap(pieces_);
  }
  return static_cast<std::int64_t>(wanted);
}

// Reads up to where the document begins; of a compressed one all.
bool ReplyReader::begin(const Source& source) {
  kept_.resize(kMessageHead);
  const auto got = source(kept_, 4);
  if (got < 4) return false;
  const auto size = static_cast<std::uint32_t>(int_at(kept_, 0));
  if (size < kCompressedHead || size > kMaxReplyBytes) return refuse(fmt::format("a length of {} bytes", static_cast<std::int32_t>(size)));
  const auto rest = std::span(kept_).subspan(static_cast<std::size_t>(got));
  if (!rest.empty() && source(rest, rest.size()) != static_cast<std::int64_t>(rest.size())) return false;
  const auto opcode = int_at(kept_, 12);
  if (request_ && int_at(kept_, 8) != request_->id) return refuse("the answer to something else");
  request_.reset();  // further replies that were asked for once name the one before
  if (opcode != expected_opcode_ && opcode != kCompressed) return refuse(fmt::format("a message of the kind {}", opcode));
  size_ = size;
  at_ = 0;
  const auto head = head_of(opcode);
  if (head > kMessageHead) {
    kept_.resize(head);
    if (size_ < head) return refuse(fmt::format("a length of {} bytes", size_));
    const auto more = std::span(kept_).subspan(kMessageHead);
    if (source(more, more.size()) != static_cast<std::int64_t>(more.size())) return false;
  }
  return opcode == kCompressed ? unpack(source) : check_head();
}

bool ReplyReader::check_head() {
  if (size_ < kept_.size() + kSmallestDocument) return refuse(fmt::format("a length of {} bytes", size_));
  const auto wrong = wrong_head(kept_);
  return wrong.empty() || refuse(wrong);
}

bool ReplyReader::unpack(const Source& source) {
  const auto opcode = int_at(kept_, 16);
  const auto plain_size = static_cast<std::uint32_t>(int_at(kept_, 20));
  const auto compressor = kept_[24];
  if (opcode != expected_opcode_) return refuse(fmt::format("a message of the kind {}", opcode));
  const auto head = head_of(opcode);
  if (plain_size > kMaxReplyBytes - kHeader || kHeader + plain_size < head + kSmallestDocument || !is_compressor(compressor)) {
    return refuse(fmt::format("a compressed message of {} bytes, by the method {}", plain_size, compressor));
  }
  std::vector<std::uint8_t> packed(size_ - kCompressedHead);
  if (!packed.empty() && source(packed, packed.size()) != static_cast<std::int64_t>(packed.size())) return false;
  std::vector<std::uint8_t> plain(kHeader + plain_size);
  std::size_t unpacked = plain_size;
  if (!mongoc_uncompress(compressor, packed.data(), packed.size(), plain.data() + kHeader, &unpacked) || unpacked != plain_size) {
    return refuse("a compressed message that cannot be unpacked");
  }
  std::memcpy(plain.data(), kept_.data(), kHeader);
  put_int(plain, 0, static_cast<std::int32_t>(plain.size()));
  put_int(plain, 12, opcode);
  kept_ = std::move(plain);
  size_ = kept_.size();
  if (const auto wrong = wrong_head(std::span(kept_).first(head)); !wrong.empty()) return refuse(wrong);
  const auto fine = check_reply_document(std::span(kept_).subspan(head));
  return fine || refuse(fine.error().message);
}

bool ReplyReader::refuse(std::string why) {
  refusal_ = std::move(why);
  errno = EBADMSG;
  return false;
}

}  // namespace drover::cluster
