// The answer of an OTLP/HTTP receiver: ExportLogsServiceResponse in protobuf.
// https://opentelemetry.io/docs/specs/otlp/#partial-success-1
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace noroshi {

struct OtlpAnswer {
  uint64_t rejected = 0;     // log records the receiver did not take; it does not say which
  std::string message = {};  // 200 bytes at most
};

// Unknown fields are stepped over. Corrupt if the bytes are no protobuf message.
[[nodiscard]] Result<OtlpAnswer> parse_otlp_answer(std::string_view body);

}  // namespace noroshi
