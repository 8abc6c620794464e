#include "drivers/nic/xdp_program.h"

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <netlink/attr.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "drivers/file_descriptor.h"
#include "drivers/nic/link_message.h"

namespace culvert::drivers {
namespace {

int read_program_id(nl_msg* message, void* id) {
  std::array<nlattr*, IFLA_MAX + 1> link{};
  if (nlmsg_parse(nlmsg_hdr(message), sizeof(ifinfomsg), link.data(), IFLA_MAX, nullptr) < 0 || !link[IFLA_XDP])
    return NL_OK;
  std::array<nlattr*, IFLA_XDP_MAX + 1> xdp{};
  if (nla_parse_nested(xdp.data(), IFLA_XDP_MAX, link[IFLA_XDP], nullptr) == 0 && xdp[IFLA_XDP_PROG_ID])
    *static_cast<uint32_t*>(id) = nla_get_u32(xdp[IFLA_XDP_PROG_ID]);
  return NL_OK;
}

long bpf(int command, bpf_attr& attributes) {
  return syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

std::string name_of_program(uint32_t id) {
  bpf_attr by_id{};
  by_id.prog_id = id;
  FileDescriptor program(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, by_id)));
  if (!program) return "";
  bpf_prog_info info{};
  bpf_attr ask{};
  ask.info.bpf_fd = static_cast<uint32_t>(program.get());
  ask.info.info_len = sizeof info;
  ask.info.info = reinterpret_cast<uint64_t>(&info);
  return bpf(BPF_OBJ_GET_INFO_BY_FD, ask) == 0 ? std::string(info.name) : "";
}

}  // namespace

XdpProgram xdp_program_on(int interface) {
  XdpProgram found;
  LinkSocket socket = connected_link_socket();
  LinkMessage message = link_message(interface, RTM_GETLINK, 0);
  if (!socket || !message) return found;
  nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, read_program_id, &found.id);
  if (nl_send_auto(socket.get(), message.get()) >= 0) nl_recvmsgs_default(socket.get());
  if (found.id != 0) found.name = name_of_program(found.id);
  return found;
}

bool is_left_by_af_xdp(const XdpProgram& program) {
  return program.name.empty() || program.name == "xsk_def_prog" || program.name == "xdp_dispatcher";
}

void detach_xdp(int interface) {
  LinkSocket socket = connected_link_socket();
  LinkMessage message = link_message(interface, RTM_SETLINK, NLM_F_ACK);
  if (!socket || !message) return;
  nlattr* xdp = nla_nest_start(message.get(), IFLA_XDP);
  nla_put_s32(message.get(), IFLA_XDP_FD, -1);
  nla_nest_end(message.get(), xdp);
  if (nl_send_auto(socket.get(), message.get()) >= 0) nl_wait_for_ack(socket.get());
}

}  // namespace culvert::drivers
