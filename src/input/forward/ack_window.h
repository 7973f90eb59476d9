// AckWindow: what became of the acknowledged requests of the recent past. A client whose ack was
// lost sends the same chunk again; it is recognised by its ack id and its tag, acknowledged, and
// not stored twice.
//
// The key is ack id plus effective tag: two clients that choose the same random id by accident
// would have to use one tag as well. Remembered are the last kIds ids, for kAge, in at most kBytes
// of memory, whichever ends first. What was stored before a restart the journal remembers, by
// receipts (ChunkSink::stored_before). On the ingest thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "input/input.h"
#include "record/chunk.h"

namespace noroshi::forward {

// Where an acknowledgement goes: a session. It may be gone by then.
class AckReceiver {
 public:
  virtual ~AckReceiver() = default;
  // `ack_id`: the MessagePack value of the `chunk` option.
  virtual void acknowledge(std::string_view ack_id) = 0;
};

class AckWindow;

// One request that wants an ack: in every chunk that carries its records (PendingAck). When the
// last of them lets go without failure, all who sent it are told.
class AckRequest final : public PendingAck {
 public:
  AckRequest(std::shared_ptr<AckWindow> window, std::string key, const Receipt& receipt,
             size_t ack_id_size, std::weak_ptr<AckReceiver> receiver);
  ~AckRequest() override;
  void add_receiver(std::weak_ptr<AckReceiver> receiver);
  // Bytes of the request could not be decoded: it is never acknowledged, and not stored again
  // either.
  void refuse() { refused_ = true, fail(); }

 private:
  friend class AckWindow;
  std::shared_ptr<AckWindow> window_;
  std::string key_;  // ack id, then tag
  size_t ack_id_size_;
  bool refused_ = false;
  std::vector<std::weak_ptr<AckReceiver>> receivers_;
};

class AckWindow : public std::enable_shared_from_this<AckWindow> {
 public:
  static constexpr size_t kIds = 65536;
  static constexpr Seconds kAge{600};
  static constexpr size_t kBytes = 4 << 20;

  AckWindow(const Clock& clock, const ChunkSink& sink) : clock_(clock), sink_(sink) {}

  enum class Seen : uint8_t {
    New,      // store it; `request` is set
    Pending,  // its first copy is still on the way; the receiver will be told as well
    Stored,   // acknowledge at once
    Refused,  // broken the first time too: what was good of it is stored, no ack
  };
  [[nodiscard]] Seen open(std::string_view ack_id, std::string_view tag,
                          std::weak_ptr<AckReceiver> receiver,
                          std::shared_ptr<AckRequest>& request);

  [[nodiscard]] size_t size() const { return entries_.size(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  friend class AckRequest;
  enum class State : uint8_t { Pending, Stored, Refused };
  struct Entry {
    std::string key = {};  // ack id, then tag
    State state = State::Pending;
    Monotonic since = {};
    std::weak_ptr<AckRequest> request = {};  // while Pending
  };
  using Entries = std::list<Entry>;
  // An entry's memory: its key and the nodes around it.
  static size_t cost(std::string_view key) { return key.size() + 160; }

  void finish(AckRequest& request);
  // Forgets what is too old, and the oldest until one more entry of `bytes` fits.
  void make_room(size_t bytes);
  void forget(Entries::iterator entry);

  const Clock& clock_;
  const ChunkSink& sink_;
  Entries entries_;  // oldest first
  std::unordered_map<std::string_view, Entries::iterator> by_key_;
  size_t bytes_ = 0;
};

}  // namespace noroshi::forward
