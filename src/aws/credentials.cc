// CredentialsProvider: one thread fetches, everybody else reads what is there.
//
//   fetched ──────── refresh_time ───────────── last 10 minutes ───── expiration
//           in use                 in use; fetch         in use; fetch            nobody has any:
//                                  every minute          every 15 s               get() waits
#include "aws/credentials.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <tuple>

#include "aws/credential_sources.h"
#include "aws/error.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/thread_deadline.h"
#include "base/thread_name.h"

namespace noroshi {
namespace {

// botocore RefreshableCredentials: advisory 15 minutes, mandatory 10 minutes before expiry.
constexpr Nanoseconds kAdvisory = std::chrono::minutes(15);
constexpr Nanoseconds kMandatory = std::chrono::minutes(10);
constexpr Nanoseconds kPauseAdvisory = Seconds(60);
constexpr Nanoseconds kPauseMandatory = Seconds(15);
constexpr Nanoseconds kPauseWithout = Seconds(2);
constexpr Nanoseconds kForcedRefreshEvery = Seconds(60);
constexpr Nanoseconds kFetchTimeout = Seconds(15);
// The wall clock may be stepped: look at it at least this often.
constexpr Nanoseconds kLookAgain = Seconds(60);

bool differ(const Credentials& a, const Credentials& b) {
  return a.access_key_id != b.access_key_id || a.secret_access_key != b.secret_access_key ||
         a.session_token != b.session_token;
}

class RefreshingCredentials final : public CredentialsProvider {
 public:
  RefreshingCredentials(std::unique_ptr<CredentialSource> source, const AwsEnvironment& environment)
      : source_(std::move(source)), clock_(environment.clock), skew_(environment.clock_skew) {
    thread_ = std::thread([this] { run(); });
  }
  ~RefreshingCredentials() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    fetch_deadline_ns_.store(0);  // a source that keeps silent must not hold up the end
    asked_.notify_all();
    thread_.join();
  }

  Result<Credentials> get(Monotonic deadline) override {
    MutexLock lock(mutex_);
    const uint64_t seen = attempts_;
    while (true) {
      if (usable()) return *current_;
      const bool just_failed = system_clock().monotonic() < not_before_;
      if (attempts_ > 0 && (attempts_ != seen || just_failed)) return std::unexpected(last_error_);
      // One that is under way is waited for. It would be the first one, or a refresh.
      if (!fetching_) ask();
      if (!wait_for_change(deadline) && !usable()) {
        return fail(ErrorCode::Timeout, "no AWS credentials yet: the source has not answered");
      }
    }
  }

  bool refresh(const Credentials& refused, Monotonic deadline) override {
    MutexLock lock(mutex_);
    const auto renewed = [&]() REQUIRES(mutex_) { return current_ && differ(*current_, refused); };
    if (renewed()) return true;
    const Monotonic now = system_clock().monotonic();
    if (now < forced_not_before_) return false;
    forced_not_before_ = now + kForcedRefreshEvery;
    not_before_ = {};
    const uint64_t seen = attempts_;
    ask();
    while (attempts_ == seen) {
      if (!wait_for_change(deadline)) break;
    }
    return renewed();
  }

 private:
  void ask() REQUIRES(mutex_) {
    wanted_ = true;
    asked_.notify_all();
  }

  // False once `deadline` or that of the calling thread has passed.
  bool wait_for_change(Monotonic deadline) REQUIRES(mutex_) {
    const Monotonic until = std::min(deadline, ThreadDeadline::current());
    const Monotonic now = system_clock().monotonic();
    return now < until &&
           (changed_.wait_until(mutex_, ThreadDeadline::next_look(now, until)) ||
            system_clock().monotonic() < std::min(deadline, ThreadDeadline::current()));
  }

  [[nodiscard]] Timestamp now() const {
    return clock_->wall() + (skew_ ? skew_->offset() : Nanoseconds::zero());
  }
  [[nodiscard]] bool usable() const REQUIRES(mutex_) {
    return current_ && (!current_->expiration || now() < *current_->expiration);
  }

  void run() {
    name_this_thread("credentials");
    const ThreadDeadline scope(fetch_deadline_ns_);
    while (wait_until_due()) {
      store(source_->fetch(system_clock().monotonic() + kFetchTimeout));
    }
  }

  // False when it is time to stop.
  bool wait_until_due() {
    MutexLock lock(mutex_);
    while (!stopping_) {
      const Monotonic mono = system_clock().monotonic();
      Monotonic due = mono + kLookAgain;
      if (wanted_ || attempts_ == 0) {
        due = mono;
      } else if (refresh_at_) {
        due = std::min(due, mono + (*refresh_at_ - now()));
      }
      due = std::max(due, not_before_);
      if (due <= mono) {
        wanted_ = false;
        fetching_ = true;
        return true;
      }
      asked_.wait_until(mutex_, due);
    }
    return false;
  }

  void store(Result<Credentials> fetched) {
    MutexLock lock(mutex_);
    ++attempts_;
    fetching_ = false;
    const Monotonic mono = system_clock().monotonic();
    if (fetched && fetched->expiration && *fetched->expiration <= now()) {
      fetched = fail(ErrorCode::Denied, fetched->source + ": the credentials have already expired");
    }
    if (fetched) {
      if (!current_) log_info("aws", "credentials: {}", fetched->source);
      if (failing_) log_info("aws", "credentials: {}, working again", fetched->source);
      failing_ = false;
      current_ = std::move(*fetched);
      refresh_at_.reset();
      if (current_->expiration) refresh_at_ = refresh_time(now(), *current_->expiration);
      // A source may go on giving the same credentials to the end.
      not_before_ = current_->expiration ? mono + std::min(kPauseMandatory, pause_of_life()) : mono;
    } else {
      last_error_ = std::move(fetched.error());
      failing_ = true;
      const bool valid = usable();
      if (const uint64_t times = episode_.admit()) {
        log_warn(
            "aws", "credentials: {} ({} times); {}", last_error_.message, times,
            valid ? "the present ones are used until they expire" : "nothing can be sent to AWS");
      }
      not_before_ = mono + pause_after_failure(valid);
      if (valid && !refresh_at_) refresh_at_ = now();
    }
    changed_.notify_all();
  }

  [[nodiscard]] Nanoseconds pause_of_life() const REQUIRES(mutex_) {
    return (*current_->expiration - now()) / 4;
  }

  [[nodiscard]] Nanoseconds pause_after_failure(bool valid) const REQUIRES(mutex_) {
    if (!valid) return kPauseWithout;
    if (!current_->expiration) return kPauseAdvisory;
    const Nanoseconds left = *current_->expiration - now();
    return std::min(left < kMandatory ? kPauseMandatory : kPauseAdvisory,
                    std::max(left / 4, kPauseWithout));
  }

  const std::unique_ptr<CredentialSource> source_;
  const Clock* clock_;
  const std::shared_ptr<ClockSkew> skew_;
  LogEpisode episode_{Seconds(300)};
  std::atomic<int64_t> fetch_deadline_ns_{INT64_MAX};

  Mutex mutex_;
  // Two, so that those who wait for an answer do not wake each other with their questions.
  ConditionVariable asked_;    // wanted_ or stopping_
  ConditionVariable changed_;  // attempts_
  std::optional<Credentials> current_ GUARDED_BY(mutex_);
  std::optional<Timestamp> refresh_at_ GUARDED_BY(mutex_);
  Error last_error_ GUARDED_BY(mutex_);
  Monotonic not_before_ GUARDED_BY(mutex_){};         // no fetch before
  Monotonic forced_not_before_ GUARDED_BY(mutex_){};  // no forced refresh before
  uint64_t attempts_ GUARDED_BY(mutex_) = 0;
  bool wanted_ GUARDED_BY(mutex_) = false;
  bool fetching_ GUARDED_BY(mutex_) = true;  // the first one begins at once
  bool failing_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

class StaticCredentials final : public CredentialsProvider {
 public:
  explicit StaticCredentials(Credentials credentials) : credentials_(std::move(credentials)) {}
  Result<Credentials> get(Monotonic) override { return credentials_; }
  bool refresh(const Credentials&, Monotonic) override { return false; }

 private:
  const Credentials credentials_;
};

}  // namespace

Timestamp refresh_time(Timestamp fetched, Timestamp expiration) {
  return expiration - std::min(kAdvisory, (expiration - fetched) / 2);
}

std::shared_ptr<CredentialsProvider> make_static_credentials(Credentials credentials) {
  return std::make_shared<StaticCredentials>(std::move(credentials));
}

std::shared_ptr<CredentialsProvider> make_refreshing_credentials(
    std::unique_ptr<CredentialSource> source, const AwsEnvironment& environment) {
  return std::make_shared<RefreshingCredentials>(std::move(source), environment);
}

std::shared_ptr<CredentialsProvider> make_credentials_chain(const CredentialsOptions& options,
                                                            const AwsEnvironment& environment) {
  return make_refreshing_credentials(make_credential_source(options, environment), environment);
}

std::shared_ptr<CredentialsProvider> shared_credentials_chain(const CredentialsOptions& options) {
  using Key = std::tuple<std::string, std::string, std::string, std::string, std::string>;
  static Mutex mutex;
  static std::map<Key, std::weak_ptr<CredentialsProvider>> providers GUARDED_BY(mutex);
  const Key key{options.profile, options.role_arn, options.external_id, options.sts_endpoint,
                options.region};
  MutexLock lock(mutex);
  std::erase_if(providers, [](const auto& entry) { return entry.second.expired(); });
  if (auto existing = providers[key].lock()) return existing;
  auto made = make_credentials_chain(options);
  providers[key] = made;
  return made;
}

}  // namespace noroshi
