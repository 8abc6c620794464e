#include "dataplane/packet_pools.h"

#include <rte_memory.h>

#include <charconv>
#include <filesystem>
#include <map>
#include <string>

#include "dataplane/abi/layout.h"
#include "dataplane/eal.h"

namespace culvert::dataplane {
namespace {

/// The N of the first "nodeN" in a folder; nothing: there is none.
int node_in(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::string name = entry.path().filename();
    int node = SOCKET_ID_ANY;
    if (name.starts_with("node") &&
        std::from_chars(name.data() + 4, name.data() + name.size(), node).ptr == name.data() + name.size())
      return node;
  }
  return SOCKET_ID_ANY;
}

}  // namespace

int numa_node_of(uint32_t core) {
  std::error_code error;
  bool one_node = !std::filesystem::exists("/sys/devices/system/node/node1", error);
  if (core == abi::kAnyCore || one_node) return SOCKET_ID_ANY;
  return node_in("/sys/devices/system/cpu/cpu" + std::to_string(core));
}

Result<PacketPools> PacketPools::make(const std::vector<int>& nodes, uint32_t count, uint16_t largest) {
  PacketPools made;
  std::map<int, rte_mempool*> by_node;
  for (int node : nodes) {
    auto [at, is_new] = by_node.try_emplace(node, nullptr);
    if (is_new) {
      std::string name = "packets" + (node == SOCKET_ID_ANY ? "" : std::to_string(node));
      auto pool = make_packet_pool(name, count, largest, node);
      if (!pool) return Error{pool.error() + (node == SOCKET_ID_ANY ? "" : " on NUMA node " + std::to_string(node))};
      at->second = *pool;
    }
    made.by_worker_.push_back(at->second);
  }
  return made;
}

}  // namespace culvert::dataplane
