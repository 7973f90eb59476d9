// The file that the option `upstream` names: [UPSTREAM] and its [NODE]s, in the classic format.
// (docs.fluentbit.io: administration/configuring-fluent-bit/classic-mode/upstream-servers)
#pragma once

#include <vector>

#include "config/document.h"
#include "config/option_value.h"
#include "output/forward/forward_peer.h"

namespace noroshi {

class Diagnostics;

// Nodes of one file at most.
inline constexpr size_t kUpstreamNodesMax = 64;

// The servers of the file, at least one; empty exactly if errors were added. The file is looked for
// in the working directory and beside the configuration. `output` gives the net.… options.
[[nodiscard]] std::vector<ForwardPeerOptions> read_upstream(const LocatedText& path,
                                                            const Section& output,
                                                            Diagnostics& diagnostics);

}  // namespace noroshi
