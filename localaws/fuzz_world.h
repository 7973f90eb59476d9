// For fuzzing: a store in a directory of its own, filled anew every thousand runs so that it stays
// small.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "localaws/hashes.h"

namespace noroshi::localaws {

template <typename Store>
class FuzzWorld {
 public:
  // `fill` puts the first things into an empty store; false if it cannot.
  FuzzWorld(const std::string& name, bool (*fill)(Store&))
      : path_(std::filesystem::temp_directory_path() / (name + "-" + hex(random_bytes(8)))),
        fill_(fill) {
    reopen();
  }
  ~FuzzWorld() {
    store.reset();
    std::filesystem::remove_all(path_);
  }

  void count_run() {
    if (++runs_ % 1000 == 0) reopen();
  }
  void reopen() {
    store.reset();
    std::filesystem::remove_all(path_);
    auto opened = Store::open(path_, clock);
    if (!opened) std::abort();
    store = *std::move(opened);
    if (!fill_(*store)) std::abort();
  }

  ManualClock clock{Timestamp(Seconds(1'800'000'000))};
  std::unique_ptr<Store> store;

 private:
  const std::filesystem::path path_;
  bool (*const fill_)(Store&);
  int runs_ = 0;
};

}  // namespace noroshi::localaws
