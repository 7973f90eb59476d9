// What the instance's metadata service answers the aws filter, or what stands in its place: fields
// with a name each, bounded in number, or an error with words.
//
// Input: first byte: which fields; second: the status of every third answer. The rest are the
// answers, a blank line between two; when they are used up the last one is given again.
#include <algorithm>
#include <cstdint>
#include <string>

#include "aws/testing/fake_environment.h"
#include "base/check.h"
#include "base/log.h"
#include "filter/aws/instance_fields.h"

namespace {

using namespace noroshi;

constexpr Nanoseconds kDeadline = Milliseconds(500);
constexpr size_t kFieldsMax = 8 + 50;  // one for each option, and EC2's limit of tags

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  set_log_level(LogLevel::Off);
  std::string_view answers(reinterpret_cast<const char*>(data) + 2, size - 2);
  testing::FakeEnvironment fake;
  int count = 0;
  fake.http.otherwise([&](const testing::KeptRequest&) -> Result<HttpResponse> {
    const size_t end = answers.find("\n\n");
    const std::string answer(answers.substr(0, end));
    if (end != answers.npos) answers.remove_prefix(end + 2);
    return HttpResponse{++count % 3 == 0 ? 200 + data[1] * 2 : 200, {}, answer, false};
  });
  AwsFilterOptions options;
  const auto wanted = [&](int bit) { return (data[0] >> bit & 1) != 0; };
  options.az = wanted(0);
  options.ec2_instance_id = wanted(1);
  options.private_ip = options.hostname = wanted(2);
  options.vpc_id = wanted(3);
  options.account_id = wanted(4);
  options.tags_enabled = wanted(5);
  if (wanted(6)) options.tags_include = "Name, a";
  if (wanted(7)) options.tags_exclude = "Name";
  const auto fields = read_instance_fields(options, fake.environment(), "filter:aws",
                                           system_clock().monotonic() + kDeadline);
  if (!fields) {
    CHECK(!fields.error().message.empty(), "an error without words");
    return 0;
  }
  CHECK(fields->size() <= kFieldsMax, "more fields than were asked for");
  for (const auto& [name, value] : *fields) {
    CHECK(!name.empty(), "a field without a name");
    CHECK(value.empty() || (value.back() != '\n' && value.back() != '/'), "what ended the line");
  }
  return 0;
}
