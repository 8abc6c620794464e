// The server engine between a real client engine, strangers, and a clock. The input is a little program: what happens
// to each packet of the client on its way (delivered, dropped, doubled, changed inside its wrap), what strangers send,
// how time passes, what the dataplane reports. Whatever comes, at the end of the day nothing is left.
#include <algorithm>
#include <deque>
#include <memory>
#include <set>
#include <vector>

#include "control/openvpn/control_packet.h"
#include "control/openvpn/wrap.h"
#include "dataplane/abi/packet_message.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/keys.h"
#include "tests/fuzz/tally.h"
#include "tests/sim/world.h"

using namespace culvert;
using namespace culvert::openvpn;

namespace {

using Bytes = std::vector<uint8_t>;

class Day {
 public:
  explicit Day(WrapKind kind) : kind_(kind) {
    ServerSettings server = sim::server_settings();
    server.wrap = fuzz::wrap_settings(kind);
    server.max_clients = 8;
    server_ = std::make_unique<Server>(std::move(server), peer_ids_, random_);
    ClientSettings client = sim::client_settings("fuzz");
    client.wrap = fuzz::wrap_settings(kind);
    if (kind == WrapKind::kTlsCryptV2) client.wrap.wrapped_client_key = wrapped_client_key();
    client_ = std::make_unique<Client>(std::move(client), abi::SessionRef{0, 1}, random_);
    client_->start(now_);
    collect();
  }
  ~Day() {
    fuzz::maybe_print(server_->tally());
    server_->stop(Goodbye::kRestart, now_);
    collect();
    for (int hour = 0; hour < 3; ++hour) advance(std::chrono::hours(1), false);
    fuzz::require(server_->session_count() == 0 && peer_ids_.taken() == 0 && !peer_ids_.misused());
  }
  Day(const Day&) = delete;

  void step(fuzz::Input& input) {
    switch (input.byte() % 8) {
      case 0:
        return stranger(input.byte(), input.take(input.u16() % 1500));
      case 1:
        return sealed_stranger(input);
      case 2:
        return deliver_all();
      case 3:
        return change_next(input);
      case 4:
        if (!to_server_.empty()) to_server_.pop_front();
        return;
      case 5:
        if (!to_server_.empty()) to_server_.push_back(to_server_.front());
        return;
      case 6:
        return advance(std::chrono::milliseconds(50 << (input.byte() % 20)), true);
      default:
        return management(input);
    }
  }

 private:
  static const Bytes& wrapped_client_key() {
    static const Bytes wrapped = *wrap_client_key(fuzz::kServerKey, fuzz::kClientKey, {});
    return wrapped;
  }
  WrapKey client_key() const {
    return kind_ == WrapKind::kTlsCryptV2 ? WrapKey::tls_crypt(fuzz::kClientKey, Side::kClient)
                                          : WrapKey::from_settings(fuzz::wrap_settings(kind_), Side::kClient);
  }
  WrapKey server_key() const {
    return kind_ == WrapKind::kTlsCryptV2 ? WrapKey::tls_crypt(fuzz::kClientKey, Side::kServer)
                                          : WrapKey::from_settings(fuzz::wrap_settings(kind_), Side::kServer);
  }
  static bool carries_key(wire::Opcode opcode) {
    return opcode == wire::Opcode::kHardResetClientV3 || opcode == wire::Opcode::kControlWkc;
  }

  void receive(uint32_t host, std::span<const uint8_t> bytes) {
    request_size_ = bytes.size();
    server_->receive({sim::endpoint(host, 40000), {}, 0, bytes}, now_);
    collect();
    request_size_ = 0;
  }
  /// From an address that has no session, and must cost nothing and gain little.
  void stranger(uint8_t host, std::span<const uint8_t> bytes) { receive(2u + host, bytes); }

  void sealed_stranger(fuzz::Input& input) {
    uint8_t host = input.byte() & 3;  // 1: in the client's name
    auto opcode = static_cast<wire::Opcode>(3 + input.byte() % 9);
    uint8_t choice = input.byte();
    AckList acks;
    Bytes payload = build_control(opcode, acks, server_session_, choice & 3, input.take(input.u16() % 600));
    if ((choice & 4) != 0) payload = {choice};  // nothing that fits
    ReplayId replay{static_cast<uint32_t>(now_.wall.time_since_epoch().count()), ++replay_};
    if ((choice & 8) != 0) replay.id += kEarlyNegotiationId;
    auto packet =
        client_key().seal({{opcode, static_cast<uint8_t>(choice >> 5)}, {1, 2, 3, 4, 5, 6, 7, host}}, replay, payload);
    if (!packet) return;
    if (kind_ == WrapKind::kTlsCryptV2 && carries_key(opcode))
      packet->insert(packet->end(), wrapped_client_key().begin(), wrapped_client_key().end());
    receive(host, *packet);
  }

  void deliver_all() {
    std::deque<Bytes> packets;
    packets.swap(to_server_);
    for (const Bytes& packet : packets) receive(1, packet);
  }

  /// The client's next packet with some bytes of its payload changed: the wrap is right, what is inside is not.
  void change_next(fuzz::Input& input) {
    if (to_server_.empty()) return;
    Bytes packet = std::move(to_server_.front());
    to_server_.pop_front();
    auto opcode = wire::read_opcode(packet);
    bool with_key = kind_ == WrapKind::kTlsCryptV2 && opcode && carries_key(opcode->opcode);
    std::span<const uint8_t> core(packet);
    if (with_key) core = core.first(core.size() - wrapped_client_key().size());
    OpenResult result = server_key().open(core);
    auto* opened = std::get_if<OpenedPacket>(&result);
    if (opened == nullptr) return;
    for (uint8_t changes = 1 + input.byte() % 4; changes > 0 && !opened->payload.empty(); --changes) {
      uint8_t& byte = opened->payload[input.u16() % opened->payload.size()];
      byte = static_cast<uint8_t>(byte ^ input.byte());
    }
    auto changed = client_key().seal(opened->header, opened->replay, opened->payload);
    if (with_key) changed->insert(changed->end(), wrapped_client_key().begin(), wrapped_client_key().end());
    receive(1, *changed);
  }

  void advance(std::chrono::nanoseconds time, bool with_client) {
    // From deadline to deadline, as the event loop does; a deadline in the past would never let time pass.
    MonoTime until = now_.mono + time;
    for (int ticks = 0; ticks < 2000; ++ticks) {
      auto deadline = server_->next_deadline();
      if (with_client && client_->next_deadline())
        deadline = std::min(deadline.value_or(until), *client_->next_deadline());
      if (!deadline || *deadline >= until) break;
      set_time(std::max(now_.mono, *deadline));
      server_->tick(now_);
      if (with_client) client_->tick(now_);
      collect();
    }
    set_time(until);
    server_->tick(now_);
    collect();
  }
  void set_time(MonoTime mono) {
    now_.wall += std::chrono::duration_cast<std::chrono::seconds>(mono - now_.mono);
    now_.mono = mono;
  }

  void management(fuzz::Input& input) {
    abi::SessionRef session{input.byte() % 8u, input.byte() % 4u};
    uint8_t choice = input.byte();
    if ((choice & 1) != 0) {
      abi::Event event{};
      event.kind = static_cast<abi::EventKind>(choice >> 1 & 7);
      event.session = session;
      event.key_id = input.byte() & 7;
      event.endpoint = sim::endpoint(1 + (choice & 3), 40001);
      server_->on_event(event, now_);
    } else if ((choice & 2) != 0) {
      client_->renegotiate(now_);
    } else {
      server_->disconnect(session, static_cast<Goodbye>(choice >> 2 & 3), EndReason::kKilled, "killed", now_);
    }
    collect();
  }

  void collect() {
    for (Outputs outputs = server_->take_outputs(); !outputs.empty(); outputs = server_->take_outputs())
      for (Output& output : outputs) carry_out(output);
    for (Output& output : client_->take_outputs())
      if (auto* packet = std::get_if<SendPacket>(&output)) to_server_.push_back(std::move(packet->bytes));
    while (to_server_.size() > 64) to_server_.pop_front();
  }

  void carry_out(const Output& output) {
    if (const auto* packet = std::get_if<SendPacket>(&output)) {
      fuzz::require(!packet->bytes.empty() && packet->bytes.size() <= abi::kMaxControlPacket);
      if (packet->remote == sim::endpoint(1, 40000)) {
        remember_session(packet->bytes);
        client_->receive({sim::endpoint(0, 1194), packet->remote, 0, packet->bytes}, now_);
      } else if (request_size_ != 0) {
        // No amplification. A bare reset has 14 bytes and its answer 12 more, of ACK and session ID, whoever the server
        // is.
        size_t limit = kind_ == WrapKind::kNone ? request_size_ + 12 : request_size_ * 13 / 10;
        fuzz::require(packet->bytes.size() <= limit);
      }
    } else if (const auto* request = std::get_if<ConnectRequest>(&output)) {
      ClientGrant grant;
      grant.ip4 = {10, 8, 0, static_cast<uint8_t>(2 + request->session.peer_id)};
      grant.ip4_gateway = {10, 8, 0, 1};
      accepted_.insert(request->session);
      server_->accept(request->session, grant, now_);
    } else if (const auto* command = std::get_if<SendCommand>(&output)) {
      // No key, address or route before the client was accepted.
      fuzz::require(accepted_.contains(command->command.session));
    }
  }
  void remember_session(const Bytes& packet) {
    OpenResult result = client_key().open(packet);
    if (const auto* opened = std::get_if<OpenedPacket>(&result)) server_session_ = opened->header.session_id;
  }

  WrapKind kind_;
  sim::SeededRandom random_{1};
  sim::SimplePeerIds peer_ids_{16};
  Now now_ = sim::Clock().now();
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
  std::deque<Bytes> to_server_;
  std::set<abi::SessionRef> accepted_;
  wire::SessionId server_session_{};
  size_t request_size_ = 0;
  uint32_t replay_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  Day day(static_cast<WrapKind>(input.byte() % 4));
  for (int steps = 0; steps < 200 && !input.empty(); ++steps) day.step(input);
  return 0;
}
