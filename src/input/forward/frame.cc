#include "input/forward/frame.h"

#include <algorithm>
#include <optional>

#include "input/forward/extent.h"
#include "record/msgpack_reader.h"

namespace noroshi::forward {
namespace {

using namespace msgpack_format;

constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

bool is_array(uint8_t first) {
  return (first & 0xf0) == kFixArray || first == kArray16 || first == kArray32;
}

// The bytes of a str or bin value; nullopt of any other type.
std::optional<std::string_view> text_of(std::string_view value) {
  MsgpackReader reader(value);
  auto bytes = reader.read_binary();
  if (!bytes) return std::nullopt;
  return *bytes;
}

struct Option {
  std::string_view chunk = {};
  std::string_view metadata = {};
  std::string_view compressed = {};
  uint64_t signal = 0;
};

// Absent, nil, {} and a map are all legal; of the map unknown keys and values of a wrong type are
// ignored.
Option parse_option(std::string_view value) {
  Option option;
  MsgpackReader reader(value);
  const auto pairs = reader.read_map();
  if (!pairs) return option;
  for (uint32_t n = 0; n < *pairs; ++n) {
    const auto key = reader.read_binary();
    if (!key && !reader.skip()) return option;
    const auto content = reader.skip();
    if (!content) return option;
    if (!key) continue;
    if (*key == "chunk") {
      // Echoed as it came. str by the specification; bin from msgpack libraries that know no
      // difference.
      if (text_of(*content)) option.chunk = *content;
    } else if (*key == "metadata") {
      if (MsgpackReader(*content).read_map()) option.metadata = *content;
    } else if (*key == "compressed") {
      option.compressed = text_of(*content).value_or("");
    } else if (*key == "fluent_signal") {
      option.signal = MsgpackReader(*content).read_uint().value_or(0);
    }
  }
  return option;
}

// Fluent Bit believes the magic over the option; so do we, but not over an explicit "text". A plain
// entry begins with an array head, which neither magic is.
std::expected<Compression, std::string_view> compression_of(std::string_view payload,
                                                            std::string_view option) {
  if (option == "text") return Compression::None;
  if (payload.starts_with(kGzipMagic)) return Compression::Gzip;
  if (payload.starts_with(kZstdMagic)) return Compression::Zstd;
  if (option.empty() || payload.empty()) return Compression::None;
  if (option == "gzip") return Compression::Gzip;
  if (option == "zstd") return Compression::Zstd;
  return std::unexpected("its `compressed` option is neither gzip, zstd nor text");
}

}  // namespace

FrameScanner::Outcome FrameScanner::scan(std::string_view bytes, uint64_t size_max) {
  if (!began_) {
    if (bytes.empty()) return Outcome::Incomplete;
    const auto first = static_cast<uint8_t>(bytes[0]);
    heartbeat_ = first == kNil;
    if (!heartbeat_ && !is_array(first)) return Outcome::NotForward;
  }
  ValueHead head;
  const char* const end = bytes.data() + bytes.size();
  while (pending_ != 0) {
    if (position_ > bytes.size()) return Outcome::Incomplete;  // inside a string
    const HeadStatus status = read_head(bytes.data() + position_, end, head);
    if (status == HeadStatus::Invalid) return Outcome::NotForward;
    if (status == HeadStatus::Truncated) return Outcome::Incomplete;
    if (!began_) {
      began_ = true;
      elements_ = heartbeat_ ? 0 : static_cast<uint32_t>(head.children);
      elements_left_ = elements_;
    } else if (pending_ == elements_left_) {
      const uint64_t index = elements_ - elements_left_;
      if (index <= kElementsKept) starts_[index] = position_;
      --elements_left_;
    }
    pending_ += head.children - 1;
    position_ += head.advance;
    containers_ += head.container;
    if (position_ + pending_ > size_max) return Outcome::TooLarge;
  }
  if (position_ > bytes.size()) return Outcome::Incomplete;
  if (elements_ <= kElementsKept) starts_[elements_] = position_;
  return Outcome::Frame;
}

std::string_view FrameScanner::element(std::string_view frame, uint32_t index) const {
  return frame.substr(starts_[index], starts_[index + 1] - starts_[index]);
}

std::string_view guess_protocol(std::string_view first_bytes) {
  constexpr std::string_view kMethods[] = {"GET ", "POST", "PUT ", "HEAD", "OPTI", "PRI "};
  if (first_bytes.starts_with('{') || first_bytes.starts_with('[')) {
    return "JSON (the Forward protocol is MessagePack; Fluentd's JSON variant is not supported)";
  }
  if (first_bytes.starts_with("\x16\x03")) return "a TLS handshake (this port does not speak TLS)";
  if (std::ranges::any_of(
          kMethods, [&](std::string_view method) { return first_bytes.starts_with(method); })) {
    return "an HTTP request";
  }
  return "no frame of the Forward protocol";
}

std::string_view to_string(FrameMode mode) {
  switch (mode) {
    case FrameMode::Message:
      return "Message";
    case FrameMode::Forward:
      return "Forward";
    case FrameMode::Packed:
      return "PackedForward";
  }
  return "?";
}

std::expected<Frame, std::string_view> parse_frame(std::string_view bytes,
                                                   const FrameScanner& scanner) {
  if (scanner.elements() < 2) return std::unexpected("it has fewer than two elements");
  Frame frame;
  const auto tag = text_of(scanner.element(bytes, 0));
  if (!tag) return std::unexpected("its tag is not a string");
  if (tag->size() > kTagBytesMax) return std::unexpected("its tag is longer than 1024 bytes");
  frame.tag = *tag;

  const std::string_view second = scanner.element(bytes, 1);
  Option option;
  if (is_array(static_cast<uint8_t>(second[0]))) {
    frame.mode = FrameMode::Forward;
    ValueHead head;
    (void)read_head(second.data(), second.data() + second.size(), head);
    frame.entries = second.substr(head.advance);
    if (scanner.elements() > 2) option = parse_option(scanner.element(bytes, 2));
  } else if (const auto payload = text_of(second)) {
    frame.mode = FrameMode::Packed;
    frame.entries = *payload;
    if (scanner.elements() > 2) option = parse_option(scanner.element(bytes, 2));
    const auto compression = compression_of(*payload, option.compressed);
    if (!compression) return std::unexpected(compression.error());
    frame.compression = *compression;
  } else {
    if (scanner.elements() < 3) return std::unexpected("it has a time and no record");
    frame.mode = FrameMode::Message;
    frame.time = second;
    frame.record = scanner.element(bytes, 2);
    frame.containers = scanner.containers();
    if (scanner.elements() > 3) option = parse_option(scanner.element(bytes, 3));
    frame.metadata = option.metadata;
  }
  if (option.chunk.size() > kAckIdBytesMax)
    return std::unexpected("its `chunk` option is longer than 1024 bytes");
  frame.ack_id = option.chunk;
  frame.signal = option.signal;
  return frame;
}

}  // namespace noroshi::forward
