// What packets come in and go out through. One object per port and worker: no locks inside.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>
#include <string>

#include "dataplane/abi/counters.h"

namespace culvert::drivers {

enum class Side : uint8_t {
  kOuter,  ///< tunnel packets; PacketMeta's remote, local and port are filled on rx and obeyed on tx
  kInner,  ///< plain IP packets, no link header
};

class Port {
 public:
  virtual ~Port() = default;

  /// Receives up to out.size() packets. Each starts at the OpenVPN header (outer) or the IP header (inner), has at
  /// least kHeadroom bytes in front and PacketMeta filled. Returns how many; packets that could not be taken are
  /// counted in `tally`.
  virtual uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) = 0;

  /// Sends, or counts under a reason, every packet, and takes ownership of all of them. Never blocks. Counts what it
  /// sent (outer_tx_* or inner_tx_*); what was received is counted by the path.
  virtual void tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) = 0;

  /// File descriptor that turns readable when rx_burst has something, for a worker that sleeps; -1: must be polled.
  virtual int wake_fd() const = 0;

  /// True once the device behind the port is gone for good (a TUN that was deleted): packets to it are counted as
  /// tx_port_down, nothing comes from it, and its wake_fd must not be waited on. Asked by the thread that polls the
  /// port.
  virtual bool is_gone() const { return false; }

  virtual Side side() const = 0;
  /// "udp 0.0.0.0:1194", "tun culvert0".
  virtual std::string name() const = 0;
};

}  // namespace culvert::drivers
