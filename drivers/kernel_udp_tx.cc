#include <algorithm>
#include <cerrno>

#include "dataplane/packet.h"
#include "drivers/kernel_udp.h"

namespace culvert::drivers {

using abi::Counter;
using abi::DropReason;
using offload::DatagramRuns;

namespace {

/// Is the kernel only short of room at the moment?
bool is_full(int reason) {
  return reason == EAGAIN || reason == ENOBUFS || reason == ENOMEM;
}

/// Does the kernel refuse to cut, but perhaps not to send? (net/ipv4/udp.c, udp_send_skb)
bool refuses_to_cut(int reason) {
  return reason == EIO || reason == EINVAL || reason == EMSGSIZE;
}

}  // namespace

/// Counts and frees those that this socket can't send to. Returns how many remain at the front of `packets`.
size_t KernelUdpPort::keep_reachable(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  size_t count = 0;
  for (rte_mbuf* packet : packets) {
    SocketAddress address;
    if (to_socket_address(meta(packet).remote, socket_.family, address) != 0) {
      packets[count++] = packet;
      continue;
    }
    tally.drop(DropReason::tx_refused);
    rte_pktmbuf_free(packet);
  }
  return count;
}

/// Writes message number `message` for `run`, its pieces from tx_.data[data] on. Returns how many pieces.
size_t KernelUdpPort::prepare_run(const Run& run, std::span<rte_mbuf* const> packets, size_t message, size_t data) {
  const PacketMeta& to = meta(packets[run.first]);
  msghdr& header = tx_.headers[message].msg_hdr;
  header = {};
  header.msg_namelen = to_socket_address(to.remote, socket_.family, tx_.addresses[message]);
  header.msg_name = &tx_.addresses[message];
  header.msg_iov = &tx_.data[data];
  header.msg_iovlen = run.count;
  write_packet_info(to.local, socket_.family, tx_.info[message], header);
  if (run.count > 1) write_segment_size(run.segment, tx_.info[message], header);
  uint8_t index = run.first;
  for (size_t i = 0; i < run.count; ++i) {
    if (i > 0) index = plan_.next(index);
    tx_.data[data + i] = {rte_pktmbuf_mtod(packets[index], void*), packets[index]->data_len};
  }
  return run.count;
}

/// The packets of a run that the kernel does not cut. False: the socket is full.
bool KernelUdpPort::send_one_by_one(const Run& run, std::span<rte_mbuf* const> packets, abi::Tally& tally) {
  uint8_t index = run.first;
  for (size_t i = 0; i < run.count; ++i) {
    if (i > 0) index = plan_.next(index);
    uint16_t length = packets[index]->data_len;
    prepare_run({.first = index, .last = index, .count = 1, .slot = run.slot, .segment = length, .bytes = length},
                packets, 0, 0);
    ssize_t sent = 0;
    do sent = sendmsg(socket_.fd.get(), &tx_.headers[0].msg_hdr, MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
      tally.add(Counter::outer_tx_packets);
      tally.add(Counter::outer_tx_bytes, length);
    } else if (is_full(errno)) {
      tally.drop(DropReason::tx_queue_full, run.count - i);
      return false;
    } else {
      tally.drop(DropReason::tx_refused);
    }
  }
  return true;
}

/// sendmmsg for `runs`; counts, does not free. False: the socket is full, and what was left is counted.
bool KernelUdpPort::send(std::span<const Run> runs, std::span<rte_mbuf* const> packets, abi::Tally& tally) {
  auto full = [&](std::span<const Run> rest) {
    for (const Run& run : rest) tally.drop(DropReason::tx_queue_full, run.count);
    return false;
  };
  while (!runs.empty()) {
    size_t data = 0;
    for (size_t i = 0; i < runs.size(); ++i) data += prepare_run(runs[i], packets, i, data);
    int sent = sendmmsg(socket_.fd.get(), tx_.headers.data(), static_cast<unsigned>(runs.size()), MSG_DONTWAIT);
    if (sent > 0) {
      for (const Run& run : runs.first(static_cast<size_t>(sent))) {
        tally.add(Counter::outer_tx_packets, run.count);
        tally.add(Counter::outer_tx_bytes, run.bytes);
      }
      runs = runs.subspan(static_cast<size_t>(sent));
    } else if (is_full(errno)) {
      return full(runs);
    } else if (runs[0].count > 1 && refuses_to_cut(errno)) {
      refusals_.refused(runs[0], errno == EIO);
      if (!send_one_by_one(runs[0], packets, tally)) return full(runs.subspan(1));
      runs = runs.subspan(1);
    } else if (errno != EINTR) {
      tally.drop(DropReason::tx_refused, runs[0].count);
      runs = runs.subspan(1);
    }
  }
  return true;
}

void KernelUdpPort::tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  for (; !packets.empty(); packets = packets.subspan(std::min(kBurst, packets.size()))) {
    std::span<rte_mbuf*> chunk = packets.first(std::min(kBurst, packets.size()));
    chunk = chunk.first(keep_reachable(chunk, tally));
    std::span<const Run> runs = plan_.plan(chunk, socket_.offloads.segment);
    while (!runs.empty()) {
      auto refused =
          std::ranges::find_if(runs, [&](const Run& run) { return run.count > 1 && !refusals_.may_send(run); });
      auto before = runs.first(static_cast<size_t>(refused - runs.begin()));
      runs = runs.subspan(before.size());
      bool room = send(before, chunk, tally);
      if (room && !runs.empty()) {
        room = send_one_by_one(runs[0], chunk, tally);
        runs = runs.subspan(1);
      }
      if (room) continue;
      for (const Run& run : runs) tally.drop(DropReason::tx_queue_full, run.count);
      break;
    }
    rte_pktmbuf_free_bulk(chunk.data(), static_cast<unsigned>(chunk.size()));
  }
}

}  // namespace culvert::drivers
