// Any bytes through the MessagePack reader: skip, scan and read must agree, and in the fuzz build
// with msgpack-cxx as well (NOROSHI_MSGPACK_CXX: CMakeLists.txt). What is well-formed must become
// JSON in which simdjson reads the same value (json_writer_fuzz.cc looks closer).
#ifdef NOROSHI_MSGPACK_CXX
#define MSGPACK_NO_BOOST
#include <msgpack.hpp>
#endif

#include "base/check.h"
#include "record/condition.h"
#include "record/json_writer.h"
#include "record/msgpack_reader.h"
#include "record/simdjson_reference.h"

namespace {

using namespace noroshi;

#ifdef NOROSHI_MSGPACK_CXX
// The reader's token stream must hold what msgpack-cxx decoded.
void compare(MsgpackReader& reader, const msgpack::object& object) {
  const auto token = reader.next();
  CHECK(token.has_value(), "msgpack-cxx read a value that next() refuses");
  switch (object.type) {
    case msgpack::type::NIL:
      CHECK(token->type == MsgpackType::Nil, "nil");
      break;
    case msgpack::type::BOOLEAN:
      CHECK(token->type == MsgpackType::Bool && token->boolean == object.via.boolean, "bool");
      break;
    case msgpack::type::POSITIVE_INTEGER:
      CHECK(
          token->type == MsgpackType::UnsignedInteger && token->unsigned_integer == object.via.u64,
          "unsigned integer");
      break;
    case msgpack::type::NEGATIVE_INTEGER:
      CHECK(
          token->type == MsgpackType::NegativeInteger && token->negative_integer == object.via.i64,
          "negative integer");
      break;
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64:
      CHECK(token->type == MsgpackType::Float &&
                (token->number == object.via.f64 || object.via.f64 != object.via.f64),
            "float");
      break;
    case msgpack::type::STR:
      CHECK(token->type == MsgpackType::String && token->bytes.data() != nullptr &&
                token->bytes == std::string_view(object.via.str.ptr, object.via.str.size),
            "string");
      break;
    case msgpack::type::BIN:
      CHECK(token->type == MsgpackType::Binary &&
                token->bytes == std::string_view(object.via.bin.ptr, object.via.bin.size),
            "binary");
      break;
    case msgpack::type::EXT:
      CHECK(token->type == MsgpackType::Extension &&
                token->extension_type == object.via.ext.type() &&
                token->bytes == std::string_view(object.via.ext.data(), object.via.ext.size),
            "extension");
      break;
    case msgpack::type::ARRAY:
      CHECK(token->type == MsgpackType::Array && token->count == object.via.array.size, "array");
      for (uint32_t i = 0; i < object.via.array.size; ++i) {
        compare(reader, object.via.array.ptr[i]);
      }
      break;
    case msgpack::type::MAP:
      CHECK(token->type == MsgpackType::Map && token->count == object.via.map.size, "map");
      for (uint32_t i = 0; i < object.via.map.size; ++i) {
        compare(reader, object.via.map.ptr[i].key);
        compare(reader, object.via.map.ptr[i].val);
      }
      break;
  }
}

void compare_with_msgpack_cxx(std::string_view bytes, const MsgpackResult<std::string_view>& ours) {
  constexpr size_t kMost = 100'000;  // its arrays are allocated before they are read
  const msgpack::unpack_limit limit(kMost, kMost, 0xffffffff, 0xffffffff, 0xffffffff, 1000);
  size_t position = 0;
  try {
    const msgpack::object_handle object =
        msgpack::unpack(bytes.data(), bytes.size(), position, nullptr, nullptr, limit);
    if (!ours && ours.error() == MsgpackError::TooDeep) return;
    CHECK(ours.has_value(), "msgpack-cxx accepts what skip() refuses");
    CHECK(position == ours->size(), "the value ends elsewhere");
    MsgpackReader reader(bytes);
    compare(reader, object.get());
  } catch (const msgpack::size_overflow&) {
  } catch (const msgpack::insufficient_bytes&) {
    CHECK(!ours && ours.error() != MsgpackError::Malformed, "msgpack-cxx wants more bytes");
  } catch (const msgpack::parse_error&) {
    CHECK(!ours && ours.error() != MsgpackError::Truncated, "msgpack-cxx finds it malformed");
  }
}
#endif

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  MsgpackReader reader(bytes);
  const auto skipped = reader.skip();
#ifdef NOROSHI_MSGPACK_CXX
  if (!bytes.empty()) compare_with_msgpack_cxx(bytes, skipped);
#endif

  // The same answer when the bytes arrive in pieces.
  MsgpackScanner scanner;
  for (size_t given = 0; given <= size; given += 1 + given / 3) {
    const auto found = scanner.scan(bytes.substr(0, given));
    if (found) {
      CHECK(skipped && *found == skipped->size(), "scan() and skip() disagree");
      break;
    }
    if (found.error() != MsgpackError::Truncated) {
      CHECK(!skipped && skipped.error() == found.error(),
            "scan() and skip() disagree on the error");
      break;
    }
    CHECK(scanner.bytes_needed() > given, "a truncated value needs more than there is");
    CHECK(!skipped || scanner.bytes_needed() <= skipped->size(), "needs more than the value has");
  }

  std::string json = "x";
  const auto written = write_json(json, skipped ? *skipped : bytes);
  CHECK(written.has_value() == skipped.has_value(), "write_json() and skip() disagree");
  if (written) {
    static simdjson::dom::parser dom;
    simdjson::dom::element element;
    CHECK(dom.parse(std::string_view(json).substr(1)).get(element) == simdjson::SUCCESS,
          "simdjson refuses our JSON");
    CHECK(simdjson_reference::same(element, *skipped), "simdjson reads another value in our JSON");
  } else {
    CHECK(json == "x", "the output was touched");
  }
  static_cast<void>(MsgpackReader(bytes).read_time());
  static_cast<void>(MsgpackReader(bytes).peek());
  static_cast<void>(infer_severity(bytes));
  static const RecordCondition condition = [] {
    RecordCondition built;
    CHECK(built.add_grep("$a['level'][1] x,1").has_value(), "condition");
    CHECK(built.add_grep("level /e/").has_value(), "condition");
    return built;
  }();
  static_cast<void>(condition.matches(bytes, Severity::Unknown));
  return 0;
}
