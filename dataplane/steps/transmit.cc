#include "dataplane/steps/transmit.h"

namespace culvert::steps {

Transmit::~Transmit() {
  for (Queue& queue : outer_) rte_pktmbuf_free_bulk(queue.packets.data(), static_cast<unsigned>(queue.count));
  rte_pktmbuf_free_bulk(inner_.packets.data(), static_cast<unsigned>(inner_.count));
}

void Transmit::set_outer(uint16_t index, drivers::Port* port) {
  if (index >= abi::kMaxPorts) return;
  set(outer_[index], port);
  std::erase(open_, index);
  if (port != nullptr) open_.push_back(index);
}

void Transmit::set_inner(drivers::Port* port) {
  set(inner_, port);
}

void Transmit::set(Queue& queue, drivers::Port* port) {
  send(queue);
  queue.port = port;
}

void Transmit::flush() {
  send(inner_);
  for (uint16_t index : open_) send(outer_[index]);
}

void Transmit::send(Queue& queue) {
  if (queue.count == 0) return;
  queue.port->tx_burst({queue.packets.data(), queue.count}, tally_);
  queue.count = 0;
}

}  // namespace culvert::steps
