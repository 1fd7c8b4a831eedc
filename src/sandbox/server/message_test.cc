#include "sandbox/server/message.h"

#include <cstring>

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "sandbox/server/crc32c.h"

namespace drover::sandbox {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes text(std::string_view s) { return Bytes(s.begin(), s.end()); }

// A kind-1 section behind an OP_MSG without a checksum.
void append_sequence(Bytes& frame, std::string_view name, const bson::Document& document, int copies) {
  frame.push_back(1);
  const auto size = static_cast<std::uint32_t>(4 + name.size() + 1 + document.size() * copies);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&size);
  frame.insert(frame.end(), bytes, bytes + 4);
  frame.insert(frame.end(), name.begin(), name.end());
  frame.push_back(0);
  for (int i = 0; i < copies; ++i) frame.insert(frame.end(), document.bytes().begin(), document.bytes().end());
  const auto total = static_cast<std::uint32_t>(frame.size());
  std::memcpy(frame.data(), &total, sizeof total);
}

TEST(Crc32c, KnownAnswer) { EXPECT_EQ(crc32c(text("123456789")), 0xe3069283u); }

TEST(Message, RoundTrip) {
  const auto body = bson::make_document({{"ping", 1}, {"$db", "admin"}});
  const auto frame = make_request(7, body);
  const auto message = parse_message(frame);
  ASSERT_TRUE(message) << message.error().message;
  EXPECT_EQ(message->request_id, 7);
  EXPECT_TRUE(message->body.same_bytes(body));
  EXPECT_TRUE(message->wants_reply());
}

TEST(Message, SequencesBecomeArrays) {
  const auto item = bson::make_document({{"_id", 1}});
  auto frame = make_request(1, bson::make_document({{"insert", "t"}, {"$db", "d"}}));
  append_sequence(frame, "documents", item, 3);
  const auto message = parse_message(frame);
  ASSERT_TRUE(message) << message.error().message;
  ASSERT_EQ(message->sequences.size(), 1u);
  EXPECT_EQ(message->sequences[0].name, "documents");
  EXPECT_EQ(message->sequences[0].documents.size(), 3u);
  const auto whole = whole_command(*message);
  EXPECT_EQ(whole["documents"].document_value().field_count(), 3u);
}

TEST(Message, AFieldThatIsThereTwiceIsRefusedAndAnswered) {
  const auto item = bson::make_document({{"_id", 1}});
  auto twice = make_request(1, bson::make_document({{"insert", "t"}, {"$db", "d"}}));
  append_sequence(twice, "documents", item, 1);
  append_sequence(twice, "documents", item, 1);
  const auto sequences = parse_message(twice);
  ASSERT_FALSE(sequences);
  EXPECT_EQ(sequences.error().server_code, 40431);
  EXPECT_EQ(sequences.error().message, "Duplicate document sequence: documents");
  EXPECT_TRUE(is_answered(sequences.error()));

  auto both = make_request(1, bson::make_document({{"insert", "t"}, {"documents", bson::make_document({{"0", 1}})}, {"$db", "d"}}));
  append_sequence(both, "documents", item, 1);
  const auto body = parse_message(both);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().server_code, 40433);
  EXPECT_EQ(body.error().message, "Duplicate field between body and document sequence documents");
}

TEST(Message, SectionsAreFew) {
  auto frame = make_request(1, bson::make_document({{"insert", "t"}, {"$db", "d"}}));
  for (int i = 0; i < 100; ++i) append_sequence(frame, "s" + std::to_string(i), bson::make_document({{"_id", 1}}), 1);
  const auto message = parse_message(frame);
  ASSERT_FALSE(message);
  EXPECT_FALSE(is_answered(message.error()));
}

TEST(Message, ChecksumIsVerified) {
  auto frame = make_request(1, bson::make_document({{"ping", 1}}), kChecksumPresent);
  EXPECT_TRUE(parse_message(frame));
  frame[22] ^= 1;
  EXPECT_FALSE(parse_message(frame));
}

TEST(Message, MoreToComeWantsNoReply) {
  const auto frame = make_request(1, bson::make_document({{"insert", "t"}}), kMoreToCome);
  const auto message = parse_message(frame);
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->wants_reply());
}

// Every cut and every flipped byte is refused or parsed, never read beyond.
TEST(Message, SurvivesDamage) {
  auto frame = make_request(1, bson::make_document({{"insert", "t"}, {"x", bson::make_document({{"y", 1}})}}));
  append_sequence(frame, "documents", bson::make_document({{"_id", "abc"}}), 2);
  for (std::size_t size = 0; size < frame.size(); ++size) {
    const Bytes cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
    (void)parse_message(cut);
  }
  for (std::size_t at = 0; at < frame.size(); ++at) {
    for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
      auto damaged = frame;
      damaged[at] = static_cast<std::uint8_t>(value);
      const auto message = parse_message(damaged);
      if (message) (void)whole_command(*message);
    }
  }
}

TEST(Message, CompressedRoundTrip) {
  const auto frame = make_request(7, bson::make_document({{"insert", std::string(5000, 'x')}}), kExhaustAllowed);
  for (const auto compressor : {net::Compressor::kNone, net::Compressor::kSnappy, net::Compressor::kZlib, net::Compressor::kZstd}) {
    const auto packed = pack_message(frame, compressor);
    ASSERT_TRUE(packed);
    EXPECT_TRUE(is_compressed(*packed));
    const auto unpacked = unpack_message(*packed);
    ASSERT_TRUE(unpacked) << unpacked.error().message;
    EXPECT_EQ(unpacked->frame, frame);
    EXPECT_EQ(unpacked->compressor, compressor);
  }
}

// Sizes that would have the server allocate for nothing, other compressors, and messages within messages.
TEST(Message, ImpossibleCompressionIsRefused) {
  const auto frame = make_request(7, bson::make_document({{"ping", 1}}));
  const auto packed = *pack_message(frame, net::Compressor::kZlib);
  for (const auto& [at, value] : {std::pair{16, 2012}, {20, -1}, {20, 0x7fffffff}, {20, 48'000'000}, {24, 4}}) {
    auto damaged = packed;
    std::memcpy(damaged.data() + at, &value, at == 24 ? 1 : 4);
    EXPECT_FALSE(unpack_message(damaged)) << at;
  }
  for (std::size_t size = 16; size < packed.size(); ++size) {
    EXPECT_FALSE(unpack_message(std::span(packed).first(size))) << size;
  }
}

TEST(Message, UnknownRequiredFlagIsRefused) {
  EXPECT_FALSE(parse_message(make_request(1, bson::make_document({{"ping", 1}}), 1u << 5)));
}

}  // namespace
}  // namespace drover::sandbox
