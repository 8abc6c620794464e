#include "dataplane/kept_names.h"

#include <algorithm>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::dataplane {
namespace {

/// A name for each worker; what it may not have in it is replaced.
std::vector<std::string> for_workers(std::string what, size_t workers) {
  std::ranges::replace(what, ':', '.');
  std::vector<std::string> names;
  for (size_t worker = 0; worker < workers; ++worker)
    names.push_back(what + ", " + std::to_string(worker + 1) + " of " + std::to_string(workers));
  return names;
}

const drivers::SocketSettings* socket_of(const OuterSettings& settings) {
  if (const auto* tcp = std::get_if<drivers::TcpSettings>(&settings)) return tcp;
  return std::get_if<drivers::UdpSettings>(&settings);
}

}  // namespace

std::string kept_beginning(const OuterSettings& settings) {
  return (std::holds_alternative<drivers::TcpSettings>(settings) ? "tcp " : "udp ") +
         std::to_string(local_port(settings)) + " ";
}

std::vector<std::string> kept_names(const OuterSettings& settings, size_t workers) {
  const drivers::SocketSettings* socket = socket_of(settings);
  if (socket == nullptr) return {};
  std::string what = kept_beginning(settings) + "at " + abi::to_text(socket->local.address);
  if (socket->ipv6_only) what += " v6only";
  if (!socket->device.empty()) what += " dev " + socket->device;
  if (socket->mark != 0) what += " mark " + std::to_string(socket->mark);
  what += " buffers " + std::to_string(socket->receive_buffer) + " " + std::to_string(socket->send_buffer);
  return for_workers(what, workers);
}

std::vector<std::string> kept_tun_names(const std::string& requested, size_t workers) {
  return for_workers(kKeptTun + requested, workers);
}

}  // namespace culvert::dataplane
