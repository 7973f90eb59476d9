#include "base/thread_deadline.h"

#include "base/check.h"

namespace noroshi {
namespace {

thread_local const std::atomic<int64_t>* of_this_thread = nullptr;

}  // namespace

ThreadDeadline::ThreadDeadline(const std::atomic<int64_t>& deadline_ns) {
  CHECK(of_this_thread == nullptr, "a thread has one deadline");
  of_this_thread = &deadline_ns;
}

ThreadDeadline::~ThreadDeadline() { of_this_thread = nullptr; }

bool ThreadDeadline::present() { return of_this_thread != nullptr; }

Monotonic ThreadDeadline::current() {
  return of_this_thread == nullptr ? Monotonic::max()
                                   : Monotonic{Nanoseconds(of_this_thread->load())};
}

}  // namespace noroshi
