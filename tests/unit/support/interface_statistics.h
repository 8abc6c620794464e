// What the kernel says of an interface, read another way than the product does.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace culvert::testing {

/// Packets to the interface `name` of the calling thread's network namespace that were dropped; 0: no such interface.
inline uint64_t tx_dropped(const std::string& name) {
  std::ifstream file("/proc/thread-self/net/dev");
  for (std::string line; std::getline(file, line);) {
    size_t colon = line.find(':');
    if (colon == std::string::npos || line.substr(0, colon).find_first_not_of(' ') == std::string::npos) continue;
    if (line.substr(line.find_first_not_of(' '), colon - line.find_first_not_of(' ')) != name) continue;
    std::istringstream numbers(line.substr(colon + 1));
    uint64_t value = 0;
    for (int column = 0; column < 12; ++column)
      numbers >> value;  // eight of reception, then bytes, packets, errs, drop
    return value;
  }
  return 0;
}

}  // namespace culvert::testing
