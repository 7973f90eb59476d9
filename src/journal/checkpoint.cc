#include "journal/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/check.h"
#include "base/log.h"
#include "journal/checkpoint_format.h"

namespace noroshi {
namespace {

// Written as zeros into every slot of a new file, so that later saves of the usual size overwrite
// blocks they already own: a full disk must not keep an output from saying what may be deleted.
constexpr size_t kSlotPreallocatedBytes = 16 << 10;
static_assert(kSlotPreallocatedBytes <= kCheckpointSlotBytes);

constexpr int kNoSlot = -1;

}  // namespace

// Which slot holds what. A save goes into a slot that is neither the newest nor the newest on
// stable storage: a process killed in the middle of it leaves the former, a power loss leaves at
// least the latter.
struct CheckpointStore::Slots {
  std::unique_ptr<File> file = {};
  uint64_t generation = 0;  // of the newest
  int newest = kNoSlot;
  int durable = kNoSlot;
  std::array<uint64_t, kCheckpointSlots> generations = {};
  bool name_durable = false;  // the directory was synced since the file was made

  // The one to overwrite next.
  [[nodiscard]] int next() const {
    int best = kNoSlot;
    for (int slot = 0; slot < static_cast<int>(kCheckpointSlots); ++slot) {
      if (slot == newest || slot == durable) continue;
      if (best == kNoSlot || generations[slot] < generations[best]) best = slot;
    }
    return best;
  }
};

Offset Checkpoint::highest() const {
  Offset highest = low_water;
  for (const Group& group : groups) highest = std::max(highest, group.delivered);
  return highest;
}

// Reads all slots of one file; `slots` (may be null) learns which is which.
Result<LoadedCheckpoint> CheckpointStore::read(const std::string& file_name, Slots* slots) {
  const Path path = directory_ / file_name;
  NOROSHI_ASSIGN(const std::unique_ptr<File> file, files_.open(path, OpenMode::Read));
  std::optional<CheckpointSave> newest;
  bool damage = false;
  for (uint32_t slot = 0; slot < kCheckpointSlots; ++slot) {
    const uint64_t position = uint64_t{slot} * kCheckpointSlotBytes;
    std::string bytes(kCheckpointHeadBytes, '\0');
    NOROSHI_ASSIGN(size_t count, file->read_at(position, bytes));
    bytes.resize(count);
    if (const uint32_t size = checkpoint_save_bytes(bytes); size > 0) {
      bytes.resize(size);
      NOROSHI_ASSIGN(count, file->read_at(position, bytes));
      bytes.resize(count);
    }
    Result<CheckpointSave> save = decode_checkpoint(bytes);
    if (!save) {
      damage |= save.error().code != ErrorCode::NotFound;
      continue;
    }
    if (save->journal != journal_) {
      damage = true;
      continue;
    }
    if (slots != nullptr) slots->generations[slot] = save->generation;
    if (!newest || save->generation > newest->generation) {
      if (slots != nullptr) {
        slots->newest = static_cast<int>(slot);
        slots->generation = save->generation;
      }
      newest = *std::move(save);
    }
  }
  if (!newest) {
    const auto origin = damage ? CheckpointOrigin::Damaged : CheckpointOrigin::New;
    return LoadedCheckpoint{{.identity = file_name}, origin, path};
  }
  const auto origin = damage ? CheckpointOrigin::Earlier : CheckpointOrigin::Saved;
  return LoadedCheckpoint{std::move(newest->checkpoint), origin, path};
}

Result<std::vector<LoadedCheckpoint>> CheckpointStore::load_all() {
  NOROSHI_ASSIGN(const std::vector<std::string> names, files_.list(directory_));
  std::vector<LoadedCheckpoint> all;
  for (const std::string& name : names) {
    if (!is_checkpoint_file_name(name)) continue;
    Result<LoadedCheckpoint> loaded = read(name, nullptr);
    if (!loaded) {
      if (loaded.error().code == ErrorCode::NotFound) continue;  // removed meanwhile
      return std::unexpected(std::move(loaded).error());
    }
    all.push_back(*std::move(loaded));
  }
  std::ranges::sort(all, {},
                    [](const LoadedCheckpoint& loaded) { return loaded.checkpoint.identity; });
  return all;
}

Result<LoadedCheckpoint> CheckpointStore::load(std::string_view identity) {
  const std::string name = checkpoint_file_name(identity);
  Result<LoadedCheckpoint> loaded = read(name, nullptr);
  if (!loaded) {
    if (loaded.error().code != ErrorCode::NotFound) return loaded;
    loaded = LoadedCheckpoint{{}, CheckpointOrigin::New, directory_ / name};
  }
  const bool found =
      loaded->origin == CheckpointOrigin::Saved || loaded->origin == CheckpointOrigin::Earlier;
  if (found && loaded->checkpoint.identity != identity) {
    loaded->checkpoint = {};
    loaded->origin = CheckpointOrigin::Damaged;
  }
  loaded->checkpoint.identity = identity;
  return loaded;
}

Result<CheckpointStore::Slots*> CheckpointStore::slots(std::string_view identity) {
  if (const auto found = open_.find(identity); found != open_.end()) return found->second.get();
  const std::string name = checkpoint_file_name(identity);
  auto slots = std::make_shared<Slots>();
  NOROSHI_ASSIGN(slots->file, files_.open(directory_ / name, OpenMode::OpenOrCreate));
  NOROSHI_ASSIGN(const uint64_t size, slots->file->size());
  if (size == 0) {
    const std::string zeros(kSlotPreallocatedBytes, '\0');
    for (uint64_t slot = 0; slot < kCheckpointSlots; ++slot) {
      const std::string_view piece = zeros;
      NOROSHI_TRY(slots->file->write_at(slot * kCheckpointSlotBytes, {&piece, 1}));
    }
  } else {
    NOROSHI_ASSIGN(const LoadedCheckpoint loaded, read(name, slots.get()));
    // What an earlier process wrote last may not be on stable storage yet; now it is.
    NOROSHI_TRY(slots->file->sync());
    slots->durable = slots->newest;
  }
  return open_.emplace(identity, std::move(slots)).first->second.get();
}

Status CheckpointStore::save(const Checkpoint& checkpoint) {
  NOROSHI_ASSIGN(Slots* const slots, this->slots(checkpoint.identity));
  NOROSHI_ASSIGN(const std::string bytes,
                 encode_checkpoint({slots->generation + 1, journal_, checkpoint}));
  const int slot = slots->next();
  CHECK(slot != kNoSlot, "of three slots one is neither newest nor durable");
  const std::string_view piece = bytes;
  slots->generations[slot] = 0;
  NOROSHI_TRY(
      slots->file->write_at(static_cast<uint64_t>(slot) * kCheckpointSlotBytes, {&piece, 1}));
  slots->generations[slot] = ++slots->generation;
  slots->newest = slot;
  return {};
}

Status CheckpointStore::sync(std::string_view identity) {
  NOROSHI_ASSIGN(Slots* const slots, this->slots(identity));
  if (slots->durable != slots->newest) {
    NOROSHI_TRY(slots->file->sync());
    slots->durable = slots->newest;
  }
  if (!slots->name_durable) {
    NOROSHI_TRY(files_.sync_directory(directory_));
    slots->name_durable = true;
  }
  return {};
}

Status CheckpointStore::remove(std::string_view identity) {
  if (const auto found = open_.find(identity); found != open_.end()) open_.erase(found);
  // A damaged checkpoint is known by its file's name only.
  const bool by_name = is_checkpoint_file_name(identity) && identity.find('/') == identity.npos;
  return files_.remove(directory_ /
                       (by_name ? std::string(identity) : checkpoint_file_name(identity)));
}

}  // namespace noroshi
