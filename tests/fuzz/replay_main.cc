// Runs a fuzz target without libFuzzer: every file of its corpus as it is, cut short at every length, and changed in
// many ways that are the same in every run. This is what tools/check runs, plain and under ASan and UBSan.
//
//   TARGET CORPUS_FOLDER [CHANGES_PER_FILE]
//   TARGET FILE                               one input as it is: to see a failure again
//
// When the target dies, the input it died of is written to crash-input in the current folder.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kMaxInput = 4096;
constexpr size_t kMaxCuts = 2048;  ///< lengths tried per file

const uint8_t* current_data = nullptr;
size_t current_size = 0;

void save_input() {
  static constexpr char kSaid[] = "input saved as crash-input\n";
  int file = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return;
  if (write(file, current_data, current_size) == static_cast<ssize_t>(current_size))
    (void)!write(STDERR_FILENO, kSaid, sizeof kSaid - 1);
  close(file);
}

void on_signal(int number) {
  save_input();
  signal(number, SIG_DFL);
  raise(number);
}

void run(const Bytes& input) {
  Bytes exact(input.begin(), input.end());  // in a block of exactly its size, so that ASan sees a read past the end
  current_data = exact.data();
  current_size = exact.size();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

/// SplitMix64: small, and the same everywhere.
class Sequence {
 public:
  explicit Sequence(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E37'79B9'7F4A'7C15;
    z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
    z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
    return z ^ (z >> 31);
  }
  size_t below(size_t limit) { return static_cast<size_t>(next() % limit); }

 private:
  uint64_t state_;
};

auto at_index(Bytes& bytes, size_t index) {
  return bytes.begin() + static_cast<ptrdiff_t>(index);
}

/// One change to `input`: a flipped bit, edge values, cut, grown, doubled, or a piece of another file.
void change(Bytes& input, const Bytes& other, Sequence& random) {
  static constexpr uint8_t kEdges[] = {0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF};
  if (input.empty()) input.push_back(0);
  size_t at = random.below(input.size());
  switch (random.below(7)) {
    case 0:
      input[at] = static_cast<uint8_t>(input[at] ^ (1u << random.below(8)));
      break;
    case 1:
      input[at] = kEdges[random.below(std::size(kEdges))];
      break;
    case 2:  // a 16-bit field at its edges
      for (size_t i = at; i < std::min(at + 2, input.size()); ++i) input[i] = kEdges[random.below(std::size(kEdges))];
      break;
    case 3:
      input.resize(at);
      break;
    case 4:
      input.insert(at_index(input, at), 1 + random.below(16), static_cast<uint8_t>(random.next()));
      break;
    case 5: {
      Bytes piece(at_index(input, at), at_index(input, at + 1 + random.below(input.size() - at)));
      input.insert(at_index(input, at), piece.begin(), piece.end());
      break;
    }
    default:
      if (other.empty()) break;
      for (size_t i = at, from = random.below(other.size()); i < input.size() && from < other.size(); ++i, ++from) {
        input[i] = other[from];
        if (random.below(16) == 0) break;
      }
  }
  if (input.size() > kMaxInput) input.resize(kMaxInput);
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

uint64_t seed_of(const std::string& name) {
  uint64_t hash = 0xCBF2'9CE4'8422'2325;
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100'0000'01B3;
  return hash;
}

/// Returns the number of inputs run.
size_t replay(const std::vector<std::filesystem::path>& paths, size_t changes) {
  std::vector<Bytes> corpus;
  for (const auto& path : paths) corpus.push_back(read_file(path));
  size_t runs = 0;
  for (size_t i = 0; i < corpus.size(); ++i) {
    Sequence random(seed_of(paths[i].filename()));
    run(corpus[i]);
    for (size_t length = 0; length < std::min(corpus[i].size(), kMaxCuts); ++length, ++runs)
      run(Bytes(corpus[i].begin(), at_index(corpus[i], length)));
    for (size_t n = 0; n < changes; ++n, ++runs) {
      Bytes input = corpus[i];
      for (size_t times = 1 + random.below(4); times > 0; --times)
        change(input, corpus[random.below(corpus.size())], random);
      run(input);
    }
  }
  return runs + corpus.size();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: " << argv[0] << " CORPUS_FOLDER [CHANGES_PER_FILE] | FILE\n";
    return 2;
  }
  for (int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) signal(number, on_signal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_input);
  if (std::filesystem::is_regular_file(argv[1])) {
    run(read_file(argv[1]));
    return 0;
  }
  std::vector<std::filesystem::path> paths;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], failed)) paths.push_back(entry.path());
  if (failed || paths.empty()) {
    std::cerr << argv[1] << ": no corpus there\n";
    return 1;
  }
  std::sort(paths.begin(), paths.end());
  size_t runs = replay(paths, argc == 3 ? std::strtoul(argv[2], nullptr, 10) : 10000);
  std::cout << paths.size() << " files, " << runs << " inputs\n";
  return 0;
}
