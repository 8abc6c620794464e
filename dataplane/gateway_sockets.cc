// The sockets of the gateway's outer ports: those that the dataplane before had open, or new ones.
#include <utility>

#include "dataplane/gateway.h"
#include "dataplane/kept_names.h"
#include "drivers/kernel_tcp.h"
#include "drivers/kernel_udp.h"
#include "drivers/nic/nic_udp.h"

namespace culvert::dataplane {

using drivers::FileDescriptor;

std::shared_ptr<drivers::Port> Gateway::with_nics(const drivers::UdpSettings& settings,
                                                  std::shared_ptr<drivers::Port> port, uint16_t worker) {
  if (!options_.nics || !takes_from_nics(settings)) return port;
  return std::make_shared<drivers::NicUdpPort>(std::move(port), options_.nics->table(), options_.nics->senders(worker));
}

Result<std::shared_ptr<drivers::Port>> Gateway::make_port(uint16_t index, const OuterSettings& settings,
                                                          uint16_t worker, const std::string& name,
                                                          FileDescriptor kept) {
  const bool is_new = !kept;
  std::shared_ptr<drivers::Port> port;
  std::vector<std::string> warnings;
  if (const auto* tcp = std::get_if<drivers::TcpSettings>(&settings)) {
    auto socket = is_new ? drivers::open_tcp_socket(*tcp) : drivers::adopt_tcp_socket(*tcp, std::move(kept));
    if (!socket) return Error{socket.error()};
    warnings = std::move(socket->warnings);
    if (is_new && !name.empty()) store_.keep(name, socket->fd.get());
    auto made = drivers::KernelTcpPort::make(std::move(*socket), *tcp, index, options_.packets[worker]);
    if (!made) return Error{made.error()};
    if (!is_new) (*made)->adopt(take_left_streams(name));
    port = *made;
  } else {
    const auto& udp = std::get<drivers::UdpSettings>(settings);
    auto socket = is_new ? drivers::open_udp_socket(udp) : drivers::adopt_udp_socket(udp, std::move(kept));
    if (!socket) return Error{socket.error()};
    warnings = std::move(socket->warnings);
    if (is_new && !name.empty()) store_.keep(name, socket->fd.get());
    port = with_nics(udp, std::make_shared<drivers::KernelUdpPort>(std::move(*socket), index, options_.packets[worker]),
                     worker);
  }
  if (worker == 0)
    for (const std::string& warning : warnings) log("warning: " + warning);
  return port;
}

Result<Gateway::OuterPorts> Gateway::adopt_ports(uint16_t index, const OuterSettings& settings,
                                                 std::vector<FileDescriptor> kept) {
  const std::vector<std::string> names = kept_names(settings, workers_.size());
  OuterPorts ports;
  for (uint16_t worker = 0; worker < workers_.size(); ++worker) {
    auto port = make_port(index, settings, worker, names[worker], std::move(kept[worker]));
    if (!port) return Error{port.error()};
    ports.push_back(std::move(*port));
  }
  return ports;
}

Result<Gateway::OuterPorts> Gateway::open_ports(uint16_t index, const OuterSettings& settings) {
  // Sockets that share a port don't notice another program that would share it as well: first as one that doesn't.
  if (workers_.size() > 1) {
    OuterSettings alone = settings;
    std::visit(
        [](auto& each) {
          if constexpr (requires { each.is_shared; }) each.is_shared = false;
        },
        alone);
    if (auto probe = make_port(index, alone, 1, {}); !probe) return Error{probe.error()};
  }
  const std::vector<std::string> names = kept_names(settings, workers_.size());
  OuterPorts ports;
  for (uint16_t worker = 0; worker < workers_.size(); ++worker) {
    auto port = make_port(index, settings, worker, names[worker]);
    if (!port) {
      store_.forget(names);
      return Error{port.error()};
    }
    ports.push_back(std::move(*port));
  }
  return ports;
}

Result<Gateway::OuterPorts> Gateway::make_ports(uint16_t index, const OuterSettings& settings) {
  const std::vector<std::string> names = kept_names(settings, workers_.size());
  if (auto kept = store_.take(names); !kept.empty()) {
    auto adopted = adopt_ports(index, settings, std::move(kept));
    if (adopted) {
      size_t connections = 0;
      for (const auto& port : *adopted) connections += port->stream_count();
      log("port " + std::to_string(index) + ": its sockets are those of the dataplane before" +
          (connections > 0 ? ", with " + std::to_string(connections) + " connection(s)" : ""));
      return adopted;
    }
    log("opening " + adopted.error());
    store_.forget(names);
  }
  store_.forget_untaken(kept_beginning(settings));  // of other options: it would be in the way
  return open_ports(index, settings);
}

std::vector<drivers::LeftStream> Gateway::take_left_streams(const std::string& name) {
  std::vector<drivers::LeftStream> taken;
  std::erase_if(left_streams_, [&](CarriedStream& left) {
    if (left.port == name) taken.push_back(std::move(left.stream));
    return left.port == name;
  });
  return taken;
}

void Gateway::leave_streams() {
  if (!store_.has_keeper()) return;
  std::vector<CarriedStream> all;
  for (uint16_t index = 0; index < abi::kMaxPorts; ++index) {
    const std::vector<std::string> names = kept_names(outer_[index], workers_.size());
    for (size_t worker = 0; worker < names.size(); ++worker)
      for (drivers::LeftStream& left : tables_[worker]->outer[index]->leave_streams())
        all.push_back({names[worker], std::move(left)});
  }
  if (all.empty()) return;
  const std::string count = std::to_string(all.size()) + " TCP connection(s)";
  const FileDescriptor carrier = pack_streams(std::move(all));
  if (!carrier) return log(count + " end, and can't be left to the next dataplane: no memory or no descriptor");
  log("leaving " + count + " to the next dataplane");
  store_.keep(kKeptStreams, carrier.get());
  store_.wait_for_keeper();
}

}  // namespace culvert::dataplane
