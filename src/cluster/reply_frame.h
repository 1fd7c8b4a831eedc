// A reply on its way from a connection to the driver. The driver takes the bytes of a server for what they ought to be: it believes
// lengths, follows section 0 of an OP_MSG wherever that leads, ends the process where a nested document, an error's code or a
// decompressed size is another than expected, and hands on what it never looked at; and iterators (bson/document.h) read whatever
// lengths say. So each reply is looked at once, here, before anybody else reads it: its frame, that it answers what was asked, that
// all of it is one document, and of the fields that the driver reads by itself those in which it does not ask for the type.
//
// What is checked of the document is its structure: lengths, terminators, types, depth. Not UTF-8, not the names: documents of
// real deployments hold anything there, and are copied byte for byte.
//
// One thread at a time. Memory: nothing for a reply that is not compressed, since it is read into the driver's own buffer and looked
// at there; one that is compressed is taken in whole and unpacked here, instead of by the driver.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::cluster {

// A reply wraps documents of up to 180 levels in a few of its own.
inline constexpr int kMaxReplyNesting = 256;
inline constexpr std::size_t kMaxReplyBytes = 48000000;  // the server's maxMessageSizeBytes

class ReplyReader {
 public:
  // Fills `into` with what comes next: at least `least` bytes, or it failed. -1: errno says why.
  using Source = std::function<std::int64_t(std::span<std::uint8_t> into, std::size_t least)>;

  // The beginning of each message that goes out: its header and, of one that is compressed, the opcode of what is inside.
  static constexpr std::size_t kRequestHead = 20;
  void sent(std::span<const std::uint8_t> head);

  // The next bytes of the reply, as many as fit into `into` and are left of it; -1 when the source failed (errno is the source's)
  // or the reply is refused (errno is EBADMSG; refusal() says why). After that the connection is of no more use.
  std::int64_t read(std::span<std::uint8_t> into, const Source& source);

  // What the server sent instead of a reply, once one was refused; empty until then.
  const std::string& refusal() const { return refusal_; }

 private:
  struct Request {
    std::int32_t id = 0;
    std::int32_t opcode = 0;
  };

  bool begin(const Source& source);
  bool unpack(const Source& source);
  bool check_head();
  bool refuse(std::string why);  // false

  std::optional<Request> request_;      // until its first reply
  std::int32_t expected_opcode_ = 0;
  std::vector<std::uint8_t> kept_;      // the reply's beginning, up to its document; all of one that was compressed
  std::vector<std::uint8_t> pieces_;    // of a document that is not asked for at once
  std::size_t size_ = 0;                // of the whole reply; 0: none is under way
  std::size_t at_ = 0;                  // how much of it has been handed on
  std::string refusal_;
};

// One document of a reply that fills `bytes`, as the driver and we may read it.
Status check_reply_document(std::span<const std::uint8_t> bytes);

}  // namespace drover::cluster
