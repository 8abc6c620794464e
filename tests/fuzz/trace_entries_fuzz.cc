// What a dataplane gone mad may write into the rings of a trace, as `culvert trace` and `culvert capture` read them.
#include <cstdlib>
#include <memory>

#include "control/admin/to_json.h"
#include "tests/fuzz/input.h"
#include "tools/culvert/capture_file.h"
#include "tools/culvert/table.h"
#include "tools/culvert/trace_rows.h"

using namespace culvert;

namespace {

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

bool is_printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void look_at(const abi::TraceEntry& entry, std::span<const uint8_t> bytes) {
  admin::TraceRow row = cli::trace_row(entry, 0, entry.time_ns, "");
  for (const std::string& text : {row.step, row.reason, row.remote, row.inner_source, row.inner_destination, row.time})
    fuzz::require(is_printable(text));
  cli::TableStream table(cli::columns_of<admin::TraceRow>());
  fuzz::require(!table.line(admin::to_json(row)).empty());
  if (bytes.empty()) return;
  std::vector<uint8_t> headers = cli::outer_headers(entry.remote, entry.local, entry.outer_length, bytes);
  fuzz::require(headers.empty() || headers.size() == 28 || headers.size() == 48);
  std::vector<uint8_t> block =
      cli::pcapng::packet(entry.time_ns, bytes, entry.inner_length, cli::pcapng::Flow::kInbound, row.reason);
  fuzz::require(block.size() % 4 == 0 && block.size() >= bytes.size() + 32);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  abi::TraceShape shape{1, 4, sizeof(abi::TraceEntry) + 64};
  std::unique_ptr<std::byte, Free> ring(static_cast<std::byte*>(std::aligned_alloc(64, shape.total_size())));
  std::memset(static_cast<void*>(ring.get()), 0, shape.total_size());
  // The first byte says how many entries there are, or seem to be; then the slots.
  if (size == 0) return 0;
  auto& header = *reinterpret_cast<abi::TraceRing*>(ring.get());
  header.tail.store(data[0]);
  std::memcpy(static_cast<void*>(ring.get() + sizeof(abi::TraceRing)), data + 1,
              std::min<size_t>(size - 1, shape.total_size() - sizeof(abi::TraceRing)));
  abi::TraceReader reader(ring.get(), shape);
  std::vector<uint8_t> buffer(shape.slot_size);
  for (int i = 0; i < 5; ++i) {
    abi::TraceEntry entry;
    std::span<const uint8_t> bytes;
    auto status = reader.read(entry, buffer, bytes);
    if (status == abi::TraceReader::Status::kEmpty) {
      fuzz::require(i == data[0]);
      break;
    }
    if (status != abi::TraceReader::Status::kEntry) continue;
    fuzz::require(abi::is_sane(entry, shape.slot_size) && bytes.size() <= 64);
    look_at(entry, bytes);
  }
  return 0;
}
