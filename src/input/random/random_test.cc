#include "input/random/random.h"

#include <set>

#include "input/plugin_loop.h"

namespace noroshi {
namespace {

class Random : public PluginLoop {
 protected:
  Random() : PluginLoop(kRandomInput) {}
};

TEST_F(Random, SamplesAndTheEnd) {
  start({{"Samples", "5"}, {"Interval_Sec", "0"}, {"Interval_NSec", "1000000"}});
  EXPECT_TRUE(run_until([&] { return input_->ended(); }));
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
