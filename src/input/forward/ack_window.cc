#include "input/forward/ack_window.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace noroshi::forward {
namespace {

Receipt receipt_of(std::string_view key) {
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  return {hash.high64, hash.low64};
}

}  // namespace

AckRequest::AckRequest(std::shared_ptr<AckWindow> window, std::string key, const Receipt& receipt,
                       size_t ack_id_size, std::weak_ptr<AckReceiver> receiver)
    : PendingAck(receipt),
      window_(std::move(window)),
      key_(std::move(key)),
      ack_id_size_(ack_id_size) {
  receivers_.push_back(std::move(receiver));
}

AckRequest::~AckRequest() {
  window_->finish(*this);
  if (failed()) return;
  for (const auto& receiver : receivers_) {
    if (const auto alive = receiver.lock())
      alive->acknowledge(std::string_view(key_).substr(0, ack_id_size_));
  }
}

void AckRequest::add_receiver(std::weak_ptr<AckReceiver> receiver) {
  // A client that repeats itself on many connections is told on the last few.
  constexpr size_t kReceiversMax = 8;
  if (receivers_.size() == kReceiversMax) receivers_.erase(receivers_.begin());
  receivers_.push_back(std::move(receiver));
}

AckWindow::Seen AckWindow::open(std::string_view ack_id, std::string_view tag,
                                std::weak_ptr<AckReceiver> receiver,
                                std::shared_ptr<AckRequest>& request) {
  std::string key;
  key.reserve(ack_id.size() + tag.size());
  key.append(ack_id).append(tag);  // unambiguous: the ack id is one MessagePack value
  make_room(0);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    switch (found->second->state) {
      case State::Stored:
        return Seen::Stored;
      case State::Refused:
        return Seen::Refused;
      case State::Pending:
        if (const auto pending = found->second->request.lock(); pending && pending->refused_) {
          return Seen::Refused;
        } else if (pending && !pending->failed()) {
          pending->add_receiver(std::move(receiver));
          return Seen::Pending;
        }
        forget(found->second);  // its first copy has failed: this one is the real one
    }
  }
  const Receipt receipt = receipt_of(key);
  if (sink_.stored_before(receipt)) return Seen::Stored;
  make_room(cost(key));
  request = std::make_shared<AckRequest>(shared_from_this(), key, receipt, ack_id.size(),
                                         std::move(receiver));
  bytes_ += cost(key);
  entries_.push_back({std::move(key), State::Pending, clock_.monotonic(), request});
  by_key_.emplace(entries_.back().key, std::prev(entries_.end()));
  return Seen::New;
}

void AckWindow::finish(AckRequest& request) {
  const auto found = by_key_.find(request.key_);
  // Forgotten meanwhile, or opened again by a repetition: then the entry belongs to another
  // request. (Of the request that is being destroyed the weak pointer has expired already.)
  if (found == by_key_.end() || found->second->state != State::Pending) return;
  if (!found->second->request.expired()) return;
  if (!request.refused_ && request.failed()) {
    forget(found->second);
    return;
  }
  found->second->state = request.refused_ ? State::Refused : State::Stored;
  // The age counts from the answer: a chunk may have waited long for a full journal, and its client
  // repeats it just then.
  found->second->since = clock_.monotonic();
  entries_.splice(entries_.end(), entries_, found->second);
}

void AckWindow::make_room(size_t bytes) {
  const Monotonic now = clock_.monotonic();
  while (!entries_.empty()) {
    const Entry& oldest = entries_.front();
    const bool over = entries_.size() >= kIds || bytes_ + bytes > kBytes;
    if (!over && now - oldest.since < kAge) return;
    forget(entries_.begin());
  }
}

void AckWindow::forget(Entries::iterator entry) {
  bytes_ -= cost(entry->key);
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace noroshi::forward
