#include "base/base64.h"

#include <gtest/gtest.h>

namespace noroshi {
namespace {

// RFC 4648, section 10.
TEST(Base64, TestVectors) {
  const auto encoded = [](std::string_view bytes) {
    std::string out = "kept ";
    append_base64(out, bytes);
    EXPECT_EQ(out.size(), 5 + base64_size(bytes.size()));
    return out.substr(5);
  };
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foob"), "Zm9vYg==");
  EXPECT_EQ(encoded("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encoded(std::string_view("\xff\xfe\xfd\x00", 4)), "//79AA==");
}

}  // namespace
}  // namespace noroshi
