#include "control/management/status_text.h"

#include <time.h>

#include <array>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::management {
namespace {

using Row = std::vector<std::string>;

std::string seconds_text(std::chrono::sys_seconds time) {
  return std::to_string(time.time_since_epoch().count());
}

std::string join(const Row& row, char separator) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    if (i > 0) line += separator;
    line += row[i];
  }
  return line;
}

std::string name_of(const std::string& name) {
  return name.empty() ? "UNDEF" : one_field(name);
}

std::string address_of(const Client& client, abi::Family family) {
  for (const abi::IpAddress& address : client.addresses)
    if (address.family == family) return abi::to_text(address);
  return "";
}

/// What leads to the client: its addresses, then the networks behind it.
std::vector<std::string> routes_of(const Client& client) {
  std::vector<std::string> routes;
  for (const abi::IpAddress& address : client.addresses) routes.push_back(abi::to_text(address));
  for (const abi::InnerPrefix& network : client.networks)
    routes.push_back(abi::to_text(network.address) + "/" + std::to_string(network.length));
  return routes;
}

Row client_row(const Client& client) {
  return {"CLIENT_LIST",
          name_of(client.common_name),
          real_address(client.remote),
          address_of(client, abi::Family::kIpv4),
          address_of(client, abi::Family::kIpv6),
          std::to_string(client.bytes_in),
          std::to_string(client.bytes_out),
          local_time_text(client.connected_since),
          seconds_text(client.connected_since),
          name_of(client.username),
          std::to_string(client.cid),
          std::to_string(client.peer_id),
          client.cipher};
}

std::vector<std::string> version1(const std::vector<Client>& clients, std::chrono::sys_seconds now) {
  std::vector<std::string> lines = {"OpenVPN CLIENT LIST", "Updated," + local_time_text(now),
                                    "Common Name,Real Address,Bytes Received,Bytes Sent,Connected Since"};
  for (const Client& client : clients)
    lines.push_back(join({name_of(client.common_name), real_address(client.remote), std::to_string(client.bytes_in),
                          std::to_string(client.bytes_out), local_time_text(client.connected_since)},
                         ','));
  lines.emplace_back("ROUTING TABLE");
  lines.emplace_back("Virtual Address,Common Name,Real Address,Last Ref");
  for (const Client& client : clients)
    for (const std::string& route : routes_of(client))
      lines.push_back(join(
          {route, name_of(client.common_name), real_address(client.remote), local_time_text(client.last_seen)}, ','));
  lines.emplace_back("GLOBAL STATS");
  lines.emplace_back("Max bcast/mcast queue length,0");
  lines.emplace_back("END");
  return lines;
}

}  // namespace

std::vector<std::string> status_lines(const std::string& title, const std::vector<Client>& clients, int version,
                                      std::chrono::sys_seconds now) {
  if (version == 1) return version1(clients, now);
  if (version != 2 && version != 3) return {"ERROR: bad status format version number"};
  char separator = version == 3 ? '\t' : ',';
  std::vector<std::string> lines;
  auto add = [&lines, separator](const Row& row) { lines.push_back(join(row, separator)); };
  add({"TITLE", title});
  add({"TIME", local_time_text(now), seconds_text(now)});
  add({"HEADER", "CLIENT_LIST", "Common Name", "Real Address", "Virtual Address", "Virtual IPv6 Address",
       "Bytes Received", "Bytes Sent", "Connected Since", "Connected Since (time_t)", "Username", "Client ID",
       "Peer ID", "Data Channel Cipher"});
  for (const Client& client : clients) add(client_row(client));
  add({"HEADER", "ROUTING_TABLE", "Virtual Address", "Common Name", "Real Address", "Last Ref", "Last Ref (time_t)"});
  for (const Client& client : clients)
    for (const std::string& route : routes_of(client))
      add({"ROUTING_TABLE", route, name_of(client.common_name), real_address(client.remote),
           local_time_text(client.last_seen), seconds_text(client.last_seen)});
  add({"GLOBAL_STATS", "Max bcast/mcast queue length", "0"});
  add({"GLOBAL_STATS", "dco_enabled", "0"});
  lines.emplace_back("END");
  return lines;
}

std::string local_time_text(std::chrono::sys_seconds time) {
  time_t seconds = time.time_since_epoch().count();
  tm parts{};
  if (!localtime_r(&seconds, &parts)) return "?";
  std::array<char, 32> text{};
  strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return text.data();
}

std::string real_address(const abi::Endpoint& remote) {
  std::string address = abi::to_text(remote.address);
  return remote.address.family == abi::Family::kIpv4 ? address + ":" + std::to_string(remote.port) : address;
}

std::string one_field(std::string_view text) {
  std::string field(text);
  for (char& c : field)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '_';
  return field;
}

}  // namespace culvert::management
