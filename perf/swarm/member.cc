#include "perf/swarm/member.h"

#include <algorithm>
#include <cstring>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::swarm {

using namespace openvpn;

Member::Member(ClientSettings settings, std::unique_ptr<OuterSocket> socket, Shared& shared)
    : shared_(shared),
      socket_(std::move(socket)),
      remote_(settings.remote),
      client_(std::move(settings), ref_, shared.random) {}

void Member::start(Now now) {
  started_ = now.mono;
  client_.start(now);
  carry_out(now);
}

void Member::on_socket(Now now, const Inner& inner) {
  shared_.packets.clear();
  bool alive = socket_->flush() && socket_->receive(shared_.buffers, shared_.packets);
  std::span<const OuterPacket> rest = shared_.packets;
  auto is_data = [](const OuterPacket& packet) {
    auto opcode = wire::read_opcode(packet.bytes);
    return opcode && wire::is_data(opcode->opcode);
  };
  // Order matters: data behind a control packet may need the key that it brings.
  while (!rest.empty()) {
    auto end = std::find_if_not(rest.begin(), rest.end(), is_data);
    size_t count = std::min(static_cast<size_t>(end - rest.begin()), DataChannel::kMostPackets);
    if (count > 0) {
      open_data(rest.first(count), now, inner);
    } else {
      client_.receive({remote_, {}, 0, rest.front().bytes}, now);
      carry_out(now);
      count = 1;
    }
    rest = rest.subspan(count);
  }
  if (!alive) fail("the server closed the connection");
}

void Member::open_data(std::span<const OuterPacket> packets, Now now, const Inner& inner) {
  std::array<std::span<uint8_t>, DataChannel::kMostPackets> sealed;
  std::array<OpenedPacket, DataChannel::kMostPackets> opened;
  for (size_t i = 0; i < packets.size(); ++i) sealed[i] = packets[i].bytes;
  keys_.open(std::span(sealed).first(packets.size()), opened, shared_.engine);
  for (size_t i = 0; i < packets.size(); ++i) {
    const OpenedPacket& packet = opened[i];
    if (packet.verdict == Opened::kForged || packet.verdict == Opened::kNoKey) ++shared_.outer.forged;
    if (packet.verdict == Opened::kReplayed) ++shared_.outer.replayed;
    if (packet.verdict != Opened::kFresh) continue;
    if (packet.first_of_key) {
      abi::Event event{};
      event.kind = abi::EventKind::kKeyFirstUse;
      event.key_id = packet.key_id;
      event.session = ref_;
      client_.on_event(event, now);
      carry_out(now);
    }
    bool tunnel_message = packet.inner.size() < wire::kSmallestInnerPacket;  // a keepalive
    if (!tunnel_message) inner({packet.inner, packets[i].received_ns});
  }
}

size_t Member::send_burst(size_t count, size_t size, Now now) {
  uint8_t* first = shared_.burst.data();
  size_t before = socket_->front();
  size_t outer = keys_.front() + size;
  keys_.seal(first + before, count, before + outer, size, shared_.engine);
  last_sent_ = now.mono;
  return socket_->send(first, count, outer);
}

void Member::send_small(std::span<const uint8_t> inner, Now now) {
  (void)send(1, inner.size(), now, [&](size_t, uint8_t* at) { std::memcpy(at, inner.data(), inner.size()); });
}

void Member::tick(Now now) {
  if (state_ == State::kFailed || state_ == State::kLeft) return;
  auto deadline = client_.next_deadline();
  if (deadline && *deadline <= now.mono) {
    client_.tick(now);
    carry_out(now);
  }
  auto interval = std::chrono::seconds(keys_.session().ping_interval);
  if (state_ == State::kConnected && interval.count() > 0 && now.mono - last_sent_ >= interval)
    send_small(wire::kPingMagic, now);
}

void Member::spread_keepalive(double share, Now now) {
  std::chrono::duration<double> past((1 - share) * keys_.session().ping_interval);
  last_sent_ = now.mono - std::chrono::duration_cast<MonoClock::duration>(past);
}

void Member::leave(Now now) {
  // The engine's command that takes the keys away is not carried out yet.
  bool said = client_.exit(now);
  if (!said && state_ == State::kConnected) {
    std::array<uint8_t, wire::kOccMagic.size() + 1> goodbye;
    std::copy(wire::kOccMagic.begin(), wire::kOccMagic.end(), goodbye.begin());
    goodbye.back() = wire::kOccExit;
    send_small(goodbye, now);
  }
  state_ = State::kLeft;
  carry_out(now);
}

void Member::carry_out(Now now) {
  for (Output& output : client_.take_outputs()) {
    if (auto* packet = std::get_if<SendPacket>(&output)) {
      std::copy(packet->bytes.begin(), packet->bytes.end(),
                shared_.burst.begin() + static_cast<long>(socket_->front()));
      (void)socket_->send(shared_.burst.data(), 1, packet->bytes.size());
    } else if (auto* command = std::get_if<SendCommand>(&output)) {
      if (!keys_.carry_out(command->command, shared_.engine))
        fail("the server wants a data channel that the swarm does not speak: AEAD without compression is needed");
    } else if (auto* end = std::get_if<SessionEnded>(&output)) {
      if (state_ != State::kLeft) fail(end->text);
    } else if (std::holds_alternative<SessionConnected>(output) && state_ == State::kConnecting) {
      state_ = State::kConnected;
      connected_at_ = last_sent_ = now.mono;
    }
  }
}

void Member::fail(const std::string& why) {
  if (state_ == State::kFailed || state_ == State::kLeft) return;
  state_ = State::kFailed;
  error_ = why;
}

}  // namespace culvert::swarm
