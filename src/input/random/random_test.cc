#include "input/random/random.h"

#include <set>

#include "config/diagnostics.h"
#include "input/socket_client.h"
#include "input/test_section.h"
#include "net/listener_registry.h"
#include "parser/parser_registry.h"

namespace noroshi {
namespace {

using Random = InputLoop;

TEST_F(Random, SamplesAndTheEnd) {
  ParserRegistry parsers;
  ListenerRegistry listeners;
  InputContext context{.parsers = parsers, .listeners = listeners, .instance_name = "random.0"};
  Diagnostics diagnostics;
  auto made = kRandomInput.make(section_of({{"Name", "random"},
                                            {"Samples", "5"},
                                            {"Interval_Sec", "0"},
                                            {"Interval_NSec", "1000000"}}),
                                context, diagnostics);
  ASSERT_TRUE(made) << diagnostics.render();
  ASSERT_TRUE(made->input->bind(loop_));
  made->input->start(sink_, metrics_);
  EXPECT_TRUE(run_until([&] { return made->input->ended(); }));
  ASSERT_EQ(sink_.records.size(), 5u);
  std::set<std::string> values;
  for (const RecordedRecord& each : sink_.records) {
    EXPECT_TRUE(each.record.starts_with("\x81\xaarand_value"));
    EXPECT_EQ(each.tag, "random.0");
    values.insert(each.record);
  }
  EXPECT_EQ(values.size(), 5u);
}

}  // namespace
}  // namespace noroshi
