// The interface below a port: one port's, and not with an XDP program of somebody else.
#include "drivers/nic/parent_interface.h"

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "drivers/nic/found_mtu.h"
#include "drivers/nic/xdp_program.h"
#include "tests/unit/nic/cable.h"
#include "tests/unit/support/network_namespace.h"

namespace culvert::drivers {
namespace {

TEST(ParentInterfaceTest, OnePortAnInterface) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  auto first = ParentInterface::take({"lo", 65536, false});
  ASSERT_TRUE(first) << first.error();
  EXPECT_EQ(first->addresses().find("127.0.0.1"), 0u) << first->addresses();
  auto second = ParentInterface::take({"lo", 65536, false});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().find("another port has lo, of this or another culvert-dataplane"), 0u) << second.error();
  { auto gone = std::move(*first); }
  EXPECT_TRUE(ParentInterface::take({"lo", 65536, false}));
}

/// An XDP program that lets everything pass, attached to the interface. False: this kernel takes none from us.
bool attach_program(const char* name, int interface) {
  // r0 = XDP_PASS; exit
  std::array<bpf_insn, 2> code{};
  code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  code[0].imm = XDP_PASS;
  code[1].code = BPF_JMP | BPF_EXIT;
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_XDP;
  load.insns = reinterpret_cast<uint64_t>(code.data());
  load.insn_cnt = code.size();
  load.license = reinterpret_cast<uint64_t>("Apache-2.0");
  std::strcpy(load.prog_name, name);
  FileDescriptor program(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load)));
  if (!program) return false;
  std::unique_ptr<nl_sock, decltype(&nl_socket_free)> netlink(nl_socket_alloc(), nl_socket_free);
  std::unique_ptr<nl_msg, decltype(&nlmsg_free)> message(nlmsg_alloc_simple(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK),
                                                         nlmsg_free);
  ifinfomsg header{};
  header.ifi_index = interface;
  nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO);
  nlattr* xdp = nla_nest_start(message.get(), IFLA_XDP);
  nla_put_s32(message.get(), IFLA_XDP_FD, program.get());
  nla_nest_end(message.get(), xdp);
  return nl_connect(netlink.get(), NETLINK_ROUTE) == 0 && nl_send_auto(netlink.get(), message.get()) >= 0 &&
         nl_wait_for_ack(netlink.get()) == 0;
}

TEST(ParentInterfaceTest, AnXdpProgramOfSomebodyElseStays) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  testing::Cable cable;
  auto index = static_cast<int>(if_nametoindex("near"));
  EXPECT_EQ(xdp_program_on(index).id, 0u);
  if (!attach_program("guard", index)) GTEST_SKIP() << "no XDP programs here: " << std::strerror(errno);
  XdpProgram guard = xdp_program_on(index);
  ASSERT_NE(guard.id, 0u);
  EXPECT_EQ(guard.name, "guard");

  auto refused = ParentInterface::take({"near", 1500, false});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "interface near has an XDP program of somebody else (guard, id " +
                                 std::to_string(guard.id) +
                                 "), which would take the packets: ip link set dev near xdp off removes it; "
                                 "net_af_packet0,iface=near gets what it lets through");
  {
    auto af_packet = ParentInterface::take({"near", 1500, true});
    ASSERT_TRUE(af_packet) << af_packet.error();
    EXPECT_EQ(xdp_program_on(index).id, guard.id);
  }
  EXPECT_EQ(xdp_program_on(index).id, guard.id) << "at the end, too";
  detach_xdp(index);
  EXPECT_EQ(xdp_program_on(index).id, 0u);
}

TEST(ParentInterfaceTest, WhatAKilledPortLeftIsRemoved) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  testing::Cable cable;
  auto index = static_cast<int>(if_nametoindex("near"));
  for (bool is_af_packet : {false, true}) {
    if (!attach_program("xsk_def_prog", index)) GTEST_SKIP() << "no XDP programs here: " << std::strerror(errno);
    auto taken = ParentInterface::take({"near", 1500, is_af_packet});
    ASSERT_TRUE(taken) << taken.error();
    EXPECT_EQ(xdp_program_on(index).id, 0u);
  }
}

int mtu_of(const char* name, int change_to = 0) {
  FileDescriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, name);
  request.ifr_mtu = change_to;
  EXPECT_EQ(ioctl(any.get(), change_to != 0 ? SIOCSIFMTU : SIOCGIFMTU, &request), 0);
  return request.ifr_mtu;
}

TEST(ParentInterfaceTest, TheMtuIsGivenBackUnlessSomebodyHasChangedIt) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  testing::Cable cable;
  for (bool is_af_packet : {false, true}) {
    {
      auto taken = ParentInterface::take({"near", 1400, is_af_packet});
      ASSERT_TRUE(taken) << taken.error();
      EXPECT_EQ(mtu_of("near"), 1400);
      auto moved = std::move(*taken);
      EXPECT_EQ(mtu_of("near"), 1400);
      EXPECT_FALSE(ParentInterface::take({"near", 1450, is_af_packet})) << "it has another port";
      EXPECT_EQ(mtu_of("near"), 1400);
    }
    EXPECT_EQ(mtu_of("near"), 1500);
  }
  for (uint32_t wanted : {1400, 1500}) {
    {
      auto taken = ParentInterface::take({"near", wanted, false});
      ASSERT_TRUE(taken) << taken.error();
      mtu_of("near", 1300);
    }
    EXPECT_EQ(mtu_of("near"), 1300) << "somebody's own";
    mtu_of("near", 1500);
  }
  EXPECT_FALSE(ParentInterface::take({"near", 10'000'000, false})) << "more than it takes";
  EXPECT_EQ(mtu_of("near"), 1500);
}

/// A process that takes the interface and is killed.
void take_and_die(uint32_t mtu) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto taken = ParentInterface::take({"near", mtu, false});
    _exit(taken ? 0 : 1);  // without a destructor
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(mtu_of("near"), static_cast<int>(mtu));
}

TEST(ParentInterfaceTest, AfterAKillTheMtuOfBeforeIsKnown) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  testing::Cable cable;
  auto index = static_cast<int>(if_nametoindex("near"));
  for (uint32_t next : {1400, 1450, 1500}) {
    take_and_die(1400);
    ASSERT_TRUE(noted_mtu(index)) << "a kernel without alternative names of interfaces?";
    EXPECT_TRUE(ParentInterface::take({"near", next, false}));
    EXPECT_EQ(mtu_of("near"), 1500) << next;
    EXPECT_FALSE(noted_mtu(index)) << "it ended in order";
  }
  take_and_die(1400);
  take_and_die(1450);
  EXPECT_FALSE(ParentInterface::take({"near", 10'000'000, false}));
  EXPECT_EQ(mtu_of("near"), 1500) << "a start that fails leaves nothing either";
  take_and_die(1400);
  mtu_of("near", 1300);
  EXPECT_TRUE(ParentInterface::take({"near", 1400, false}));
  EXPECT_EQ(mtu_of("near"), 1300) << "somebody's own";
}

TEST(ParentInterfaceTest, AnotherNameIsNoReasonToLeaveTheMtu) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  testing::Cable cable;
  {
    auto taken = ParentInterface::take({"near", 1400, false});
    ASSERT_TRUE(taken) << taken.error();
    FileDescriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "near");
    ASSERT_EQ(ioctl(any.get(), SIOCSIFFLAGS, &request), 0) << "down: until Linux 6.1 only then";
    std::strcpy(request.ifr_newname, "wan");
    ASSERT_EQ(ioctl(any.get(), SIOCSIFNAME, &request), 0);
  }
  EXPECT_EQ(mtu_of("wan"), 1500);
}

}  // namespace
}  // namespace culvert::drivers
