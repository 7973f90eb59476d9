// GELF: flattened records for Graylog. See record_encoder.h.
#include <fmt/format.h>

#include <array>

#include "http/http_client.h"
#include "output/request/record_encoder.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/record_accessor.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

constexpr std::array<std::string_view, 8> kSyslogLevels = {"emerg",   "alert",  "crit", "err",
                                                           "warning", "notice", "info", "debug"};

MsgpackType type_of(std::string_view value) {
  MsgpackReader reader(value);
  return reader.peek().value_or(MsgpackType::Nil);
}

// `,"key":`
void write_key(std::string& out, std::string_view key) {
  out += ',';
  write_json_string(out, key);
  out += ':';
}

// A value under `key`; maps are taken apart into key_sub, arrays become their JSON as text: GELF
// knows strings and numbers only.
void write_field(std::string& out, const std::string& key, std::string_view value) {
  switch (type_of(value)) {
    case MsgpackType::Nil:
      return;
    case MsgpackType::Map: {
      MapPairs pairs(value);
      for (MapPair pair; pairs.next(pair);) {
        if (pair.name.data() != nullptr)
          write_field(out, fmt::format("{}_{}", key, pair.name), pair.value);
      }
      return;
    }
    case MsgpackType::UnsignedInteger:
    case MsgpackType::NegativeInteger:
    case MsgpackType::Float:
      write_key(out, key);
      static_cast<void>(write_json(out, value));  // was validated
      return;
    default: {
      std::string text;
      static_cast<void>(append_value_text(text, value));
      write_key(out, key);
      write_json_string(out, text);
    }
  }
}

// Syslog's number of a level word or digit; anything else stays as it is.
void write_level(std::string& out, std::string_view value) {
  std::string text;
  static_cast<void>(append_value_text(text, value));
  write_key(out, "level");
  for (size_t i = 0; i < kSyslogLevels.size(); ++i) {
    const bool digit = text.size() == 1 && text[0] == static_cast<char>('0' + i);
    if (digit || equal_ignoring_case(text, kSyslogLevels[i])) {
      out += static_cast<char>('0' + i);
      return;
    }
  }
  if (type_of(value) == MsgpackType::UnsignedInteger) {
    out += text;
  } else {
    write_json_string(out, text);
  }
}

}  // namespace

bool write_gelf(std::string& out, const GelfKeys& keys, Timestamp time, std::string_view record) {
  if (!is_valid_record(record)) return false;
  const size_t before = out.size();
  out += R"({"version":"1.1")";
  // The first of equal keys counts, as in Fluent Bit.
  bool host = false, timestamp = false, level = false, short_message = false, full_message = false;
  MapPairs pairs(record);
  for (MapPair pair; pairs.next(pair);) {
    const std::string_view name = pair.name;
    if (name.data() == nullptr || name == "id" || type_of(pair.value) == MsgpackType::Nil) continue;
    const auto own_field = [&](bool& seen, std::string_view field) {
      if (!seen) write_field(out, std::string(field), pair.value);
      seen = true;
    };
    if (name == keys.host) {
      own_field(host, "host");
    } else if (name == keys.short_message) {
      own_field(short_message, "short_message");
    } else if (name == keys.timestamp) {
      own_field(timestamp, "timestamp");
    } else if (name == keys.full_message) {
      own_field(full_message, "full_message");
    } else if (name == keys.level) {
      if (!level) write_level(out, pair.value);
      level = true;
    } else {
      write_field(out, "_" + std::string(name), pair.value);
    }
  }
  if (!short_message) {
    out.resize(before);
    return false;
  }
  if (!timestamp) {
    const auto milliseconds = std::chrono::floor<Milliseconds>(time.time_since_epoch()).count();
    out +=
        fmt::format(R"(,"timestamp":{}.{:03})", milliseconds / 1000, std::abs(milliseconds % 1000));
  }
  out += '}';
  return true;
}

}  // namespace noroshi
