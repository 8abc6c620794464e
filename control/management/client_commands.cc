// Commands about clients: by name or address, and by client ID.
#include <algorithm>
#include <charconv>

#include "control/management/dialogue.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::management {
namespace {

template <class Number>
std::optional<Number> whole_number(const std::string& text) {
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// A client ID. A negative one is no error of its own in the reference; no client has it.
std::optional<uint64_t> client_id(const std::string& text) {
  if (text.starts_with('-') && whole_number<int64_t>(text)) return UINT64_MAX;
  return whole_number<uint64_t>(text);
}

}  // namespace

void Dialogue::kill(const std::string& victim) {
  if (victim.empty()) return say("ERROR: kill parse");
  size_t killed = daemon_.kill_name(victim);
  if (killed > 0)
    return say("SUCCESS: common name '" + victim + "' found, " + std::to_string(killed) + " client(s) killed");
  size_t colon = victim.rfind(':');
  if (colon == std::string::npos) return say("ERROR: common name '" + victim + "' not found");
  kill_address(victim, colon);
}

void Dialogue::kill_address(const std::string& victim, size_t colon) {
  std::string host = victim.substr(0, colon);
  std::string port_text = victim.substr(colon + 1);
  if (port_text.empty()) return say("ERROR: common name '" + host + "' not found");
  if (host.empty() || host.back() == ':') return say("ERROR: kill parse");
  // 2.6: IP:port; newer ones put the protocol before it.
  std::optional<bool> tcp;
  for (const char* protocol : {"udp", "tcp"}) {
    if (!host.starts_with(protocol)) continue;
    tcp = host.starts_with("tcp");
    host.erase(0, std::min(host.find(':'), host.size() - 1) + 1);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::optional<abi::IpAddress> address = abi::parse_ip(host);
  if (!address) return say("ERROR: error parsing IP address: " + host);
  uint16_t port = whole_number<uint16_t>(port_text).value_or(0);
  if (port == 0) return say("ERROR: port number is out of range: " + port_text);
  std::string where = abi::to_text(*address) + ":" + std::to_string(port);
  size_t killed = daemon_.kill_address(*address, port, tcp);
  if (killed == 0) return say("ERROR: client at address " + where + " not found");
  say("SUCCESS: " + std::to_string(killed) + " client(s) at address " + where + " killed");
}

std::optional<Dialogue::ClientKey> Dialogue::client_key(const Words& words) {
  auto cid = client_id(words[1]);
  auto kid = whole_number<uint32_t>(words[2]);
  if (!cid) {
    say("ERROR: cannot parse CID");
    return std::nullopt;
  }
  if (!kid) {
    say("ERROR: cannot parse KID");
    return std::nullopt;
  }
  return ClientKey{*cid, *kid};
}

void Dialogue::say_done(const char* command, bool done) {
  say((done ? "SUCCESS: " : "ERROR: ") + std::string(command) + (done ? " command succeeded" : " command failed"));
}

void Dialogue::client_kill(const Words& words) {
  auto cid = client_id(words[1]);
  if (!cid) return say("ERROR: cannot parse CID");
  // The reference says to the client whatever stands here: "RESTART,[N]" sends it to its next remote.
  const std::string message = words.size() > 2 ? words[2] : "";
  Kill how = message.starts_with("HALT") ? Kill::kHalt : Kill::kRestart;
  std::string_view text;
  for (std::string_view head : {"HALT,", "RESTART,"})
    if (message.starts_with(head)) text = std::string_view(message).substr(head.size());
  say_done("client-kill", daemon_.kill_client(*cid, how, text));
}

void Dialogue::client_auth(const Words& words, bool lines_follow) {
  auto key = client_key(words);
  if (!key) return;
  extra_ = Extra{*key, {}, 0};
  if (!lines_follow) finish_extra();
}

void Dialogue::take_extra(std::string_view line) {
  if (line == "END") return finish_extra();
  if (line.empty()) return;
  extra_->bytes += line.size();
  if (extra_->bytes <= kMostExtra) extra_->lines.emplace_back(line);
}

void Dialogue::finish_extra() {
  Extra extra = std::move(*extra_);
  extra_.reset();
  say_done("client-auth",
           extra.bytes <= kMostExtra && daemon_.allow_client(extra.key.cid, extra.key.kid, std::move(extra.lines)));
}

void Dialogue::client_deny(const Words& words) {
  auto key = client_key(words);
  if (key) say_done("client-deny", daemon_.deny_client(key->cid, key->kid, words[3], words.size() > 4 ? words[4] : ""));
}

void Dialogue::client_pending_auth(const Words& words) {
  auto key = client_key(words);
  if (!key) return;
  auto timeout = whole_number<uint32_t>(words[4]);
  if (!timeout) return say("ERROR: cannot parse TIMEOUT");
  if (daemon_.delay_client(key->cid, key->kid, words[3], std::chrono::seconds(*timeout)))
    return say("SUCCESS: client-pending-auth command succeeded");
  say("ERROR: client-pending-auth command failed. Extra parameter might be too long");
}

void Dialogue::push_update(std::optional<uint64_t> cid, const std::string& options) {
  Result<size_t> told = daemon_.push_update(cid, options);
  if (!told)
    say("ERROR: " + told.error());
  else if (*told > 0)
    say("SUCCESS: " + std::to_string(*told) + " client(s) updated");
  else
    say("ERROR: no client updated");
  say_done("push-update", told && *told > 0);
}

void Dialogue::push_update_cid(const Words& words) {
  auto cid = whole_number<uint64_t>(words[1]);
  if (!cid) return say("ERROR: push-update-cid fail during cid parsing");
  push_update(cid, words[2]);
}

}  // namespace culvert::management
