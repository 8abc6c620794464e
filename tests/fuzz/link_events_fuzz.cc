// What a dataplane gone mad may write into the link, as control judges it: events, punted packets, the header.
#include "control/io/link_checks.h"
#include "dataplane/abi/layout.h"
#include "tests/fuzz/input.h"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  uint32_t sessions = 1u + input.u16();
  uint8_t kind = input.byte() % 3;
  if (kind == 0) {
    auto event = input.value<abi::Event>();
    if (!io::plausible(event, sessions)) return 0;
    bool about_a_session = event.kind != abi::EventKind::kStreamClosed;
    fuzz::require(!about_a_session || (event.session.peer_id < sessions && event.session.generation != 0));
  } else if (kind == 1) {
    auto message = input.value<abi::PacketMessage>();
    fuzz::require(message.bytes().size() <= abi::kMaxControlPacket);
    if (io::plausible(message)) fuzz::require(!message.bytes().empty());
  } else {
    auto header = input.value<abi::LinkHeader>();
    uint64_t mapped = header.total_size;
    if (abi::why_not_usable(header, mapped) != nullptr) return 0;
    abi::Layout layout = abi::layout_for(header.workers, header.sessions);
    fuzz::require(layout.networks_offset + header.sessions * sizeof(abi::NetworkList) <= mapped);
  }
  return 0;
}
