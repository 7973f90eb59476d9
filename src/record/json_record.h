// A record from JSON text, for tests that want to be read.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "record/json_parser.h"

namespace noroshi {

inline std::string record_of(std::string_view json) {
  std::string msgpack;
  JsonToMsgpack parser;
  EXPECT_TRUE(parser.append_value(json, msgpack).has_value()) << json;
  return msgpack;
}

}  // namespace noroshi
