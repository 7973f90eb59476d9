#include "journal/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "journal/checkpoint_format.h"
#include "journal/journal_format.h"

namespace noroshi {
namespace {

// Written as zeros into every slot of a new file, so that later saves of the usual size overwrite
// blocks they already own: a full disk must not keep an output from saying what may be deleted.
constexpr size_t kSlotPreallocatedBytes = 16 << 10;
static_assert(kSlotPreallocatedBytes <= kCheckpointSlotBytes);

constexpr int kNoSlot = -1;

Status preallocate(File& file) {
  const std::string zeros(kSlotPreallocatedBytes, '\0');
  const std::string_view piece = zeros;
  for (uint64_t slot = 0; slot < kCheckpointSlots; ++slot) {
    NOROSHI_TRY(file.write_at(slot * kCheckpointSlotBytes, {&piece, 1}));
  }
  return {};
}

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
  std::string last = {};      // the newest save, encoded
  // A sync failed: the kernel may have called pages clean that it never wrote, so no later sync of
  // this file says anything about what was saved before.
  bool untrusted = false;
  bool listed = false;  // a file says so to the next process

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
    NOROSHI_TRY(preallocate(*slots->file));
  } else {
    NOROSHI_ASSIGN(const LoadedCheckpoint loaded, read(name, slots.get()));
    if (slots->newest != kNoSlot) {
      NOROSHI_ASSIGN(slots->last,
                     encode_checkpoint({slots->generation, journal_, loaded.checkpoint}));
    }
    // What an earlier process wrote last may not be on stable storage yet; now it is. If not, any
    // slot may be the one that a power loss leaves: none is overwritten.
    const bool listed =
        files_.open(directory_ / (std::string(kUntrustedCheckpointPrefix) + name), OpenMode::Read)
            .has_value();
    if (!listed && slots->file->sync())
      slots->durable = slots->newest;
    else
      distrust(identity, *slots);
  }
  return open_.emplace(identity, std::move(slots)).first->second.get();
}

Status CheckpointStore::save(const Checkpoint& checkpoint) {
  NOROSHI_ASSIGN(Slots* const slots, this->slots(checkpoint.identity));
  NOROSHI_ASSIGN(std::string bytes,
                 encode_checkpoint({slots->generation + 1, journal_, checkpoint}));
  if (slots->untrusted && slots->durable == kNoSlot)
    return replace(checkpoint.identity, *slots, std::move(bytes));
  return write(*slots, std::move(bytes));
}

// `bytes` are of the next generation.
Status CheckpointStore::write(Slots& slots, std::string bytes) {
  const int slot = slots.next();
  CHECK(slot != kNoSlot, "of three slots one is neither newest nor durable");
  const std::string_view piece = bytes;
  slots.generations[slot] = 0;
  NOROSHI_TRY(
      slots.file->write_at(static_cast<uint64_t>(slot) * kCheckpointSlotBytes, {&piece, 1}));
  slots.generations[slot] = ++slots.generation;
  slots.newest = slot;
  slots.last = std::move(bytes);
  return {};
}

// A new file with nothing but this save takes the place of the one that is not trusted; a power
// loss leaves the one or the other. It is on stable storage then, its name is not yet.
Status CheckpointStore::replace(std::string_view identity, Slots& slots, std::string bytes) {
  const Path path = directory_ / checkpoint_file_name(identity);
  const Path fresh = path.string() + std::string(kUnfinishedSuffix);
  Result<std::unique_ptr<File>> file = files_.open(fresh, OpenMode::Create);
  Status made = file ? Status() : Status(std::unexpected(file.error()));
  if (made) made = preallocate(**file);
  const std::string_view piece = bytes;
  if (made) made = (*file)->write_at(0, {&piece, 1});
  if (made) made = (*file)->sync();
  if (made) made = files_.rename(fresh, path);
  if (!made) {
    // Found and removed at the next start if this fails, too.
    static_cast<void>(files_.remove(fresh).has_value());
    return made;
  }
  slots =
      Slots{.file = *std::move(file), .generation = slots.generation + 1, .listed = slots.listed};
  slots.newest = slots.durable = 0;
  slots.generations[0] = slots.generation;
  slots.last = std::move(bytes);
  return {};
}

Status CheckpointStore::sync(std::string_view identity) {
  NOROSHI_ASSIGN(Slots* const slots, this->slots(identity));
  if (slots->untrusted && !slots->last.empty()) NOROSHI_TRY(save_again(identity, *slots));
  if (slots->durable != slots->newest) {
    if (Status synced = slots->file->sync(); !synced) {
      distrust(identity, *slots);
      return synced;
    }
    slots->durable = slots->newest;
  }
  if (!slots->name_durable) {
    NOROSHI_TRY(files_.sync_directory(directory_));
    slots->name_durable = true;
  }
  if (std::exchange(slots->listed, false)) {
    // If it cannot be removed the next start writes the checkpoint again, for nothing.
    const std::string name =
        std::string(kUntrustedCheckpointPrefix) + checkpoint_file_name(identity);
    static_cast<void>(files_.remove(directory_ / name).has_value());
  }
  return {};
}

// A disk that refuses this file as well leaves the next process without the warning.
void CheckpointStore::distrust(std::string_view identity, Slots& slots) {
  slots.untrusted = slots.listed = true;
  const std::string name = std::string(kUntrustedCheckpointPrefix) + checkpoint_file_name(identity);
  static_cast<void>(files_.open(directory_ / name, OpenMode::OpenOrCreate).has_value());
}

Status CheckpointStore::repair(std::string_view identity) {
  const std::string name = std::string(kUntrustedCheckpointPrefix) + checkpoint_file_name(identity);
  if (!files_.open(directory_ / name, OpenMode::Read)) return {};
  return sync(identity);
}

Status CheckpointStore::save_again(std::string_view identity, Slots& slots) {
  NOROSHI_ASSIGN(CheckpointSave save, decode_checkpoint(slots.last));
  save.generation = slots.generation + 1;
  NOROSHI_ASSIGN(const std::string bytes, encode_checkpoint(save));
  Status replaced = replace(identity, slots, bytes);
  if (replaced || replaced.error().code != ErrorCode::Exhausted || slots.durable == kNoSlot)
    return replaced;
  // No room for a file: the same save in another slot, which makes its pages dirty again. Either
  // the next sync writes these, or it fails.
  NOROSHI_TRY(write(slots, bytes));
  slots.untrusted = false;
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
