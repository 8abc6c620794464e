#include "control/openvpn/wrap.h"

#include <algorithm>
#include <array>

#include "control/openvpn/key_layout.h"
#include "dataplane/wire/byte_order.h"

namespace culvert::openvpn {
namespace {

using crypto::Bytes;

constexpr size_t kHeaderSize = 1 + wire::kSessionIdSize;
constexpr size_t kReplaySize = 8;

using HeaderBytes = std::array<uint8_t, kHeaderSize>;
using ReplayBytes = std::array<uint8_t, kReplaySize>;

HeaderBytes write_header(const ControlHeader& header) {
  HeaderBytes bytes;
  bytes[0] = wire::opcode_byte(header.opcode.opcode, header.opcode.key_id);
  std::copy(header.session_id.begin(), header.session_id.end(), bytes.begin() + 1);
  return bytes;
}

ReplayBytes write_replay(ReplayId replay) {
  ReplayBytes bytes;
  for (unsigned i = 0; i < 4; ++i) {
    bytes[i] = static_cast<uint8_t>(replay.id >> (24 - 8 * i));
    bytes[4 + i] = static_cast<uint8_t>(replay.time >> (24 - 8 * i));
  }
  return bytes;
}

ReplayId read_replay(Bytes bytes) {
  ReplayId replay;
  for (unsigned i = 0; i < 4; ++i) {
    replay.id = replay.id << 8 | bytes[i];
    replay.time = replay.time << 8 | bytes[4 + i];
  }
  return replay;
}

void append(std::vector<uint8_t>& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

void WrapKey::load(const StaticKey& key, unsigned send_half, unsigned receive_half) {
  auto take = [&key](unsigned half, Direction& direction) {
    auto begin = key.begin() + half * kHalf;
    std::copy_n(begin, direction.cipher.size(), direction.cipher.data());
    std::copy_n(begin + kCipherPart, direction.hmac.size(), direction.hmac.data());
  };
  take(send_half, send_);
  take(receive_half, receive_);
}

WrapKey WrapKey::tls_crypt(const StaticKey& key, Side side) {
  WrapKey wrap;
  wrap.kind_ = WrapKind::kTlsCrypt;
  // tls_crypt_init_key: the server has direction "normal", so it sends with the first half.
  if (side == Side::kServer)
    wrap.load(key, 0, 1);
  else
    wrap.load(key, 1, 0);
  return wrap;
}

WrapKey WrapKey::from_settings(const WrapSettings& settings, Side side) {
  switch (settings.kind) {
    case WrapKind::kNone:
      return WrapKey();
    case WrapKind::kTlsCrypt:
      return tls_crypt(settings.key, side);
    case WrapKind::kTlsCryptV2: {
      WrapKey wrap = side == Side::kClient ? tls_crypt(settings.key, side) : WrapKey();
      wrap.kind_ = WrapKind::kTlsCryptV2;
      wrap.has_key_ = side == Side::kClient;
      wrap.wrapped_client_key_ = settings.wrapped_client_key;
      return wrap;
    }
    case WrapKind::kTlsAuth:
      break;
  }
  WrapKey wrap;
  wrap.kind_ = WrapKind::kTlsAuth;
  wrap.digest_ = settings.auth;
  // crypto.c, key_direction_state_init: without a direction both sides use the first half for everything.
  if (settings.direction < 0)
    wrap.load(settings.key, 0, 0);
  else if (settings.direction == 0)
    wrap.load(settings.key, 0, 1);
  else
    wrap.load(settings.key, 1, 0);
  return wrap;
}

size_t WrapKey::overhead() const {
  switch (kind_) {
    case WrapKind::kNone:
      return kHeaderSize;
    case WrapKind::kTlsAuth:
      return kHeaderSize + kReplaySize + crypto::digest_size(digest_);
    case WrapKind::kTlsCrypt:
    case WrapKind::kTlsCryptV2:
      break;
  }
  return kHeaderSize + kReplaySize + kTagSize;
}

bool WrapKey::tag(const Direction& direction, Bytes header, Bytes replay, Bytes payload, std::span<uint8_t> out) const {
  Bytes key(direction.hmac.data(), crypto::digest_size(digest_));
  if (kind_ == WrapKind::kTlsAuth) return crypto::hmac(digest_, key, {replay, header, payload}, out);
  return crypto::hmac(digest_, key, {header, replay, payload}, out);
}

std::optional<std::vector<uint8_t>> WrapKey::seal(const ControlHeader& header, ReplayId replay, Bytes payload) const {
  if (!has_key_) return std::nullopt;
  const HeaderBytes header_bytes = write_header(header);
  const ReplayBytes replay_bytes = write_replay(replay);
  std::vector<uint8_t> packet;
  packet.reserve(overhead() + payload.size() + wrapped_client_key_.size());
  append(packet, header_bytes);
  if (kind_ == WrapKind::kNone) {
    append(packet, payload);
    return packet;
  }
  std::array<uint8_t, crypto::kMaxDigestSize> tag_bytes;
  std::span<uint8_t> tag_view(tag_bytes.data(), crypto::digest_size(digest_));
  if (!tag(send_, header_bytes, replay_bytes, payload, tag_view)) return std::nullopt;
  if (kind_ == WrapKind::kTlsAuth) {
    append(packet, tag_view);
    append(packet, replay_bytes);
    append(packet, payload);
    return packet;
  }
  append(packet, replay_bytes);
  append(packet, tag_view);
  packet.resize(packet.size() + payload.size());
  if (!crypto::aes256_ctr(send_.cipher.span(), tag_view.first<kIvSize>(), payload,
                          std::span(packet).last(payload.size())))
    return std::nullopt;
  wire::Opcode opcode = header.opcode.opcode;
  if (opcode == wire::Opcode::kHardResetClientV3 || opcode == wire::Opcode::kControlWkc)
    append(packet, wrapped_client_key_);
  return packet;
}

OpenResult WrapKey::open(Bytes packet) const {
  auto opcode = wire::read_opcode(packet);
  if (!opcode || wire::is_data(opcode->opcode) || packet.size() < overhead()) return abi::DropReason::control_malformed;
  if (!has_key_) return abi::DropReason::control_bad_wrap;
  OpenedPacket opened{{*opcode, {}}, {}, {}};
  Bytes header = packet.first(kHeaderSize);
  std::copy(header.begin() + 1, header.end(), opened.header.session_id.begin());
  Bytes rest = packet.subspan(kHeaderSize);
  if (kind_ == WrapKind::kNone) {
    opened.payload.assign(rest.begin(), rest.end());
    return opened;
  }
  const size_t tag_size = crypto::digest_size(digest_);
  Bytes tag_bytes;
  Bytes replay;
  Bytes body = rest.subspan(tag_size + kReplaySize);
  if (kind_ == WrapKind::kTlsAuth) {
    tag_bytes = rest.first(tag_size);
    replay = rest.subspan(tag_size, kReplaySize);
    opened.payload.assign(body.begin(), body.end());
  } else {
    replay = rest.first(kReplaySize);
    tag_bytes = rest.subspan(kReplaySize, tag_size);
    opened.payload.resize(body.size());
    if (!crypto::aes256_ctr(receive_.cipher.span(), tag_bytes.first<kIvSize>(), body, opened.payload))
      return abi::DropReason::control_bad_wrap;
  }
  std::array<uint8_t, crypto::kMaxDigestSize> expected;
  std::span<uint8_t> expected_view(expected.data(), tag_size);
  if (!tag(receive_, header, replay, opened.payload, expected_view) ||
      !crypto::equal_constant_time(expected_view, tag_bytes))
    return abi::DropReason::control_bad_wrap;
  opened.replay = read_replay(replay);
  return opened;
}

std::optional<std::vector<uint8_t>> Wrap::wrap(const ControlHeader& header, Bytes payload, Now now) {
  if (key_.kind() == WrapKind::kNone) return key_.seal(header, {}, payload);
  // Only a client has this kind: it says with its first replay ID that it can do the stateless handshake.
  if (key_.kind() == WrapKind::kTlsCryptV2 && !sender_.started()) sender_.announce_early_negotiation(now.wall);
  auto replay = sender_.next(now.wall);
  if (!replay) return std::nullopt;
  return key_.seal(header, *replay, payload);
}

OpenResult Wrap::unwrap(Bytes packet, Now now) {
  OpenResult result = key_.open(packet);
  auto* opened = std::get_if<OpenedPacket>(&result);
  if (opened == nullptr || key_.kind() == WrapKind::kNone) return result;
  if (!window_.fresh(opened->replay, now.mono)) return abi::DropReason::control_wrap_replay;
  window_.accept(opened->replay, now.mono);
  return result;
}

}  // namespace culvert::openvpn
