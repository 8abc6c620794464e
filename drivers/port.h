// What packets come in and go out through. One object per port and worker: no locks inside.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/endpoint.h"
#include "drivers/left_stream.h"

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

  /// True when the next rx_burst has packets that the port has already taken from the kernel. Whoever gives the port up
  /// takes them first, since nobody else can.
  virtual bool holds_packets() const { return false; }

  /// File descriptor that turns readable when rx_burst has something, for a worker that sleeps; -1: must be polled.
  virtual int wake_fd() const = 0;

  /// True once the device behind the port is gone for good (a TUN that was deleted): packets to it are counted as
  /// tx_port_down, nothing comes from it, and its wake_fd must not be waited on. Asked by the thread that polls the
  /// port.
  virtual bool is_gone() const { return false; }

  /// Counts what the kernel had no room for in front of the port since the last call (the first time: since the port
  /// was made). Now and then, by the thread that polls the port: a system call with some ports.
  virtual void count_losses(abi::Tally& /*tally*/) {}

  // Connections, for ports that have them (TCP). `stream` is Endpoint::stream; one that is gone is no error. Ports
  // without connections keep these as they are.

  /// Has the connection room for another packet? To be asked before a packet is sealed: sealed and then dropped, it
  /// would leave a gap in the packet-ids, which TCP sessions don't have. Control packets need not ask.
  virtual bool has_room(uint64_t /*stream*/) const { return true; }
  /// A session lives on the connection from now on, or no more; without one it is closed when the port's hand-window
  /// is over. False: there is no such connection.
  virtual bool keep_stream(uint64_t /*stream*/, bool /*keep*/) { return true; }
  /// Takes nothing more from the connection and closes it: at once, or when what is queued for it has been sent. What
  /// is lost with it is counted in `tally`.
  virtual void close_stream(uint64_t /*stream*/, bool /*at_once*/, abi::Tally& /*tally*/) {}
  virtual size_t stream_count() const { return 0; }
  /// Is there such a connection, and does it take packets?
  virtual bool has_stream(uint64_t /*stream*/) const { return true; }
  /// The port is about to be given up: its connections end now, and take_ended() tells of them.
  virtual void end_streams(abi::Tally& /*tally*/) {}
  /// The next connection that ended, of those from which packets came. False: none.
  virtual bool take_ended(abi::Endpoint& /*remote*/) { return false; }

  /// The port's process is about to be replaced: gives all connections away, in the state they are in, for a port that
  /// goes on with them (KernelTcpPort::adopt). It has none any more.
  virtual std::vector<LeftStream> leave_streams() { return {}; }

  virtual Side side() const = 0;
  /// "udp 0.0.0.0:1194", "tun culvert0".
  virtual std::string name() const = 0;
};

}  // namespace culvert::drivers
