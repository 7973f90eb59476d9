// FakeEnvironment: variables, files, HTTP answers and a clock for everything in aws/, without the
// machine.
#pragma once

#include <map>
#include <string>

#include "aws/credentials.h"
#include "aws/error.h"
#include "http/testing/fake_http_transport.h"

namespace noroshi::testing {

struct FakeEnvironment {
  std::map<std::string, std::string, std::less<>> variables = {};
  std::map<std::string, std::string, std::less<>> files = {};
  FakeHttpTransport http;
  ManualClock clock{Timestamp(Seconds(1795402380))};  // 2026-11-23T02:53:00Z

  // Borrows all of the above, which must outlive what is made from it.
  [[nodiscard]] AwsEnvironment environment() {
    return {
        .variable = [this](std::string_view name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          if (found == variables.end()) return std::nullopt;
          return found->second;
        },
        .read_file = [this](const std::string& path) -> Result<std::string> {
          const auto found = files.find(path);
          if (found == files.end()) return fail(ErrorCode::NotFound, "no file " + path);
          return found->second;
        },
        .make_transport = [this](const HttpTransportOptions&) { return forward_to(http); },
        .clock = &clock,
        .clock_skew = std::make_shared<ClockSkew>(),
    };
  }
};

}  // namespace noroshi::testing
