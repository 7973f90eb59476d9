// The answer of the bulk API: one item for each action, in the order of the request. The bytes come
// from the network, so every field may be missing, of another type, or absurd.
//
// Source: https://docs.opensearch.org/latest/api-reference/document-apis/bulk/, "Response".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace noroshi {

struct FailedBulkItem {
  uint32_t index = 0;       // in the request
  int status = 0;           // 100 to 599, never 2xx
  std::string type = {};    // error.type: "mapper_parsing_exception"
  std::string reason = {};  // error.reason; 200 bytes at most
};

// The items whose status is not 2xx, ascending. Corrupt unless the answer has exactly `count` items
// with a status: a 200 that the service did not write must not count as delivered.
[[nodiscard]] Result<std::vector<FailedBulkItem>> parse_bulk_answer(std::string_view body,
                                                                    size_t count);

}  // namespace noroshi
