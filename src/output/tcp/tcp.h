// The `tcp` output: records as JSON or MessagePack over a plain TCP or TLS connection.
#pragma once

#include <cstdint>

#include "config/option_table.h"
#include "output/plugin.h"
#include "output/stream_output.h"

namespace noroshi {

enum class TcpOutputFormat : uint8_t { Msgpack, Json, JsonLines, JsonStream };

struct TcpOutputOptions : ServerOptions {
  TcpOutputFormat format = TcpOutputFormat::Msgpack;
  LocatedText json_date_key = {};
  LocatedText json_date_format = {};
  LocatedText raw_message_key = {};  // only the value of this key, one per line
};

[[nodiscard]] const OptionTable<TcpOutputOptions>& tcp_output_option_table();

extern const OutputPlugin kTcpOutputPlugin;

}  // namespace noroshi
