// Stands in for libFuzzer where it is not (fuzz/README.md): runs a fuzz target over its corpus,
// then over random changes of it for a while. No coverage, no sanitizer; but every build of every
// compiler has the targets compiled, every input that ever broke something is tried again with it,
// and what breaks with little luck breaks here.
//
//   NAME_fuzz CORPUS_DIRECTORY…          NOROSHI_FUZZ_SECONDS=60 NOROSHI_FUZZ_SEED=7 for more
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kInputBytesMax = 64 << 10;
constexpr double kSecondsDefault = 1;
// The same in every run: CI says whether a change broke something, not whether it had luck.
constexpr uint64_t kSeedDefault = 20261123;
// Bytes that mean something in one format or another.
constexpr std::string_view kTellingBytes("\x00\xff\x7f\x80\xc0\xc1\xdf\xdd\"\\{}[]\n\r <>&%$", 22);

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What is being tried. When it breaks something it is printed, to be kept in the corpus.
const std::string* current = nullptr;

extern "C" void print_current(int signal) {
  constexpr char kDigits[] = "0123456789abcdef";
  constexpr std::string_view kAdvice = "this input, for `xxd -r -p > fuzz/corpus/TARGET/NAME`:\n";
  if (::write(STDERR_FILENO, kAdvice.data(), kAdvice.size()) < 0) std::_Exit(1);
  for (const char byte : *current) {
    const auto value = static_cast<unsigned char>(byte);
    const char text[] = {kDigits[value >> 4], kDigits[value & 15]};
    if (::write(STDERR_FILENO, text, sizeof text) < 0) break;
  }
  if (::write(STDERR_FILENO, "\n", 1) < 0) std::_Exit(1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const std::string& input) {
  current = &input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::string changed(std::string input, const std::vector<std::string>& corpus,
                    std::mt19937_64& random) {
  const auto below = [&](size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (size_t changes = 1 + below(6); changes > 0; --changes) {
    const size_t at = below(input.size() + 1);
    switch (below(7)) {
      case 0:  // a bit
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:  // a byte
        if (at < input.size()) input[at] = static_cast<char>(random());
        break;
      case 2:  // a telling byte
        input.insert(at, 1, kTellingBytes[below(kTellingBytes.size())]);
        break;
      case 3:
        input.erase(at, below(16));
        break;
      case 4:  // a piece of itself again
        if (!input.empty()) input.insert(at, input.substr(below(input.size()), below(64)));
        break;
      case 5:  // the beginning of one, the end of another
        if (!corpus.empty()) {
          const std::string& other = corpus[below(corpus.size())];
          input = input.substr(0, at) + other.substr(below(other.size() + 1));
        }
        break;
      default:
        input.resize(at);
    }
  }
  if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, print_current);
  std::vector<std::string> corpus;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      std::fprintf(stderr, "%s: no such directory\n", argv[i]);
      return 2;
    }
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& path : files) {
      corpus.push_back(read_file(path));
      std::printf("%s\n", path.c_str());  // the last one printed is the one that crashed
      std::fflush(stdout);
      run(corpus.back());
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "the corpus is empty\n");
    return 2;
  }
  const char* const seconds_text = std::getenv("NOROSHI_FUZZ_SECONDS");
  const char* const seed_text = std::getenv("NOROSHI_FUZZ_SEED");
  const double seconds = seconds_text == nullptr ? kSecondsDefault : std::atof(seconds_text);
  const uint64_t seed = seed_text == nullptr ? kSeedDefault : std::strtoull(seed_text, nullptr, 10);
  std::printf("random changes for %g s, NOROSHI_FUZZ_SEED=%llu\n", seconds,
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  std::mt19937_64 random(seed);
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t runs = 0;
  while (std::chrono::steady_clock::now() < until) {
    run(changed(corpus[random() % corpus.size()], corpus, random));
    ++runs;
  }
  std::printf("%zu inputs of the corpus, %llu changed ones\n", corpus.size(),
              static_cast<unsigned long long>(runs));
}
