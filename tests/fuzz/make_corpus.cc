// Writes the first corpus files of the targets whose inputs no editor can make: packets wrapped with keys.h, messages
// of the link, key files. Run it again (ninja -C build fuzz-corpus) when a format changes; files that libFuzzer found
// stay.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "control/openvpn/key_files.h"
#include "control/openvpn/key_method2.h"
#include "control/openvpn/wrap.h"
#include "dataplane/abi/layout.h"
#include "dataplane/carried_streams.h"
#include "tests/fuzz/keys.h"

using namespace culvert;
using namespace culvert::openvpn;

namespace {

using Bytes = std::vector<uint8_t>;

std::filesystem::path root;

void save(const std::string& target, const std::string& name, const Bytes& bytes) {
  std::filesystem::create_directories(root / target);
  std::ofstream file(root / target / name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) {
    std::cerr << "can't write " << root / target / name << "\n";
    std::exit(1);
  }
}

void save(const std::string& target, const std::string& name, const std::string& text) {
  save(target, name, Bytes(text.begin(), text.end()));
}

template <class T>
void append(Bytes& bytes, const T& value) {
  const auto* raw = reinterpret_cast<const uint8_t*>(&value);
  bytes.insert(bytes.end(), raw, raw + sizeof value);
}

/// Numbers, not randomness: the same corpus every time.
class Counting : public Random {
 public:
  void fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = next_++;
  }

 private:
  uint8_t next_ = 0;
};

void control_wrap() {
  const Bytes ack_and_reset = {0, 0, 0, 0, 0};  // no ACK, packet-id 0
  const WrapKind kinds[] = {WrapKind::kNone, WrapKind::kTlsAuth, WrapKind::kTlsCrypt};
  const char* names[] = {"none", "tls_auth", "tls_crypt"};
  for (uint8_t i = 0; i < 3; ++i) {
    WrapKey client = WrapKey::from_settings(fuzz::wrap_settings(kinds[i]), Side::kClient);
    for (auto opcode : {wire::Opcode::kHardResetClientV2, wire::Opcode::kControl, wire::Opcode::kAck}) {
      auto packet = client.seal({{opcode, 0}, {1, 2, 3, 4, 5, 6, 7, 8}}, {1'700'000'000, 1}, ack_and_reset);
      packet->insert(packet->begin(), i);
      save("control_wrap", std::string(names[i]) + "_" + std::to_string(static_cast<int>(opcode)), *packet);
    }
  }
  auto wrapped = wrap_client_key(fuzz::kServerKey, fuzz::kClientKey, timestamp_metadata(std::chrono::sys_seconds{}));
  WrapKey client = WrapKey::tls_crypt(fuzz::kClientKey, Side::kClient);
  auto packet = client.seal({{wire::Opcode::kHardResetClientV3, 0}, {8, 7, 6, 5, 4, 3, 2, 1}},
                            {1'700'000'000, kEarlyNegotiationId}, ack_and_reset);
  packet->insert(packet->begin(), 2);
  packet->insert(packet->end(), wrapped->begin(), wrapped->end());
  save("control_wrap", "tls_crypt_v2_10", *packet);
  save("control_wrap", "early_negotiation", request_wrapped_key_again());
}

void key_method2() {
  Counting random;
  for (Side writer : {Side::kClient, Side::kServer}) {
    KeyMethod2 message;
    message.source = KeySource::make(random, writer);
    message.options =
        "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,cipher AES-256-GCM,auth SHA1,key-method 2";
    message.has_credentials = writer == Side::kClient;
    message.username = "alice";
    message.password = "secret";
    message.peer_info =
        "IV_VER=2.6.14\nIV_PLAT=linux\nIV_PROTO=990\nIV_CIPHERS=AES-256-GCM:CHACHA20-POLY1305\nUV_X=1\n";
    auto bytes = write_key_method2(message, writer);
    bytes->insert(bytes->begin(), writer == Side::kServer ? 1 : 0);
    save("key_method2", writer == Side::kServer ? "server" : "client", *bytes);
  }
}

void key_files() {
  save("key_files", "static", write_static_key(fuzz::kStaticKey));
  save("key_files", "server_v2", *write_tls_crypt_v2_server_key(fuzz::kServerKey));
  Counting random;
  auto client = make_tls_crypt_v2_client_key(fuzz::kServerKey, random, std::chrono::sys_seconds{});
  save("key_files", "client_v2", *write_tls_crypt_v2_client_key(*client));
}

abi::Endpoint peer() {
  abi::Endpoint endpoint;
  endpoint.address = {{192, 0, 2, 1}, abi::Family::kIpv4};
  endpoint.port = 1194;
  return endpoint;
}

void link_events() {
  for (uint16_t kind = 0; kind <= 8; ++kind) {
    abi::Event event{};
    event.kind = static_cast<abi::EventKind>(kind);
    event.session = {5, 1};
    event.endpoint = peer();
    Bytes bytes = {0, 63, 0};
    append(bytes, event);
    save("link_events", "event_" + std::to_string(kind), bytes);
  }
  abi::PacketMessage message{};
  message.remote = peer();
  message.length = 14;
  Bytes bytes = {0, 63, 1};
  append(bytes, message);
  bytes.resize(200);
  save("link_events", "packet", bytes);
  abi::LinkHeader header{};
  header.magic = abi::kLinkMagic;
  header.abi_version = abi::kAbiVersion;
  header.header_size = sizeof header;
  header.workers = 1;
  header.sessions = 64;
  header.worker_area_size = sizeof(abi::WorkerArea);
  header.session_record_size = sizeof(abi::SessionRecord);
  header.seen_ids_size = sizeof(abi::SeenIds);
  header.network_list_size = sizeof(abi::NetworkList);
  header.total_size = abi::layout_for(1, 64).total_size;
  bytes = {0, 63, 2};
  append(bytes, header);
  save("link_events", "header", bytes);
}

/// An IPv4 or IPv6 packet of 10.8.0.`from` to 10.8.0.`to` (fd00::…): a TCP SYN with an MSS option.
Bytes inner_packet(bool v6, uint8_t from, uint8_t to) {
  const Bytes tcp = {0x12, 0x34, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 0x02, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 0xb4};
  Bytes packet;
  if (v6) {
    packet = {0x60, 0, 0, 0, 0, static_cast<uint8_t>(tcp.size()), 6, 64};
    for (uint8_t last : {from, to}) {
      packet.insert(packet.end(), {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
      packet.push_back(last);
    }
  } else {
    packet = {0x45, 0, 0, static_cast<uint8_t>(20 + tcp.size()), 0, 1, 0, 0, 64, 6, 0, 0, 10, 8, 0, from, 10, 8, 0, to};
  }
  packet.insert(packet.end(), tcp.begin(), tcp.end());
  return packet;
}

/// Steps of path_fuzz.cc.
void append_sized(Bytes& program, const Bytes& bytes) {
  program.push_back(static_cast<uint8_t>(bytes.size() >> 8));
  program.push_back(static_cast<uint8_t>(bytes.size()));
  program.insert(program.end(), bytes.begin(), bytes.end());
}
void append_steps(Bytes& program, std::initializer_list<uint8_t> steps) {
  program.insert(program.end(), steps);
}

constexpr uint8_t kCbcChoice = 1 << 2;  ///< kind_of in path_fuzz.cc
constexpr uint8_t kEpochChoice = 2 << 2;

/// What a CBC packet encrypts: packet-id, inner packet, padding.
Bytes padded(uint8_t id, const Bytes& inner) {
  Bytes text = {0, 0, 0, id};
  text.insert(text.end(), inner.begin(), inner.end());
  size_t padding = 16 - text.size() % 16;
  text.insert(text.end(), padding, static_cast<uint8_t>(padding));
  return text;
}

void path() {
  for (uint8_t cipher : {0, 2, 3, kCbcChoice + 0, kCbcChoice + 2, kEpochChoice + 1, kEpochChoice + 3}) {
    for (uint8_t v1 : {0, 1}) {
      auto key = static_cast<uint8_t>(cipher << 3 | v1 << 7);
      Bytes program;
      for (uint8_t peer : {0, 1}) {
        append_steps(program, {4, peer, 1, static_cast<uint8_t>(3 | v1 << 7)});  // session, client-to-client, may float
        append_steps(program, {5, peer, 1, key, 0, 1, 0, 0});                    // key 0
      }
      uint8_t id = 1;
      const Bytes ping(wire::kPingMagic.begin(), wire::kPingMagic.end());
      Bytes exit(wire::kOccMagic.begin(), wire::kOccMagic.end());
      exit.push_back(wire::kOccExit);
      for (const Bytes& text : {inner_packet(false, 2, 1), inner_packet(true, 2, 1), inner_packet(false, 2, 3),
                                inner_packet(true, 2, 3), inner_packet(false, 9, 1), ping, exit, Bytes{}}) {
        append_steps(program, {1, 0, key, 0, id});
        append_sized(program, (cipher & kCbcChoice) != 0 ? padded(id, text) : text);
        ++id;
      }
      for (bool v6 : {false, true}) {
        append_steps(program, {2});
        append_sized(program, inner_packet(v6, 1, 2));
      }
      append_steps(program, {0, 4});  // a hard reset from a stranger
      append_sized(program, {0x38, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0});
      append_steps(program, {6, 0, 0, 0, 4, 1, 2, 3, 4});  // a packet of control
      append_steps(program, {7, 11, 7, 61});               // keepalive, then timeout
      append_steps(program, {3, 4, 0, 1, 1, 0});           // remove key 0
      append_steps(program, {3, 5, 1, 1, 0});              // remove session 1
      save("path", "cipher" + std::to_string(cipher + 1) + (v1 != 0 ? "_v1" : "_v2"), program);
    }
  }
}

/// Steps of server_fuzz.cc: a handshake, then what each file is named after.
void server() {
  const Bytes handshake = {2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
  const std::pair<const char*, Bytes> after[] = {
      {"connect", {}},
      {"killed", {7, 0, 1, 0, 2, 2}},
      {"renegotiates", {7, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 6, 16, 2, 2, 2, 2, 2}},
      {"changed", {7, 0, 0, 2, 3, 1, 0, 9, 0xFF, 2, 3, 2, 0, 1, 1, 0, 20, 0x80, 2, 2, 5, 4, 2}},
      {"restarts", {1, 1, 4, 0, 0, 0, 1, 1, 7, 8, 0, 0, 2, 6, 4, 2}},
      {"timeout", {7, 0, 1, 5, 3, 6, 12, 2}},
      {"exit", {7, 0, 1, 7, 0, 2, 7, 0, 1, 9, 0, 2}},
      {"strangers",
       {0, 7, 0, 14, 0x38, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 1, 3, 7, 8, 0, 3, 1, 2, 3}},
  };
  const char* wraps[] = {"none", "tls_auth", "tls_crypt", "tls_crypt_v2"};
  for (uint8_t wrap = 0; wrap < 4; ++wrap) {
    for (const auto& [name, steps] : after) {
      Bytes program = {wrap};
      program.insert(program.end(), handshake.begin(), handshake.end());
      program.insert(program.end(), steps.begin(), steps.end());
      save("server", std::string(wraps[wrap]) + "_" + name, program);
    }
    save("server", std::string(wraps[wrap]) + "_early",
         Bytes{wrap, 3, 0, 0, 8, 1, 2, 2, 6, 7, 3, 1, 0, 30, 0x40, 0, 1, 2, 2, 5, 2, 4, 2, 2});
  }
}

}  // namespace

namespace {

void carried_streams() {
  std::vector<dataplane::CarriedStream> streams(3);
  for (size_t i = 0; i < streams.size(); ++i) {
    streams[i].port = "tcp 1194 at 0.0.0.0, " + std::to_string(i + 1) + " of 3";
    streams[i].stream.id = streams[i].stream.remote.stream = i << 16 | i;
    streams[i].stream.remote.transport = abi::Transport::kTcp;
    streams[i].stream.state = static_cast<drivers::StreamState>(i);
  }
  save("carried_streams", "nothing-waits", dataplane::to_bytes(streams));
  streams[1].stream.received = {0, 100, 0x38};
  streams[1].stream.control.bytes = {0, 2, 0x28, 1, 0, 1, 0x28};
  streams[1].stream.data = {{7, 7, 7, 0, 2, 0x48, 1}, 9, 3};
  streams[2].stream.control = {{5, 5, 0, 1, 0x28}, 4, 2};
  save("carried_streams", "begun-and-whole", dataplane::to_bytes(streams));
  streams[2].stream.control.begun_left = 5;
  save("carried_streams", "begun-beyond-its-length", dataplane::to_bytes(streams));
  save("carried_streams", "none", dataplane::to_bytes({}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_corpus CORPUS_FOLDER\n";
    return 2;
  }
  root = argv[1];
  control_wrap();
  key_method2();
  key_files();
  link_events();
  path();
  server();
  carried_streams();
  return 0;
}
