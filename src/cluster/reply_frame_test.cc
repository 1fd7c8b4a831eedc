#include "cluster/reply_frame.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "cluster/testing/nested_bytes.h"

// What the library packs with, as it unpacks (reply_frame.cc).
extern "C" bool mongoc_compress(std::int32_t compressor, std::int32_t level, char* plain, std::size_t plain_size, char* packed,
                                std::size_t* packed_size);

namespace drover::cluster {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::int32_t kId = 77;

void put(Bytes& bytes, std::int32_t value) {
  const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}
void set(Bytes& bytes, std::size_t at, std::int32_t value) { std::memcpy(bytes.data() + at, &value, sizeof value); }

Bytes framed(std::int32_t opcode, const Bytes& body, std::int32_t answer_to = kId) {
  Bytes message;
  put(message, static_cast<std::int32_t>(16 + body.size()));
  put(message, 5);
  put(message, answer_to);
  put(message, opcode);
  message.insert(message.end(), body.begin(), body.end());
  return message;
}
Bytes message_of(const Bytes& document, std::int32_t flags = 0, std::uint8_t kind = 0) {
  Bytes body;
  put(body, flags);
  body.push_back(kind);
  body.insert(body.end(), document.begin(), document.end());
  return body;
}
Bytes old_reply_of(const Bytes& document, std::int32_t count = 1) {
  Bytes body;
  for (const auto value : {8, 0, 0, 0, count}) put(body, value);
  body.insert(body.end(), document.begin(), document.end());
  return body;
}
Bytes packed_of(std::int32_t opcode, Bytes body, std::int32_t compressor) {
  Bytes packed(2 * body.size() + 200);
  std::size_t size = packed.size();
  EXPECT_TRUE(mongoc_compress(compressor, 3, reinterpret_cast<char*>(body.data()), body.size(), reinterpret_cast<char*>(packed.data()), &size));
  Bytes frame;
  put(frame, opcode);
  put(frame, static_cast<std::int32_t>(body.size()));
  frame.push_back(static_cast<std::uint8_t>(compressor));
  frame.insert(frame.end(), packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
  return frame;
}

Bytes request(std::int32_t opcode, std::int32_t inside = 0) {
  Bytes head;
  for (const auto value : {100, kId, 0, opcode, inside}) put(head, value);
  return head;
}

Bytes bytes_of(const bson::Document& document) { return document.bytes(); }

// A document of a batch within a reply, as the server wraps it.
Bytes batch_with(const bson::Document& document) {
  bson::Builder reply;
  {
    auto cursor = reply.open_document("cursor");
    cursor.append("id", std::int64_t{0}).append("ns", "d.c");
    cursor.open_array("firstBatch").append(document);
  }
  reply.append("ok", 1.0);
  return bytes_of(std::move(reply).finish());
}

bson::Document list_of(std::initializer_list<bson::Field> items) { return bson::make_document(items); }

class ReplyReaderTest : public testing::Test {
 protected:
  // As the driver reads: `parts` of these sizes, then all that is left. What arrived, or nothing when the reply was refused.
  std::optional<Bytes> read(const Bytes& incoming, std::vector<std::size_t> parts = {4}, std::int32_t opcode = 2013) {
    reader_ = {};
    reader_.sent(request(opcode));
    incoming_ = incoming;
    return read_on(std::move(parts));
  }
  std::optional<Bytes> read_on(std::vector<std::size_t> parts = {4}) {
    Bytes arrived;
    std::size_t size = 0;
    for (std::size_t i = 0; size == 0 || arrived.size() < size; ++i) {
      Bytes part(i < parts.size() ? parts[i] : size - arrived.size());
      errno = 0;
      const auto got = reader_.read(part, [&](std::span<std::uint8_t> into, std::size_t least) -> std::int64_t {
        if (incoming_.size() < least) return errno = ECONNRESET, -1;
        const auto count = std::min(into.size(), incoming_.size());
        std::copy_n(incoming_.begin(), count, into.begin());
        incoming_.erase(incoming_.begin(), incoming_.begin() + static_cast<std::ptrdiff_t>(count));
        return static_cast<std::int64_t>(count);
      });
      if (got < 0) {
        EXPECT_EQ(errno, reader_.refusal().empty() ? ECONNRESET : EBADMSG);
        return std::nullopt;
      }
      part.resize(static_cast<std::size_t>(got));
      arrived.insert(arrived.end(), part.begin(), part.end());
      if (size == 0 && arrived.size() >= 4) {
        std::int32_t length;
        std::memcpy(&length, arrived.data(), sizeof length);
        size = static_cast<std::size_t>(length);
      }
    }
    return arrived;
  }
  std::string refusal(const Bytes& incoming, std::int32_t opcode = 2013) {
    EXPECT_FALSE(read(incoming, {opcode == 2013 ? std::size_t{4} : std::size_t{36}}, opcode));
    return reader_.refusal();
  }

  ReplyReader reader_;
  Bytes incoming_;
  const Bytes fine_ = bytes_of(bson::make_document({{"a", "text"}, {"ok", 1.0}}));
};

TEST_F(ReplyReaderTest, RepliesArriveAsTheyWereSent) {
  const auto message = framed(2013, message_of(fine_));
  EXPECT_EQ(read(message), message);
  EXPECT_EQ(read(message, {1, 2, 3, 20, 7}), message) << "in pieces";
  const auto old = framed(1, old_reply_of(fine_));
  EXPECT_EQ(read(old, {36}, 2004), old);
  EXPECT_EQ(read(old, {4}, 2004), old);
}

TEST_F(ReplyReaderTest, OneReplyAfterAnother) {
  auto two = framed(2013, message_of(fine_, 2));
  const auto second = framed(2013, message_of(fine_), 5);  // the answer to the first reply, not to the request
  two.insert(two.end(), second.begin(), second.end());
  EXPECT_TRUE(read(two));
  EXPECT_EQ(read_on(), second);
}

TEST_F(ReplyReaderTest, CompressedRepliesAreUnpacked) {
  for (const int compressor : {1, 2, 3}) {
    EXPECT_EQ(read(framed(2012, packed_of(2013, message_of(fine_), compressor))), framed(2013, message_of(fine_))) << compressor;
    EXPECT_EQ(read(framed(2012, packed_of(1, old_reply_of(fine_), compressor)), {36}, 2004), framed(1, old_reply_of(fine_)));
  }
}

TEST_F(ReplyReaderTest, CompressedRepliesThatLieAreRefused) {
  auto broken = fine_;
  set(broken, 0, 4000);
  EXPECT_EQ(refusal(framed(2012, packed_of(2013, message_of(broken), 2))), "invalid BSON at byte 0: wrong document length");
  auto packed = packed_of(2013, message_of(fine_), 2);
  const auto with = [&](std::size_t at, std::int32_t value) {
    auto changed = packed;
    set(changed, at, value);
    return framed(2012, changed);
  };
  for (const int size : {-1, 0, 1, 9, 30, 1000, 47999999, 48000000}) EXPECT_NE(refusal(with(4, size)), "") << size;
  EXPECT_EQ(refusal(with(0, 1)), "a message of the kind 1");
  packed[8] = 0;  // the driver would write as many bytes as there are
  EXPECT_NE(refusal(framed(2012, packed)), "");
  packed[8] = 2;
  for (auto cut = packed.size() - 1; cut > 8; --cut) {
    EXPECT_NE(refusal(framed(2012, Bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(cut)))), "") << cut;
  }
}

TEST_F(ReplyReaderTest, FramesThatLieAreRefused) {
  for (const int length : {-1, 0, 3, 15, 16, 24, 48000001, 0x7fffffff}) {
    auto message = framed(2013, message_of(fine_));
    set(message, 0, length);
    EXPECT_EQ(refusal(message), "a length of " + std::to_string(length) + " bytes");
  }
  for (const int length : {25, 40}) {  // shorter than its document
    auto message = framed(2013, message_of(fine_));
    set(message, 0, length);
    EXPECT_NE(refusal(message), "") << length;
  }
  EXPECT_EQ(refusal(framed(2013, message_of(fine_), kId + 1)), "the answer to something else");
  EXPECT_EQ(refusal(framed(1, old_reply_of(fine_))), "a message of the kind 1");
  EXPECT_EQ(refusal(framed(2013, message_of(fine_)), 2004), "a message of the kind 2013");
  EXPECT_EQ(refusal(framed(2013, message_of(fine_, 1))), "flags that nobody asked for (0x1)");
  EXPECT_EQ(refusal(framed(2013, message_of(fine_, 0, 1))), "a section of kind 1 where its document should be");
  EXPECT_EQ(refusal(framed(1, old_reply_of(fine_, 0)), 2004), "0 documents instead of one");
  auto more = message_of(fine_);
  more.push_back(0);
  more.insert(more.end(), fine_.begin(), fine_.end());
  EXPECT_NE(refusal(framed(2013, more)), "") << "two sections";
}

TEST_F(ReplyReaderTest, AConnectionThatEndsIsNoRefusal) {
  const auto message = framed(2013, message_of(fine_));
  for (std::size_t size = 0; size < message.size(); ++size) {
    EXPECT_FALSE(read(Bytes(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size))));
    EXPECT_EQ(reader_.refusal(), "") << size;
  }
}

// Each byte of a batch in turn takes other values: what is handed on can be walked through.
TEST_F(ReplyReaderTest, WhatIsHandedOnCanBeRead) {
  const std::function<void(bson::View)> walk = [&](bson::View document) {
    for (const auto& field : document) {
      volatile std::size_t size = field.key().size() + field.value_size();
      (void)size;
      if (field.is_string()) {
        EXPECT_EQ(field.string_value().data()[field.string_value().size()], 0);
      }
      if (field.is_document() || field.is_array()) walk(field.document_value());
    }
  };
  const auto document = batch_with(bson::make_document({{"_id", 1}, {"text", "some text"}, {"inner", bson::make_document({{"x", 2.5}})}}));
  const auto message = framed(2013, message_of(document));
  int refused = 0, read = 0;
  for (std::size_t at = 16; at < message.size(); ++at) {
    for (const int value : {0, 1, 2, 3, 4, 5, 8, 15, 16, 17, 127, 128, 255}) {
      auto changed = message;
      changed[at] = static_cast<std::uint8_t>(value);
      const auto arrived = this->read(changed);
      ++(arrived ? read : refused);
      if (arrived) walk(bson::View(arrived->data() + 21));
    }
  }
  EXPECT_GT(refused, 500);
  EXPECT_GT(read, 500);
}

TEST(ReplyDocument, StructureIsCheckedAndNothingElse) {
  EXPECT_TRUE(check_reply_document(batch_with(bson::make_document({{"text", std::string_view("\xff\xfe")}, {"\xff", 1}, {"a", 1}, {"a", 2}, {"$x.y", 3}, {"", 4}}))));
  EXPECT_TRUE(check_reply_document(nested(200)));
  EXPECT_TRUE(check_reply_document(nested(kMaxReplyNesting + 1)));
  for (const int levels : {kMaxReplyNesting + 2, 10000, 400000}) {
    const auto fine = check_reply_document(nested(levels));
    ASSERT_FALSE(fine);
    EXPECT_EQ(fine.error().message, "a document of more than 256 levels");
  }
}

// The driver ends the process at these.
TEST(ReplyDocument, WhatTheDriverTakesForGrantedIsChecked) {
  const auto fine = [](const bson::Document& document) { return static_cast<bool>(check_reply_document(document.bytes())); };
  EXPECT_TRUE(fine(bson::make_document({{"ok", 0.0}, {"code", 11600}, {"errmsg", "no"}})));
  EXPECT_TRUE(fine(bson::make_document({{"ok", 0.0}, {"errmsg", "no"}})));
  EXPECT_TRUE(fine(bson::make_document({{"ok", 1.0}, {"code", 0}}))) << "an answer's own field";
  EXPECT_FALSE(fine(bson::make_document({{"ok", 0.0}, {"code", 0}})));
  EXPECT_FALSE(fine(bson::make_document({{"ok", 0.0}, {"code", 0.5}})));
  EXPECT_FALSE(fine(bson::make_document({{"code", std::int64_t{1} << 32}})));
  EXPECT_FALSE(fine(bson::make_document({{"ok", 1.0}, {"writeConcernError", bson::make_document({{"code", 0}})}})));
  EXPECT_TRUE(fine(bson::make_document({{"ok", 1.0}, {"writeConcernError", bson::make_document({{"code", 64}})}})));
  for (const auto* name : {"hosts", "passives", "arbiters", "compression"}) {
    EXPECT_TRUE(fine(bson::make_document({{"ok", 1.0}, {name, bson::ArrayView{list_of({{"0", "h:1"}})}}}))) << name;
    EXPECT_FALSE(fine(bson::make_document({{"ok", 1.0}, {name, bson::ArrayView{list_of({{"0", "h:1"}, {"1", 2}})}}}))) << name;
  }
}

}  // namespace
}  // namespace drover::cluster
