// The TCP port's connections when one process takes over from another.
#include <sys/epoll.h>

#include <utility>

#include "drivers/kernel_tcp.h"
#include "drivers/packet_room.h"

namespace culvert::drivers {

std::vector<LeftStream> KernelTcpPort::leave_streams() {
  std::vector<LeftStream> left;
  for (auto& slot : slots_) {
    if (!slot) continue;
    Stream& stream = *slot;
    std::span<const uint8_t> received = stream.received.bytes();
    left.push_back({.fd = std::move(stream.fd),
                    .id = stream.id,
                    .remote = stream.remote,
                    .local = stream.local,
                    .state = stream.state,
                    .received = {received.begin(), received.end()},
                    .control = stream.out.leave(Lane::kControl),
                    .data = stream.out.leave(Lane::kData)});
  }
  slots_.clear();
  free_.clear();
  turns_.clear();
  waiting_.clear();
  waiting_per_network_.clear();
  return left;
}

void KernelTcpPort::adopt(std::vector<LeftStream> streams) {
  for (LeftStream& left : streams) adopt_one(left);
  free_.clear();
  for (size_t slot = slots_.size(); slot-- > 0;)
    if (!slots_[slot]) free_.push_back(static_cast<uint16_t>(slot));
}

void KernelTcpPort::adopt_one(LeftStream& left) {
  // Its number has its place in it.
  size_t slot = left.id & kMostStreams;
  auto out = StreamSendQueue::resume(left.control, left.data);
  bool fits = left.fd && out && slot < kMostStreams && left.received.size() <= scratch_.size() &&
              left.remote.transport == abi::Transport::kTcp && left.remote.stream == left.id;
  if (!fits || (slot < slots_.size() && slots_[slot])) return;
  if (slot >= slots_.size()) slots_.resize(slot + 1);
  slots_[slot] = std::make_unique<Stream>();
  Stream& stream = *slots_[slot];
  stream.id = left.id;
  stream.fd = std::move(left.fd);
  stream.remote = left.remote;
  stream.local = left.local;
  stream.state = left.state;
  stream.received.append(left.received);
  stream.out = std::move(*out);
  stream.wants_write = !stream.out.empty();
  if (!watch(stream.fd.get(), stream.id, stream.wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN, false)) {
    slots_[slot].reset();
    return;
  }
  start_waiting(stream, deadline_in(stream.state));
  // Of what is here already, the kernel does not tell.
  stream.in_turn = !stream.received.empty();
  if (stream.in_turn) turns_.push_back(stream.id);
  if (stream.state == State::kClosing) finish(stream);
}

}  // namespace culvert::drivers
