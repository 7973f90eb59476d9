// The `tcp` output: records as JSON or MessagePack over a plain TCP or TLS connection.
#pragma once

#include <cstdint>
#include <string>

#include "config/option_table.h"
#include "output/plugin.h"

namespace noroshi {

enum class TcpOutputFormat : uint8_t { Msgpack, Json, JsonLines, JsonStream };

struct TcpOutputOptions {
  std::string host = "127.0.0.1";
  int64_t port = 5170;
  TcpOutputFormat format = TcpOutputFormat::Msgpack;
  LocatedText json_date_key = {};
  LocatedText json_date_format = {};
  LocatedText raw_message_key = {};  // only the value of this key, one per line
};

[[nodiscard]] const OptionTable<TcpOutputOptions>& tcp_output_option_table();

extern const OutputPlugin kTcpOutputPlugin;

}  // namespace noroshi
