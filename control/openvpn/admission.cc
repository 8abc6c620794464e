#include "control/openvpn/admission.h"

#include <algorithm>

#include "control/openvpn/control_packet.h"

namespace culvert::openvpn {

using abi::DropReason;
using wire::Opcode;

namespace {

uint64_t random_seed(Random& random) {
  std::array<uint8_t, 8> bytes{};
  random.fill(bytes);
  uint64_t seed = 0;
  for (uint8_t byte : bytes) seed = seed << 8 | byte;
  return seed;
}

// Log lines about strangers, per 10 s: enough to see what is wrong, too few to fill a disk.
constexpr uint32_t kLogPerNetwork = 3;
constexpr uint32_t kLogInAll = 50;

/// What an operator can do about a first packet that is refused before anything in it can be believed; null: nothing.
const char* way_in(WrapKind wrap, wire::OpcodeByte first, DropReason reason) {
  const bool v2 = wrap == WrapKind::kTlsCryptV2;
  if (first.opcode != (v2 ? Opcode::kHardResetClientV3 : Opcode::kHardResetClientV2)) {
    if (first.opcode == Opcode::kHardResetClientV3)
      return "its profile has a tls-crypt-v2 key, and this server has no tls-crypt-v2: give it a profile for this "
             "server";
    if (first.opcode == Opcode::kHardResetClientV2)
      return "its profile has no tls-crypt-v2 key, which this server asks for: give it a profile for this server";
    return nullptr;
  }
  if (reason == DropReason::control_bad_client_key)
    return "its tls-crypt-v2 key was not made with this server's: give it a profile for this server";
  if (reason != DropReason::control_bad_wrap && reason != DropReason::control_malformed) return nullptr;
  if (wrap == WrapKind::kTlsAuth)
    return "it is not wrapped with this server's tls-auth key: compare the key, key-direction and auth of both ends";
  if (wrap == WrapKind::kTlsCrypt)
    return "it is not wrapped with this server's tls-crypt key: compare the keys of both ends";
  return nullptr;
}

}  // namespace

Admission::Admission(const ServerSettings& settings, Engine& engine)
    : settings_(settings),
      engine_(engine),
      key_(WrapKey::from_settings(settings.wrap, Side::kServer)),
      cookie_(settings.cookie_secret, settings.hand_window),
      limit_(settings.initial_per_network, settings.initial_in_all, random_seed(*engine.random)),
      log_limit_(kLogPerNetwork, kLogInAll, random_seed(*engine.random)) {}

void Admission::reload() {
  key_ = WrapKey::from_settings(settings_.wrap, Side::kServer);
  cookie_ = Cookie(settings_.cookie_secret, settings_.hand_window);
  limit_.set_limits(settings_.initial_per_network, settings_.initial_in_all);
}

Admission::Verdict Admission::judge(const Datagram& datagram, wire::OpcodeByte first, Now now) {
  bool v2 = settings_.wrap.kind == WrapKind::kTlsCryptV2;
  bool reset = first.opcode == (v2 ? Opcode::kHardResetClientV3 : Opcode::kHardResetClientV2);
  bool second =
      v2 ? first.opcode == Opcode::kControlWkc : first.opcode == Opcode::kControl || first.opcode == Opcode::kAck;
  if (!reset && !second) {
    tell_way_in(datagram, first, DropReason::control_unexpected_opcode, now);
    bool of_a_session =
        first.opcode == Opcode::kControl || first.opcode == Opcode::kAck || first.opcode == Opcode::kSoftReset;
    return of_a_session ? DropReason::control_no_session : DropReason::control_unexpected_opcode;
  }
  if (first.key_id != 0) return DropReason::control_no_session;
  auto result = open(datagram, first);
  if (auto* reason = std::get_if<DropReason>(&result)) {
    tell_way_in(datagram, first, *reason, now);
    return *reason;
  }
  Opened& opened = std::get<Opened>(result);
  if (opened.packet.header.session_id == wire::SessionId{}) return DropReason::control_malformed;
  return reset ? first_packet(datagram, opened, first, now) : second_packet(datagram, opened, first, now);
}

std::variant<Admission::Opened, DropReason> Admission::open(const Datagram& datagram, wire::OpcodeByte) const {
  std::span<const uint8_t> packet = datagram.bytes;
  WrapKey key = key_;
  std::optional<ClientKey> client_key;
  if (settings_.wrap.kind == WrapKind::kTlsCryptV2) {
    auto split = split_wrapped_key(packet);
    if (!split) return DropReason::control_bad_client_key;
    client_key = unwrap_client_key(settings_.wrap.server_key, split->wrapped_client_key);
    if (!client_key) return DropReason::control_bad_client_key;
    key = WrapKey::tls_crypt(client_key->key, Side::kServer);
    packet = split->packet;
  }
  OpenResult result = key.open(packet);
  if (auto* reason = std::get_if<DropReason>(&result)) return *reason;
  return Opened{std::get<OpenedPacket>(std::move(result)), std::move(key), std::move(client_key)};
}

Admission::Verdict Admission::first_packet(const Datagram& datagram, Opened& opened, wire::OpcodeByte first, Now now) {
  auto control = parse_control(first.opcode, opened.packet.payload);
  if (!control || control->acks.count) return DropReason::control_malformed;
  if (control->id != 0) return DropReason::control_window;
  if (!limit_.allow(datagram.remote.address, now.mono)) return DropReason::control_rate_limited;
  // A TCP connection proves the address, so there is no cookie (ssl_pkt.c is asked for UDP only in the reference).
  if (datagram.remote.transport == abi::Transport::kTcp) {
    Session::Ids ids{random_session_id(), opened.packet.header.session_id};
    return Admitted{ids, Wrap(std::move(opened.key)), std::move(opened.client_key), false};
  }
  if (settings_.wrap.kind != WrapKind::kTlsCryptV2 || supports_early_negotiation(opened.packet.replay)) {
    answer(datagram, opened, settings_.wrap.kind == WrapKind::kTlsCryptV2, now);
    return std::monostate{};
  }
  if (settings_.wrap.force_cookie) {
    log(LogLevel::kWarning, datagram.remote,
        "refused a client that can't do the stateless handshake (OpenVPN before 2.6 with tls-crypt-v2): update the "
        "client, or "
        "set `tls-crypt-v2 FILE allow-noncookie`",
        now);
    return DropReason::control_bad_cookie;
  }
  Session::Ids ids{random_session_id(), opened.packet.header.session_id};
  return Admitted{ids, Wrap(std::move(opened.key)), std::move(opened.client_key), false};
}

void Admission::answer(const Datagram& datagram, const Opened& opened, bool resend_client_key, Now now) {
  auto replay = sender_.next(now.wall);
  wire::SessionId own = cookie_.make(opened.packet.header.session_id, datagram.remote, now);
  if (!replay || own == wire::SessionId{}) return;
  AckList acks;
  acks.count = 1;
  std::vector<uint8_t> flags = resend_client_key ? request_wrapped_key_again() : std::vector<uint8_t>();
  auto plaintext = build_control(Opcode::kHardResetServerV2, acks, opened.packet.header.session_id, 0, flags);
  auto bytes = opened.key.seal({{Opcode::kHardResetServerV2, 0}, own}, *replay, plaintext);
  if (!bytes) return;
  engine_.tally.add(abi::Counter::resets_answered);
  engine_.outputs.push_back(SendPacket{datagram.remote, datagram.local, datagram.port, std::move(*bytes)});
}

Admission::Verdict Admission::second_packet(const Datagram& datagram, Opened& opened, wire::OpcodeByte first, Now now) {
  auto control = parse_control(first.opcode, opened.packet.payload);
  if (!control) return DropReason::control_malformed;
  // It must acknowledge our answer: that names the session ID which was the cookie.
  if (control->acks.count == 0) return DropReason::control_no_session;
  bool early = std::ranges::all_of(control->acks.view(), [](uint32_t id) { return id <= 1; });
  if (!early || (first.opcode != Opcode::kAck && control->id > 1)) return DropReason::control_no_session;
  const wire::SessionId& client = opened.packet.header.session_id;
  if (control->acked_session == wire::SessionId{} ||
      !cookie_.accepts(control->acked_session, client, datagram.remote, now))
    return DropReason::control_bad_cookie;
  limit_.proved(datagram.remote.address);
  return Admitted{{control->acked_session, client},
                  Wrap(std::move(opened.key), ReplaySender::after(sender_)),
                  std::move(opened.client_key),
                  true};
}

wire::SessionId Admission::random_session_id() {
  wire::SessionId id{};
  while (id == wire::SessionId{}) engine_.random->fill(id);
  return id;
}

void Admission::tell_way_in(const Datagram& datagram, wire::OpcodeByte first, DropReason reason, Now now) {
  if (const char* way = way_in(settings_.wrap.kind, first, reason))
    log(LogLevel::kWarning, datagram.remote, std::string("refused the first packet of a client: ") + way, now);
}

void Admission::log(LogLevel level, const abi::Endpoint& remote, std::string text, Now now) {
  if (log_limit_.allow(remote.address, now.mono)) engine_.outputs.push_back(LogLine{level, remote, std::move(text)});
}

}  // namespace culvert::openvpn
