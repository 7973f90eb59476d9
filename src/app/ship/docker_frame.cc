#include "app/ship/docker_frame.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <vector>

#include "base/check.h"
#include "record/msgpack_writer.h"

namespace noroshi::ship {
namespace {

constexpr uint32_t kFixedFields = 3;    // container_id, container_name, source
constexpr uint32_t kPartialFields = 4;  // partial_message, _id, _ordinal, _last

void random_bytes(unsigned char* into, size_t count) {
  CHECK(RAND_bytes(into, static_cast<int>(count)) == 1,
        "the operating system gives no random bytes");
}

}  // namespace

DockerFrame::DockerFrame(std::string_view tag, std::string_view container_id,
                         std::string_view container_name, std::string_view source) {
  MsgpackWriter head(head_);
  head.array_header(4);
  head.string(tag);
  MsgpackWriter fields(fields_);
  fields.string("container_id"), fields.string(container_id);
  fields.string("container_name"), fields.string("/" + std::string(container_name));
  fields.string("source"), fields.string(source);
}

void DockerFrame::append(const Piece& piece, std::string_view ack_id, std::string& out) const {
  MsgpackWriter writer(out);
  writer.raw(head_);
  writer.time(piece.time);
  writer.map_header(kFixedFields + 1 + (piece.partial ? kPartialFields : 0));
  writer.raw(fields_);
  writer.string("log"), writer.string(piece.line);
  if (piece.partial) {
    writer.string("partial_message"), writer.string("true");
    writer.string("partial_id"), writer.string(piece.partial_id);
    writer.string("partial_ordinal"), writer.string(std::to_string(piece.ordinal));
    writer.string("partial_last"), writer.string(piece.last ? "true" : "false");
  }
  writer.map_header(ack_id.empty() ? 0 : 1);
  if (!ack_id.empty()) writer.string("chunk"), writer.string(ack_id);
}

std::string random_hex(size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  random_bytes(raw.data(), raw.size());
  std::string out;
  for (const unsigned char byte : raw) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::string make_ack_id(Timestamp now) {
  std::array<unsigned char, 16> raw{};
  const auto seconds =
      static_cast<uint64_t>(std::chrono::floor<Seconds>(now).time_since_epoch().count());
  for (size_t n = 0; n < 8; ++n) raw[n] = static_cast<unsigned char>(seconds >> (8 * n));
  random_bytes(raw.data() + 8, 8);
  std::array<unsigned char, 25> text{};
  EVP_EncodeBlock(text.data(), raw.data(), raw.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace noroshi::ship
