// The `forward` output: records to Fluentd, Fluent Bit or another noroshi, over the Forward
// protocol. README.md says what it sends and when a batch counts as delivered.
//
//   forward_batch   records as one PackedForward frame
//   forward_peer    one server: connection, handshake, frame, acknowledgement
//   upstream        the file with several servers
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/option_table.h"
#include "output/forward/peer_security.h"
#include "output/plugin.h"
#include "output/stream_output.h"

namespace noroshi {

enum class ForwardCompression : uint8_t { None, Gzip, Zstd };

struct ForwardOutputOptions : PeerSecurityOptions, ServerOptions {
  std::string unix_path = {};
  LocatedText upstream = {};  // path of a file with [NODE]s, instead of host and port
  LocatedText tag = {};       // a template instead of the records' tag
  bool time_as_integer = false;
  bool retain_metadata = true;
  bool send_options = false;
  bool require_ack_response = false;
  ForwardCompression compression = ForwardCompression::None;
  std::vector<LocatedText> add_option = {};  // "KEY VALUE"
};

[[nodiscard]] const OptionTable<ForwardOutputOptions>& forward_output_option_table();

extern const OutputPlugin kForwardOutputPlugin;

}  // namespace noroshi
