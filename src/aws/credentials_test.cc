#include "aws/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <thread>
#include <vector>

#include "aws/credential_sources.h"
#include "aws/testing/fake_environment.h"
#include "http/url.h"

namespace noroshi {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Monotonic in(Nanoseconds duration) { return system_clock().monotonic() + duration; }

constexpr const char* kContainerAnswer =
    R"({"AccessKeyId":"AC","SecretAccessKey":"SC","Token":"TC","Expiration":"2026-11-23T08:53:00Z"})";
constexpr const char* kStsAnswer =
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AR</AccessKeyId>"
    "<SecretAccessKey>SR</SecretAccessKey><SessionToken>TR</SessionToken>"
    "<Expiration>2026-11-23T03:53:00Z</Expiration></Credentials></AssumeRoleResult></"
    "AssumeRoleResponse>";

struct Fake : testing::FakeEnvironment {
  Fake() {
    variables["HOME"] = "/h";
    variables["AWS_EC2_METADATA_DISABLED"] = "true";
  }
  Result<Credentials> fetch(const CredentialsOptions& options = {}) {
    return make_credential_source(options, environment())->fetch(in(Seconds(20)));
  }
};

TEST(CredentialChain, EnvironmentFirst) {
  Fake fake;
  fake.variables["AWS_ACCESS_KEY_ID"] = "A";
  fake.variables["AWS_SECRET_ACCESS_KEY"] = "S";
  fake.variables["AWS_SESSION_TOKEN"] = "T";
  fake.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/x";
  const auto credentials = fake.fetch();
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ(credentials->access_key_id, "A");
  EXPECT_EQ(credentials->secret_access_key, "S");
  EXPECT_EQ(credentials->session_token, "T");
  EXPECT_EQ(credentials->source, "environment");
  EXPECT_FALSE(credentials->expiration);
  EXPECT_TRUE(fake.http.requests().empty());

  fake.variables.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(fake.fetch().error().code, ErrorCode::Denied);
}

TEST(CredentialChain, AProfileAskedForPutsEnvironmentKeysAside) {
  Fake fake;
  fake.variables["AWS_ACCESS_KEY_ID"] = "A";
  fake.variables["AWS_SECRET_ACCESS_KEY"] = "S";
  fake.files["/h/.aws/credentials"] = "[p]\naws_access_key_id=AP\naws_secret_access_key=SP\n";
  const auto credentials = fake.fetch({.profile = "p"});
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ(credentials->access_key_id, "AP");
  EXPECT_EQ(credentials->source, "profile p");
  const auto missing = fake.fetch({.profile = "q"});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("profile 'q' does not exist"));
}

TEST(CredentialChain, ContainerRelativeUri) {
  Fake fake;
  fake.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/1";
  fake.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "https://elsewhere/";
  fake.http.answer(200, kContainerAnswer);
  const auto credentials = fake.fetch();
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ(credentials->access_key_id, "AC");
  EXPECT_EQ(credentials->session_token, "TC");
  EXPECT_EQ(credentials->expiration, fake.clock.wall() + std::chrono::hours(6));
  EXPECT_EQ(fake.http.requests().at(0).url, "http://169.254.170.2/v2/credentials/1");
}

TEST(CredentialChain, ContainerFullUriWithTokenFileReadEveryTime) {
  Fake fake;
  fake.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://169.254.170.23/v1/credentials";
  fake.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "loses";
  fake.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/token";
  fake.files["/token"] = "first\n";
  const auto source = make_credential_source({}, fake.environment());
  fake.http.answer(200, kContainerAnswer);
  ASSERT_TRUE(source->fetch(in(Seconds(5))));
  EXPECT_EQ(fake.http.requests().at(0).headers.get("authorization"), "first");
  fake.files["/token"] = "second";
  fake.http.answer(200, kContainerAnswer);
  ASSERT_TRUE(source->fetch(in(Seconds(5))));
  EXPECT_EQ(fake.http.requests().at(1).headers.get("authorization"), "second");
  fake.files["/token"] = "a\r\nEvil: b";
  EXPECT_EQ(source->fetch(in(Seconds(5))).error().code, ErrorCode::Denied);
  fake.files.clear();
  EXPECT_EQ(source->fetch(in(Seconds(5))).error().code, ErrorCode::Denied);
  EXPECT_EQ(fake.http.requests().size(), 2U);
}

TEST(CredentialChain, ContainerHostsThatWouldLeakTheTokenAreRefused) {
  for (const char* url : {"http://example.com/c", "http://127.example.com/", "http://10.0.0.1/",
                          "http://169.254.169.254/", "not a url"}) {
    Fake fake;
    fake.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    const auto credentials = fake.fetch();
    ASSERT_FALSE(credentials) << url;
    EXPECT_EQ(credentials.error().code, ErrorCode::Denied);
    EXPECT_TRUE(fake.http.requests().empty()) << url;
  }
  for (const char* url : {"https://example.com/c", "http://127.0.0.2:8080/", "http://localhost:1/",
                          "http://[::1]:1/", "http://[fd00:ec2::23]/v1"}) {
    Fake fake;
    fake.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    fake.http.answer(200, kContainerAnswer);
    EXPECT_TRUE(fake.fetch()) << url;
  }
}

TEST(CredentialChain, ContainerIsAskedThreeTimesAndThenFailsTheChain) {
  Fake fake;
  fake.variables.erase("AWS_EC2_METADATA_DISABLED");
  fake.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/x";
  fake.http.answer(500);
  fake.http.fail(ErrorCode::Timeout);
  fake.http.answer(200, kContainerAnswer);
  EXPECT_TRUE(fake.fetch());
  fake.http.answer(403);
  const auto refused = fake.fetch();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Denied);
  EXPECT_EQ(fake.http.requests().size(), 4U);  // 403 is not repeated, and EC2 is not asked
  fake.http.answer(200, R"({"Message":"role gone"})");
  EXPECT_THAT(fake.fetch().error().message, HasSubstr("role gone"));
}

TEST(CredentialChain, ProfileRoleWithSourceProfile) {
  Fake fake;
  fake.files["/h/.aws/config"] =
      "[profile app]\nrole_arn = arn:aws:iam::1:role/app\nsource_profile = base\nexternal_id = "
      "ext\n"
      "role_session_name = me\nduration_seconds = 900\nregion = eu-west-1\n";
  fake.files["/h/.aws/credentials"] = "[base]\naws_access_key_id=AB\naws_secret_access_key=SB\n";
  fake.variables["AWS_PROFILE"] = "app";
  fake.http.answer(200, kStsAnswer);
  const auto credentials = fake.fetch();
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ(credentials->access_key_id, "AR");
  EXPECT_EQ(credentials->source, "role arn:aws:iam::1:role/app");
  const auto request = fake.http.requests().at(0);
  EXPECT_EQ(request.url, "https://sts.eu-west-1.amazonaws.com/");
  EXPECT_THAT(request.headers.get("authorization"),
              HasSubstr("Credential=AB/20261123/eu-west-1/sts/"));
  EXPECT_EQ(request.body,
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fapp&"
            "RoleSessionName=me&DurationSeconds=900&ExternalId=ext");
}

TEST(CredentialChain, ProfilesThatCannotWorkSayWhy) {
  Fake fake;
  fake.files["/h/.aws/config"] =
      "[profile loop]\nrole_arn = r\nsource_profile = loop2\n[profile loop2]\nrole_arn = r\n"
      "source_profile = loop\n[profile mfa]\nrole_arn = r\nsource_profile = x\nmfa_serial = m\n"
      "[profile alone]\nrole_arn = r\n[profile proc]\ncredential_process = /bin/rm -rf /\n";
  const auto why = [&](const char* profile) {
    return fake.fetch({.profile = profile}).error().message;
  };
  EXPECT_THAT(why("loop"), HasSubstr("circles"));
  EXPECT_THAT(why("mfa"), HasSubstr("mfa_serial"));
  EXPECT_THAT(why("alone"), HasSubstr("source_profile or credential_source"));
  EXPECT_THAT(why("proc"), HasSubstr("credential_process, which noroshi does not execute"));
  EXPECT_TRUE(fake.http.requests().empty());
}

TEST(CredentialChain, WebIdentityIsUnsigned) {
  Fake fake;
  fake.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/jwt";
  fake.variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/irsa";
  fake.files["/jwt"] = "ey.token\n";
  fake.http.answer(
      200,
      "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
      "<AccessKeyId>AW</AccessKeyId><SecretAccessKey>SW</SecretAccessKey>"
      "<SessionToken>TW</SessionToken><Expiration>2026-11-23T03:53:00Z</Expiration>"
      "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
  const auto credentials = fake.fetch({.region = "eu-west-1"});
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ(credentials->access_key_id, "AW");
  const auto request = fake.http.requests().at(0);
  EXPECT_FALSE(request.headers.find("authorization"));
  EXPECT_THAT(request.body, HasSubstr("WebIdentityToken=ey.token"));
  EXPECT_EQ(request.url, "https://sts.eu-west-1.amazonaws.com/");
}

TEST(CredentialChain, RoleOnTopOfTheChain) {
  Fake fake;
  fake.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/x";
  fake.http.answer(200, kContainerAnswer);
  fake.http.answer(200, kStsAnswer);
  const auto credentials = fake.fetch({.role_arn = "arn:aws:iam::2:role/other",
                                       .external_id = "e",
                                       .sts_endpoint = "http://localhost:4566",
                                       .region = "eu-west-1"});
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ(credentials->access_key_id, "AR");
  EXPECT_EQ(fake.http.requests().at(1).url, "http://localhost:4566/");
  EXPECT_EQ(fake.http.requests().at(1).headers.get("x-amz-security-token"), "TC");
  EXPECT_THAT(fake.http.requests().at(1).headers.get("authorization"), HasSubstr("Credential=AC/"));
  fake.http.answer(200, kContainerAnswer);
  fake.http.answer(403,
                   "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error>"
                   "</ErrorResponse>");
  const auto refused = fake.fetch({.role_arn = "r", .region = "eu-west-1"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Denied);
}

TEST(CredentialChain, InstanceMetadataVersions) {
  Fake fake;
  fake.variables.erase("AWS_EC2_METADATA_DISABLED");
  fake.http.answer(200, "tok");
  fake.http.answer(200, "my-role\n");
  fake.http.answer(200, kContainerAnswer);
  auto credentials = fake.fetch();
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ(credentials->source, "instance role my-role");
  EXPECT_EQ(fake.http.requests().at(0).headers.get("x-aws-ec2-metadata-token-ttl-seconds"),
            "21600");
  EXPECT_EQ(fake.http.requests().at(2).url,
            "http://169.254.169.254/latest/meta-data/iam/security-credentials/my-role");
  // Version 1 where the token is refused or unanswered.
  for (const bool timeout : {false, true}) {
    if (timeout)
      fake.http.fail(ErrorCode::Timeout);
    else
      fake.http.answer(403);
    fake.http.answer(200, "my-role");
    if (timeout)
      fake.http.fail(ErrorCode::Timeout);
    else
      fake.http.answer(403);
    fake.http.answer(200, kContainerAnswer);
    credentials = fake.fetch();
    ASSERT_TRUE(credentials) << credentials.error().message;
    EXPECT_FALSE(fake.http.requests().back().headers.find("x-aws-ec2-metadata-token"));
  }
  fake.variables["AWS_EC2_METADATA_V1_DISABLED"] = "true";
  fake.http.answer(403);
  EXPECT_FALSE(fake.fetch());
  EXPECT_EQ(fake.http.unused(), 0U);
}

TEST(CredentialChain, ExpiredInstanceCredentialsAreStretched) {
  Fake fake;
  fake.variables.erase("AWS_EC2_METADATA_DISABLED");
  fake.clock.step_wall(std::chrono::hours(7));
  fake.http.answer(200, "tok");
  fake.http.answer(200, "my-role");
  fake.http.answer(200, kContainerAnswer);
  const auto credentials = fake.fetch();
  ASSERT_TRUE(credentials);
  EXPECT_GT(*credentials->expiration, fake.clock.wall() + std::chrono::minutes(11));
  EXPECT_LT(*credentials->expiration, fake.clock.wall() + std::chrono::minutes(21));
}

TEST(CredentialChain, NothingConfiguredNamesEverySource) {
  Fake fake;
  const auto credentials = fake.fetch();
  ASSERT_FALSE(credentials);
  EXPECT_EQ(credentials.error().code, ErrorCode::Denied);
  for (const char* part : {"AWS_ACCESS_KEY_ID", "profile", "AWS_WEB_IDENTITY_TOKEN_FILE",
                           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EC2_METADATA_DISABLED"}) {
    EXPECT_THAT(credentials.error().message, HasSubstr(part));
  }
}

// ---- the provider -------------------------------------------------------------------------------

// Gives key N at fetch N, valid for `life` of the real clock; fails while told to.
class CountingSource final : public CredentialSource {
 public:
  Result<Credentials> fetch(Monotonic) override {
    const int n = ++fetches;
    std::this_thread::sleep_for(delay);
    if (failing) return fail(ErrorCode::Unavailable, "source is down");
    Credentials credentials{"key" + std::to_string(n), "secret", "", {}, "test"};
    if (life > Nanoseconds::zero()) credentials.expiration = system_clock().wall() + life;
    return credentials;
  }
  std::atomic<int> fetches = 0;
  std::atomic<bool> failing = false;
  Nanoseconds life{}, delay{};
};

struct Provider {
  explicit Provider(Nanoseconds life, bool failing = false, Nanoseconds delay = {}) {
    auto owned = std::make_unique<CountingSource>();
    owned->life = life;
    owned->failing = failing;
    owned->delay = delay;
    source = owned.get();
    provider = make_refreshing_credentials(std::move(owned), aws_process_environment());
  }
  CountingSource* source;
  std::shared_ptr<CredentialsProvider> provider;
};

TEST(CredentialsProvider, RefreshTimes) {
  const Timestamp now{Seconds(1'000'000)};
  EXPECT_EQ(refresh_time(now, now + std::chrono::hours(6)), now + std::chrono::minutes(345));
  EXPECT_EQ(refresh_time(now, now + std::chrono::minutes(15)), now + Seconds(450));
}

TEST(CredentialsProvider, RefreshesBeforeExpiryInTheBackground) {
  Provider made(Milliseconds(2000));
  const auto first = made.provider->get(in(Seconds(5)));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->access_key_id, "key1");
  for (int i = 0; i < 75; ++i) {  // never a moment without
    const auto now = made.provider->get(in(Milliseconds(1)));
    ASSERT_TRUE(now) << now.error().message;
    std::this_thread::sleep_for(Milliseconds(20));
  }
  EXPECT_GE(made.source->fetches, 2);
  EXPECT_LE(made.source->fetches, 6);
}

TEST(CredentialsProvider, OldOnesWorkUntilTheyExpireAndRecoveryIsNoticed) {
  Provider made(Milliseconds(3000));
  ASSERT_TRUE(made.provider->get(in(Seconds(5))));
  made.source->failing = true;
  std::this_thread::sleep_for(Milliseconds(2000));  // the refresh at 1500 ms has failed
  EXPECT_GE(made.source->fetches, 2);
  const auto old = made.provider->get(in(Milliseconds(1)));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->access_key_id, "key1");
  std::this_thread::sleep_for(Milliseconds(1200));
  EXPECT_FALSE(made.provider->get(in(Milliseconds(100))));
  made.source->failing = false;
  const auto again = made.provider->get(in(Seconds(5)));
  if (!again) {  // within the pause after a failure the answer is the failure, at once
    std::this_thread::sleep_for(Milliseconds(2100));
    ASSERT_TRUE(made.provider->get(in(Seconds(5))));
  }
}

TEST(CredentialsProvider, FailureIsToldAtOnceAndTheSourceIsNotHammered) {
  Provider made({}, true);
  const Monotonic before = system_clock().monotonic();
  for (int i = 0; i < 50; ++i) {
    const auto none = made.provider->get(in(Seconds(5)));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().message, "source is down");
  }
  EXPECT_LT(system_clock().monotonic() - before, Seconds(2));
  EXPECT_LE(made.source->fetches, 2);
}

TEST(CredentialsProvider, WhoeverAsksDuringAFetchWaitsForThatOne) {
  Provider made({}, false, Milliseconds(100));
  const auto first = made.provider->get(in(Seconds(5)));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->access_key_id, "key1");
  std::this_thread::sleep_for(Milliseconds(50));  // a second one would begin at once
  EXPECT_EQ(made.source->fetches, 1);
}

TEST(CredentialsProvider, ARefusedCredentialIsReplacedOnceAMinute) {
  Provider made({});
  const auto first = made.provider->get(in(Seconds(5)));
  ASSERT_TRUE(first);
  EXPECT_TRUE(made.provider->refresh(*first, in(Seconds(5))));
  const auto second = made.provider->get(in(Seconds(5)));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->access_key_id, "key2");
  EXPECT_TRUE(made.provider->refresh(*first, in(Seconds(5))));    // another thread was faster
  EXPECT_FALSE(made.provider->refresh(*second, in(Seconds(5))));  // within the minute
  EXPECT_EQ(made.source->fetches, 2);
}

// Keeps silent until the deadline it is given.
class SilentSource final : public CredentialSource {
 public:
  Result<Credentials> fetch(Monotonic) override {
    std::this_thread::sleep_for(Milliseconds(500));
    return fail(ErrorCode::Timeout, "no answer");
  }
};

// Each output asks; those who wait must not keep each other awake.
TEST(CredentialsProvider, WaitingForASilentSourceCostsNothing) {
  const auto provider =
      make_refreshing_credentials(std::make_unique<SilentSource>(), aws_process_environment());
  const std::clock_t before = std::clock();  // CPU of all threads
  std::vector<std::thread> outputs;
  for (int i = 0; i < 3; ++i) {
    outputs.emplace_back([&] { EXPECT_FALSE(provider->get(in(Milliseconds(400)))); });
  }
  for (std::thread& output : outputs) output.join();
  const double seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds, 0.05);
}

TEST(CredentialsProvider, SharedWhileHeld) {
  const auto a = shared_credentials_chain({.profile = "unlikely-profile"});
  const auto b = shared_credentials_chain({.profile = "unlikely-profile"});
  const auto c = shared_credentials_chain({.profile = "unlikely-profile", .role_arn = "r"});
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

}  // namespace
}  // namespace noroshi
