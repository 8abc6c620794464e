// Prints the layout of everything that the two processes share: size of each struct, offset and size of each field,
// values of the enums, and the two lists whose index is part of the ABI. Compared with abi_layout.golden by
// abi_layout_test.py.
#include <cstddef>
#include <cstdio>

#include "dataplane/abi/layout.h"
#include "dataplane/abi/setup.h"

// Applies `macro(of, x)` to each further argument x (C++20's __VA_OPT__, rescanned often enough for 4^3 arguments).
#define EXPAND(...) EXPAND3(EXPAND3(EXPAND3(EXPAND3(__VA_ARGS__))))
#define EXPAND3(...) EXPAND2(EXPAND2(EXPAND2(EXPAND2(__VA_ARGS__))))
#define EXPAND2(...) EXPAND1(EXPAND1(EXPAND1(EXPAND1(__VA_ARGS__))))
#define EXPAND1(...) __VA_ARGS__
#define AGAIN() EACH
#define EACH(macro, of, x, ...) macro(of, x) __VA_OPT__(AGAIN PARENTHESES(macro, of, __VA_ARGS__))
#define PARENTHESES ()
#define FOR_EACH(macro, of, ...) EXPAND(EACH(macro, of, __VA_ARGS__))

#define FIELD(type, name) fields.add(#name, offsetof(type, name), sizeof(type::name));
#define STRUCT(type, ...)                              \
  {                                                    \
    Fields fields(#type, sizeof(type), alignof(type)); \
    FOR_EACH(FIELD, type, __VA_ARGS__)                 \
  }
#define VALUE(type, name) std::printf("enum %s %s = %u\n", #type, #name, static_cast<unsigned>(type::name));
#define ENUM(type, ...) FOR_EACH(VALUE, type, __VA_ARGS__)
#define CONSTANT(unused, name) std::printf("constant %s = %#llx\n", #name, static_cast<unsigned long long>(name));
#define CONSTANTS(...) FOR_EACH(CONSTANT, , __VA_ARGS__)

namespace culvert::abi {
namespace {

/// Prints the fields of one struct, and the holes between them: a field that was forgotten in the lists below shows as
/// one.
class Fields {
 public:
  Fields(const char* type, size_t size, size_t alignment) : size_(size) {
    std::printf("struct %s size %zu align %zu\n", type, size, alignment);
  }
  ~Fields() { hole_until(size_); }
  Fields(const Fields&) = delete;
  void add(const char* name, size_t offset, size_t size) {
    hole_until(offset);
    std::printf("  %s %zu size %zu\n", name, offset, size);
    end_ = offset + size;
  }

 private:
  void hole_until(size_t offset) const {
    if (offset > end_) std::printf("  hole %zu size %zu\n", end_, offset - end_);
  }
  size_t size_;
  size_t end_ = 0;
};

void print_values() {
  CONSTANTS(kLinkMagic, kSetupMagic, kMaxWorkers, kMaxSessions, kMaxPorts, kCounterSlots, kDropSlots, kMaxControlPacket,
            kNoPeerId, kMaxLimit, kKeyIds, kMaxSessionRoutes, CommandRing::kCapacity, EventRing::kCapacity,
            PacketRing::kCapacity, session_flag::kClientToClient, session_flag::kMayFloat, session_flag::kInitiator);
  ENUM(Family, kNone, kIpv4, kIpv6);
  ENUM(Transport, kUdp, kTcp);
  ENUM(CommandKind, kInstallSession, kInstallKey, kSendWithKey, kRemoveKey, kRemoveSession, kAddRoute, kRemoveRoute,
       kCloseStream, kMoveSession, kLimitSession);
  ENUM(Cipher, kAes128Gcm, kAes192Gcm, kAes256Gcm, kChacha20Poly1305, kAes128Cbc, kAes192Cbc, kAes256Cbc);
  ENUM(Digest, kNone, kSha1, kSha224, kSha256, kSha384, kSha512);
  ENUM(KeyFormat, kAead, kCbcHmac, kEpoch);
  ENUM(Framing, kNone, kStubV2, kStub, kLzoStub);
  ENUM(DataFormat, kV1, kV2);
  ENUM(EventKind, kFloated, kPeerTimeout, kPeerExit, kKeyNearLimit, kKeyFirstUse, kCommandRefused, kStreamClosed);
  ENUM(RecordState, kFree, kConnected);
  ENUM(RequestKind, kHello, kOpenPort, kKeepPorts, kOpenTun);
  ENUM(ReplyStatus, kDone, kFailed);
}

void print_messages() {
  STRUCT(IpAddress, bytes, family);
  STRUCT(Endpoint, address, transport, port, scope_id, stream);
  STRUCT(SessionRef, peer_id, generation);
  STRUCT(SessionLimit, from_client, to_client);
  STRUCT(InstallSession, remote, local, port, format, framing, flags, remote_peer_id, tun_mtu, mss_limit, ping_interval,
         ping_timeout, replay_window, ip4, ip6, limit);
  STRUCT(DirectionKey, key, implicit_iv, hmac);
  STRUCT(InstallKey, key_id, cipher, send_at_once, format, digest, reserved, first_packet_id, replay_floor, send,
         receive);
  STRUCT(KeyRef, key_id);
  STRUCT(InnerPrefix, address, length);
  STRUCT(StreamRef, remote, port);
  STRUCT(Command, kind, owner, reserved2, session, body);
  STRUCT(Event, kind, key_id, reserved, port, detail, session, endpoint, local, reserved2);
  STRUCT(PacketMessage, after_command, remote, local, port, length, reserved, data, reserved2);
}

void print_setup() {
  STRUCT(Hello, magic, abi_version, reserved);
  STRUCT(OpenPort, port, ipv6_only, no_delay, receive_buffer, send_buffer, mark, local, device, hand_window, reserved2,
         share);
  STRUCT(KeepPorts, ports);
  STRUCT(TunAddress, address, prefix);
  STRUCT(TunRoute, network, prefix, gateway, reserved, metric);
  STRUCT(OpenTun, name, mtu, tx_queue_length, addresses, routes);
  STRUCT(Request, kind, reserved, body);
  STRUCT(Reply, status, reserved, text);
}

void print_link() {
  STRUCT(CommandRing, tail, head, waiting, slots);
  STRUCT(EventRing, tail, head, waiting, slots);
  STRUCT(PacketRing, tail, head, waiting, slots);
  STRUCT(CounterBlock, counters, drops);
  STRUCT(WorkerArea, commands, control_out, events, punt_new, punt_known, counters, heartbeat_ns, core);
  STRUCT(LinkHeader, magic, abi_version, header_size, total_size, workers, sessions, worker_area_size,
         session_record_size, seen_ids_size, network_list_size, boot_id, started_mono_ns, dataplane_pid, version);
  STRUCT(ControlRecord, state, generation, local_session_id, remote_session_id, current_key_id, previous_key_id,
         wrap_is_dynamic, has_wrap_key, wrap_send_time, wrap_send_id, wrap_seen_time, wrap_seen_id, wrap_key,
         common_name, username, certificate_hash, instance, connected_wall_seconds, protocol_flags, settings, cipher,
         owner, digest, reserved, client_version, client_platform, tls_key_export, has_networks, reserved2,
         certificate_serial);
  STRUCT(WorkerRecord, generation, reserved, rx_packets, rx_bytes, tx_packets, tx_bytes, last_rx_ns, last_tx_ns, drops,
         remote, send_reserved);
  STRUCT(SessionRecord, control, worker);
  STRUCT(SeenIds, highest);
  STRUCT(NetworkList, generation, count, networks);
}

void print_lists() {
  for (size_t i = 0; i < kDropReasonCount; ++i) std::printf("drop %zu %s\n", i, kDropInfo[i].name.data());
  for (size_t i = 0; i < kCounterCount; ++i) std::printf("counter %zu %s\n", i, kCounterInfo[i].name.data());
}

}  // namespace
}  // namespace culvert::abi

int main() {
  std::printf("abi version %u\n", culvert::abi::kAbiVersion);
  culvert::abi::print_values();
  culvert::abi::print_messages();
  culvert::abi::print_setup();
  culvert::abi::print_link();
  culvert::abi::print_lists();
}
