// Filter `partial_message`: joins the 16 KiB pieces into which Docker's fluentd driver cuts a long
// line. The pipeline puts one in front of every chain by itself; a [FILTER] section of this name in
// the configuration takes its place. README.md beside this file says what each option means to an
// operator.
#pragma once

#include <memory>

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

// Lines being joined at one time, and their bytes together; beyond either the oldest is released.
inline constexpr size_t kPartialMessagesOpenMax = 256;
inline constexpr uint64_t kPartialBytesOpenMax = 8 << 20;

struct PartialMessageOptions {
  bool enabled = true;
  std::string key = "log";  // of the text
  // Of a joined record; one that would grow beyond it is released as far as it is.
  ByteSize size_limit = {1 << 20};
  // From the first piece on: a line whose last piece has not come by then is released as far as it
  // is.
  Nanoseconds flush_timeout = Seconds(5);
};

const OptionTable<PartialMessageOptions>& partial_message_option_table();
[[nodiscard]] std::unique_ptr<Filter> make_partial_message(const PartialMessageOptions& options,
                                                           const Clock& clock);
extern const FilterPlugin kPartialMessageFilter;

}  // namespace noroshi
