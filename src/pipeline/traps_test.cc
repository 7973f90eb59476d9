// The trap of an output that sends to its own router. The other traps need real plugins: see
// app/traps_test.cc.
#include "pipeline/traps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "config/classic.h"

namespace noroshi {
namespace {

using testing::HasSubstr;

OwnAddress own(std::vector<std::string> containers = {}) {
  return OwnAddress(
      [](const std::string& name) -> std::optional<std::string> {
        if (name == "FLUENT_HOST") return "172.17.0.5";
        return std::nullopt;
      },
      [containers] { return containers; });
}

TEST(OwnAddress, KnowsItsNamesInEverySpelling) {
  const OwnAddress router = own({"Backend_Router"});
  for (const char* name : {"127.0.0.1",
                           "127.1.2.3",
                           "0.0.0.0",
                           "::",
                           "::1",
                           "[::1]",
                           "0:0:0:0:0:0:0:1",
                           "::ffff:127.0.0.1",
                           "localhost",
                           "LOCALHOST",
                           "localhost.",
                           "app.localhost",
                           "localhost.localdomain",
                           "log-router",
                           "Log-Router",
                           "log_router",
                           "firelens",
                           "172.17.0.5",
                           "backend_router",
                           "BACKEND_ROUTER."})
    EXPECT_TRUE(router.is(name)) << name;
  for (const char* name :
       {"", "aggregator", "log-router.prod.internal", "10.255.255.254", "2001:db8::1", "fluent-bit",
        "fluentd", "backend", "128.0.0.1", "localhost.example.com"})
    EXPECT_FALSE(router.is(name)) << name;
  char host[256] = {};
  ASSERT_EQ(gethostname(host, sizeof(host) - 1), 0);
  EXPECT_TRUE(router.is(host));
}

// "" if the output is kept, else the warning.
std::string verdict(const std::string& inputs, const std::string& output,
                    const OwnAddress& address = own()) {
  Diagnostics diagnostics;
  const Document document = parse_classic_text("t.conf", inputs + output, diagnostics);
  EXPECT_EQ(diagnostics.render(), "");
  const Section* section = document.find_all(SectionKind::Output).front();
  const bool left_out = sends_to_itself(*section, document, address, diagnostics);
  EXPECT_EQ(left_out, diagnostics.warning_count() == 1);
  EXPECT_FALSE(diagnostics.has_errors());
  return diagnostics.render();
}

constexpr const char* kAwsvpc =
    "[INPUT]\n    Name forward\n    unix_path /var/run/fluent.sock\n"
    "[INPUT]\n    Name forward\n    Listen 127.0.0.1\n    Port 24224\n";
constexpr const char* kHostMode = "[INPUT]\n    Name forward\n    unix_path /var/run/fluent.sock\n";

TEST(SendsToItself, TheSpecifiedOptions) {
  const std::string warning = verdict(kAwsvpc,
                                      "[OUTPUT]\n    Name forward\n    Match backend-firelens*\n"
                                      "    Host log-router\n    Port 24224\n    Retry_Limit 2\n");
  EXPECT_THAT(warning, HasSubstr("t.conf:11:10: warning: this output would send every record "
                                 "back to this router (log-router:24224): it is left out"));
  EXPECT_THAT(warning, HasSubstr("t.conf:4:1"));  // the input
}

TEST(SendsToItself, WhateverTheSpelling) {
  for (const char* options :
       {"", "    Port 24224\n", "    host localhost\n", "    HOST 127.0.0.1\n    PORT 24224\n",
        "    Host ::1\n", "    Host 172.17.0.5\n"})
    EXPECT_NE(verdict(kAwsvpc, std::string("[OUTPUT]\n    Name Forward\n    Match *\n") + options),
              "")
        << options;
}

TEST(SendsToItself, NotToOthers) {
  for (const char* options :
       {"    Host aggregator\n", "    Host aggregator\n    Port 24224\n",
        "    Host 127.0.0.1\n    Port 24225\n", "    unix_path /run/other.sock\n",
        "    Host log-router\n    Port 443\n"})
    EXPECT_EQ(verdict(kAwsvpc, std::string("[OUTPUT]\n    Name forward\n    Match *\n") + options),
              "")
        << options;
  // In host mode nobody of ours listens on TCP: the node's own aggregator may.
  EXPECT_EQ(verdict(kHostMode, "[OUTPUT]\n    Name forward\n    Match *\n    Host 127.0.0.1\n"),
            "");
  EXPECT_EQ(verdict(kAwsvpc, "[OUTPUT]\n    Name http\n    Match *\n    Port 24224\n"), "");
}

TEST(SendsToItself, ThroughTheSocketAndByOtherProtocols) {
  // A unix_path beside an address does not replace it.
  EXPECT_NE(verdict("[INPUT]\n    Name forward\n    unix_path /s\n    Port 24224\n",
                    "[OUTPUT]\n    Name forward\n    Match *\n"),
            "");
  EXPECT_NE(
      verdict(kHostMode,
              "[OUTPUT]\n    Name forward\n    Match *\n    unix_path /var/run/fluent.sock\n"),
      "");
  EXPECT_NE(verdict("[INPUT]\n    Name tcp\n", "[OUTPUT]\n    Name tcp\n    Match *\n"), "");
  EXPECT_NE(verdict("[INPUT]\n    Name http\n    Port 8080\n",
                    "[OUTPUT]\n    Name http\n    Match *\n    Port 8080\n"),
            "");
  EXPECT_EQ(verdict("[INPUT]\n    Name http\n", "[OUTPUT]\n    Name http\n    Match *\n"), "");
}

TEST(SendsToItself, ToAContainerOfItsTask) {
  constexpr const char* kOutput =
      "[OUTPUT]\n    Name forward\n    Match *\n    Host shipper\n    Port 24224\n";
  EXPECT_EQ(verdict(kAwsvpc, kOutput), "");
  EXPECT_NE(verdict(kAwsvpc, kOutput, own({"shipper"})), "");
}

}  // namespace
}  // namespace noroshi
