// Answers with credentials come from endpoints of the task, the instance and STS, and profiles from
// a file: whatever the bytes, no crash, and credentials only if there are both keys.
//
// Input: the first byte says who answers; the rest is every answer.
#include <cstdint>
#include <string>

#include "aws/credential_sources.h"
#include "aws/task_metadata.h"
#include "aws/testing/fake_environment.h"
#include "base/check.h"

namespace noroshi {
namespace {

// Shorter than the pause between two attempts: one attempt, and no pause.
constexpr Nanoseconds kDeadline = Milliseconds(500);

void ask(testing::FakeEnvironment& fake, const std::string& answer) {
  fake.http.otherwise([&](const testing::KeptRequest&) -> Result<HttpResponse> {
    return HttpResponse{200, {}, answer, false};
  });
  const Monotonic deadline = system_clock().monotonic() + kDeadline;
  const auto found = make_credential_source({}, fake.environment())->fetch(deadline);
  if (!found) {
    CHECK(!found.error().message.empty(), "an error without words");
    return;
  }
  CHECK(!found->access_key_id.empty() && !found->secret_access_key.empty(), "half a key");
  CHECK(!found->source.empty(), "nobody knows where they come from");
}

void from_container(const std::string& answer) {
  testing::FakeEnvironment fake;
  fake.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/1";
  ask(fake, answer);
}

void from_instance(const std::string& answer) {
  testing::FakeEnvironment fake;
  ask(fake, answer);
}

void from_web_identity(const std::string& answer) {
  testing::FakeEnvironment fake;
  fake.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/token";
  fake.variables["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/r";
  fake.files["/token"] = "token";
  ask(fake, answer);
}

void from_profile(const std::string& text) {
  testing::FakeEnvironment fake;
  fake.variables["HOME"] = "/h";
  fake.variables["AWS_EC2_METADATA_DISABLED"] = "true";
  fake.files["/h/.aws/config"] = fake.files["/h/.aws/credentials"] = text;
  ask(fake, "{}");
}

void task_metadata(const std::string& answer) {
  const auto found = parse_task_metadata(answer);
  if (found) static_cast<void>(found->variables());
}

}  // namespace
}  // namespace noroshi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr void (*kTargets[])(const std::string&) = {
      noroshi::from_container, noroshi::from_instance, noroshi::from_web_identity,
      noroshi::from_profile, noroshi::task_metadata};
  // As a digit, so that the corpus is text.
  const auto which = static_cast<uint8_t>(data[0] - '0') % std::size(kTargets);
  kTargets[which](std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
