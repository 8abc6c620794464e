// Super-packets joined and cut again, as the gateway and the kernel do it between them. No test framework in it.
#pragma once

#include "drivers/offload/coalesce.h"
#include "drivers/offload/segment.h"
#include "tests/unit/support/flow_corpus.h"

namespace culvert::testing {

using drivers::offload::Coalescer;
using drivers::offload::SuperPacket;
using drivers::offload::VnetHeader;

struct Written {
  VnetHeader header;
  PacketBytes bytes;
};

/// What the TUN port writes for `frame`.
inline Written write(const Coalescer& coalescer, const Coalescer::Frame& frame,
                     std::span<const std::span<uint8_t>> packets) {
  Written written{frame.header, {packets[frame.first].begin(), packets[frame.first].end()}};
  uint8_t index = frame.first;
  for (size_t i = 1; i < frame.count; ++i) {
    index = coalescer.next(index);
    auto payload = packets[index].subspan(coalescer.payload_offset(index));
    written.bytes.insert(written.bytes.end(), payload.begin(), payload.end());
  }
  return written;
}

/// All frames for `packets`, at most kMost of which are planned at once.
inline std::vector<Written> join(Coalescer& coalescer, std::vector<PacketBytes> packets) {
  std::vector<Written> frames;
  for (size_t at = 0; at < packets.size(); at += Coalescer::kMost) {
    std::vector<std::span<uint8_t>> views;
    for (size_t i = at; i < std::min(packets.size(), at + Coalescer::kMost); ++i) views.emplace_back(packets[i]);
    for (const auto& frame : coalescer.plan(views)) frames.push_back(write(coalescer, frame, views));
  }
  return frames;
}

/// What comes out when the frames are cut. Nothing when one of them can't be.
inline std::optional<std::vector<PacketBytes>> cut(const std::vector<Written>& frames) {
  std::vector<PacketBytes> packets;
  for (const Written& frame : frames) {
    if (frame.header.gso_type == drivers::offload::kGsoNone) {
      packets.push_back(frame.bytes);
      continue;
    }
    auto super = SuperPacket::read(frame.header, frame.bytes);
    if (!super) return std::nullopt;
    while (!super->done()) {
      PacketBytes segment(super->longest());
      segment.resize(super->write_next(segment.data()));
      packets.push_back(std::move(segment));
    }
  }
  return packets;
}

}  // namespace culvert::testing
