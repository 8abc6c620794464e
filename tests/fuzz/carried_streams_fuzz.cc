// What a dataplane before has left of its TCP connections, and the queues that go on with it.
#include <vector>

#include "dataplane/carried_streams.h"
#include "drivers/stream_send_queue.h"
#include "tests/fuzz/input.h"

namespace culvert::fuzz {
namespace {

/// A queue that has taken it over writes exactly those bytes, and counts no more packets than it has.
void check_queue(const drivers::LeftStream& stream) {
  auto queue = drivers::StreamSendQueue::resume(stream.control, stream.data);
  if (!queue) return;
  const size_t bytes = stream.control.bytes.size() + stream.data.bytes.size();
  const size_t packets = queue->packets();
  require(queue->size() == bytes);
  uint64_t sent = 0;
  while (!queue->empty()) {
    std::array<iovec, 3> pieces;
    const size_t count = queue->gather(pieces);
    require(count > 0 && pieces[0].iov_len > 0);
    sent += queue->written(pieces[0].iov_len).packets;
  }
  require(sent == packets);
}

}  // namespace
}  // namespace culvert::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert;
  auto streams = dataplane::from_bytes({data, size});
  if (!streams) return 0;
  const std::vector<uint8_t> again = dataplane::to_bytes(*streams);
  fuzz::require(again.size() == size);
  for (const dataplane::CarriedStream& carried : *streams) fuzz::check_queue(carried.stream);
  return 0;
}
