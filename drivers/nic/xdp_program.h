// The XDP program on an interface: seen, and taken off.
#pragma once

#include <cstdint>
#include <string>

namespace culvert::drivers {

struct XdpProgram {
  uint32_t id = 0;   ///< 0: there is none
  std::string name;  ///< as its maker called it; empty where the kernel does not tell us
};

/// What is attached to the interface with this index. Needs CAP_SYS_ADMIN (or CAP_BPF) for the name.
XdpProgram xdp_program_on(int interface);

/// Is it one that an AF_XDP port leaves when its process is killed: libxdp's default program, or its dispatcher? One
/// without a name is taken for such: a gateway that can't read names must start again after it was killed.
bool is_left_by_af_xdp(const XdpProgram& program);

/// Takes the program off the interface, if there is one. One netlink message: libxdp's own way needs more privileges
/// than are left at the end.
void detach_xdp(int interface);

}  // namespace culvert::drivers
