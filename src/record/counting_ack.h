// For tests: an ack that counts how many of its like are alive, which is how many clients wait.
#pragma once

#include "record/chunk.h"

namespace noroshi {

class CountingAck final : public PendingAck {
 public:
  explicit CountingAck(int& live) : live_(live) { ++live_; }
  ~CountingAck() override { --live_; }

 private:
  int& live_;
};

}  // namespace noroshi
