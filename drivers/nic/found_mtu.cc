#include "drivers/nic/found_mtu.h"

#include <linux/if_link.h>
#include <netlink/attr.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "drivers/nic/link_message.h"

namespace culvert::drivers {
namespace {

/// Such names are unique in a namespace, hence the interface's index.
std::string prefix_of(int interface) {
  return "culvert-mtu-" + std::to_string(interface) + "-";
}

int read_names(nl_msg* message, void* names) {
  std::array<nlattr*, IFLA_MAX + 1> link{};
  if (nlmsg_parse(nlmsg_hdr(message), sizeof(ifinfomsg), link.data(), IFLA_MAX, nullptr) < 0 || !link[IFLA_PROP_LIST])
    return NL_OK;
  auto& list = *static_cast<std::vector<std::string>*>(names);
  int left = nla_len(link[IFLA_PROP_LIST]);
  for (auto* one = static_cast<nlattr*>(nla_data(link[IFLA_PROP_LIST])); nla_ok(one, left); one = nla_next(one, &left))
    if (nla_type(one) == IFLA_ALT_IFNAME) list.emplace_back(nla_get_string(one));
  return NL_OK;
}

/// The interface's alternative names that are notes of ours.
std::vector<std::string> notes_at(int interface) {
  std::vector<std::string> names;
  LinkSocket socket = connected_link_socket();
  LinkMessage message = link_message(interface, RTM_GETLINK, 0);
  if (!socket || !message) return names;
  nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, read_names, &names);
  if (nl_send_auto(socket.get(), message.get()) >= 0) nl_recvmsgs_default(socket.get());
  std::erase_if(names, [&](const std::string& name) { return !name.starts_with(prefix_of(interface)); });
  return names;
}

void change_name(int interface, int type, const std::string& name) {
  LinkSocket socket = connected_link_socket();
  LinkMessage message = link_message(interface, type, NLM_F_ACK);
  if (!socket || !message) return;
  nlattr* list = nla_nest_start(message.get(), IFLA_PROP_LIST);
  nla_put_string(message.get(), IFLA_ALT_IFNAME, name.c_str());
  nla_nest_end(message.get(), list);
  if (nl_send_auto(socket.get(), message.get()) >= 0) nl_wait_for_ack(socket.get());
}

}  // namespace

void note_found_mtu(int interface, const FoundMtu& mtu) {
  forget_noted_mtu(interface);
  change_name(interface, RTM_NEWLINKPROP,
              prefix_of(interface) + std::to_string(mtu.found) + "-" + std::to_string(mtu.set));
}

std::optional<FoundMtu> noted_mtu(int interface) {
  for (const std::string& name : notes_at(interface)) {
    FoundMtu mtu{};
    if (std::sscanf(name.c_str() + prefix_of(interface).size(), "%d-%d", &mtu.found, &mtu.set) == 2) return mtu;
  }
  return std::nullopt;
}

void forget_noted_mtu(int interface) {
  for (const std::string& name : notes_at(interface)) change_name(interface, RTM_DELLINKPROP, name);
}

}  // namespace culvert::drivers
