#include "perf/tunnel/control.h"

#include <algorithm>

#include "dataplane/crypto/wipe.h"

namespace culvert::perf {

using abi::RingStatus;

namespace {
constexpr abi::SessionRef kSession{0, 1};
}

ClientControl::ClientControl(abi::WorkerArea& area, openvpn::ClientSettings settings,
                             std::vector<abi::InnerPrefix> routes)
    : client_(std::move(settings), kSession, random_),
      routes_(std::move(routes)),
      commands_(area.commands),
      packets_(area.control_out),
      events_(area.events),
      punt_known_(area.punt_known),
      punt_new_(area.punt_new) {}

void ClientControl::start() {
  client_.start(io::now());
  carry_out();
}

void ClientControl::leave() {
  client_.exit(io::now());
  carry_out();
}

/// A ring that is full loses the command: the worker is the same thread, and takes more per pass than a session makes.
void ClientControl::push(abi::Command& command) {
  if (command.kind == abi::CommandKind::kInstallSession) {
    // Our own address is the TUN's: packets to it do not belong into the session.
    command.body.install_session.ip4 = {};
    command.body.install_session.ip6 = {};
  }
  bool session = command.kind == abi::CommandKind::kInstallSession;
  if (commands_.push(command) != RingStatus::kOk) ended_ = "the command ring is full";
  aead::wipe(command);
  if (!session) return;
  for (const abi::InnerPrefix& prefix : routes_) {
    abi::Command route{};
    route.kind = abi::CommandKind::kAddRoute;
    route.session = kSession;
    route.body.route = prefix;
    push(route);
  }
}

void ClientControl::carry_out() {
  for (openvpn::Output& output : client_.take_outputs()) {
    if (auto* packet = std::get_if<openvpn::SendPacket>(&output)) {
      if (packet->bytes.size() > abi::kMaxControlPacket) continue;
      abi::PacketMessage message{};
      message.after_command = commands_.published();
      message.remote = packet->remote;
      message.local = packet->local;
      message.port = packet->port;
      message.length = static_cast<uint16_t>(packet->bytes.size());
      std::ranges::copy(packet->bytes, message.data.begin());
      (void)packets_.push(message);  // what finds no room is sent again by the engine
    } else if (auto* command = std::get_if<openvpn::SendCommand>(&output)) {
      push(command->command);
    } else if (auto* end = std::get_if<openvpn::SessionEnded>(&output)) {
      ended_ = end->text.empty() ? "the session ended" : end->text;
    }
  }
}

bool ClientControl::take_packets(abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity>& ring) {
  abi::PacketMessage message;
  bool any = false;
  for (; ring.pop(message) == RingStatus::kOk; any = true) {
    client_.receive({message.remote, message.local, message.port, message.bytes()}, io::now());
    carry_out();
  }
  return any;
}

bool ClientControl::pass() {
  bool any = take_packets(punt_known_) | take_packets(punt_new_);
  abi::Event event;
  for (; events_.pop(event) == RingStatus::kOk; any = true) {
    client_.on_event(event, io::now());
    carry_out();
  }
  auto deadline = client_.next_deadline();
  if (!deadline || *deadline > io::mono_now()) return any;
  client_.tick(io::now());
  carry_out();
  return true;
}

}  // namespace culvert::perf
