#include "output/kinesis_streams/kpl_aggregate.h"

#include <openssl/evp.h>

#include <array>

#include "base/check.h"
#include "output/request/protobuf_writer.h"

namespace noroshi {
namespace {

constexpr std::string_view kMagic = "\xf3\x89\x9a\xc2";
// Fields of AggregatedRecord and of its Record.
constexpr uint32_t kPartitionKeyTable = 1, kRecords = 3;
constexpr uint32_t kPartitionKeyIndex = 1, kData = 3;

bool append_md5(std::string_view bytes, std::string& out) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_md5(), nullptr) != 1)
    return false;
  out.append(reinterpret_cast<const char*>(digest.data()), size);
  return true;
}

}  // namespace

bool can_make_kpl_aggregates() {
  std::string digest;
  return append_md5("", digest);
}

void append_aggregate_member(std::string& out, std::string_view data) {
  ProtobufWriter writer(out);
  const size_t begin = writer.begin_message(kRecords);
  writer.varint_field(kPartitionKeyIndex, 0);
  writer.bytes_field(kData, data);
  writer.end_message(begin);
}

std::string kpl_aggregate(std::string_view partition_key, std::string_view members) {
  std::string whole(kMagic);
  ProtobufWriter(whole).bytes_field(kPartitionKeyTable, partition_key);
  whole += members;
  std::string digest;
  CHECK(append_md5(std::string_view(whole).substr(kMagic.size()), digest),
        "can_make_kpl_aggregates() was asked at the start");
  return whole + digest;
}

}  // namespace noroshi
