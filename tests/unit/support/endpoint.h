// An outer address as a test writes it.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::testing {

inline abi::Endpoint endpoint(const std::string& address, uint16_t port,
                              abi::Transport transport = abi::Transport::kUdp) {
  abi::Endpoint endpoint;
  endpoint.address = *abi::parse_ip(address);
  endpoint.port = port;
  endpoint.transport = transport;
  return endpoint;
}

}  // namespace culvert::testing
