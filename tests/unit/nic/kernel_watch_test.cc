// What the kernel says, while it is asked for everything: changes in between must not be lost.
#include "drivers/nic/kernel_watch.h"

#include <gtest/gtest.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <functional>
#include <vector>

#include "dataplane/abi/endpoint_text.h"
#include "tests/unit/nic/cable.h"
#include "tests/unit/support/network_namespace.h"

namespace culvert::drivers {
namespace {

IpPrefix host(const std::string& address) {
  return {*abi::parse_ip(address), 32};
}

/// What the mirror has written; `on_route` is called with each prefix that it writes, in the middle of whatever it
/// does.
class Sink final : public RouteSink {
 public:
  bool set_route(const IpPrefix& prefix, uint16_t hop) override {
    routes[prefix] = hop;
    if (on_route) on_route(prefix);
    return true;
  }
  void remove_route(const IpPrefix& prefix) override { routes.erase(prefix); }
  void set_next_hop(uint16_t hop, NextHop to) override { hops[hop] = to; }
  void set_complete(bool) override {}
  bool take_used(uint16_t) override { return false; }

  /// The MAC address's last byte of the neighbour that an address, or a network, leads to; 0: none.
  int neighbour_of(const std::string& address, uint8_t length = 32) const {
    auto found = routes.find({*abi::parse_ip(address), length});
    if (found == routes.end() || found->second < kFirstNeighbourHop) return 0;
    return hops.at(found->second).neighbour()[5];
  }

  std::map<IpPrefix, uint16_t> routes;
  std::map<uint16_t, NextHop> hops;
  std::function<void(const IpPrefix&)> on_route;
};

/// The operator: `ip` by netlink.
class Operator {
 public:
  Operator() { EXPECT_EQ(nl_connect(socket_.get(), NETLINK_ROUTE), 0); }

  void add_address(const std::string& address) {
    EXPECT_EQ(rtnl_addr_add(socket_.get(), address_of(address).get(), 0), 0) << address;
  }
  void delete_address(const std::string& address) {
    EXPECT_EQ(rtnl_addr_delete(socket_.get(), address_of(address).get(), 0), 0) << address;
  }
  /// A neighbour whose MAC address ends like its address, for good.
  void add_neighbour(const std::string& address) {
    rtnl_neigh* request = rtnl_neigh_alloc();
    nl_addr* to = parse(address);
    nl_addr* mac = parse("02:00:00:00:00:0" + address.substr(address.size() - 1));
    rtnl_neigh_set_ifindex(request, near_);
    rtnl_neigh_set_dst(request, to);
    rtnl_neigh_set_lladdr(request, mac);
    rtnl_neigh_set_state(request, NUD_PERMANENT);
    EXPECT_EQ(rtnl_neigh_add(socket_.get(), request, NLM_F_CREATE), 0) << address;
    nl_addr_put(mac);
    nl_addr_put(to);
    rtnl_neigh_put(request);
  }
  /// ip route replace, over each of the gateways. `mtu`: the route's own; 0: none.
  void route(const std::string& address, const std::vector<std::string>& gateways, unsigned mtu = 0) {
    Route request = route_to(address, gateways);
    if (mtu != 0) rtnl_route_set_metric(request.get(), RTAX_MTU, mtu);
    EXPECT_EQ(rtnl_route_add(socket_.get(), request.get(), NLM_F_CREATE | NLM_F_REPLACE), 0) << address;
  }
  /// ip route replace ADDRESS via GATEWAY src SOURCE
  void route_from(const std::string& address, const std::string& gateway, const std::string& source) {
    Route request = route_to(address, {gateway});
    nl_addr* from = parse(source);
    rtnl_route_set_pref_src(request.get(), from);
    nl_addr_put(from);
    EXPECT_EQ(rtnl_route_add(socket_.get(), request.get(), NLM_F_CREATE | NLM_F_REPLACE), 0) << address;
  }
  /// ip route del, with the gateways if there are any
  void delete_route(const std::string& address, const std::vector<std::string>& gateways = {}) {
    Route request = route_to(address, gateways);
    EXPECT_EQ(rtnl_route_delete(socket_.get(), request.get(), 0), 0) << address;
  }
  /// ip link add NAME up type bridge. False: the kernel makes none.
  bool add_bridge(const std::string& name) {
    std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)> request(rtnl_link_alloc(), rtnl_link_put);
    rtnl_link_set_name(request.get(), name.c_str());
    rtnl_link_set_type(request.get(), "bridge");
    rtnl_link_set_flags(request.get(), IFF_UP);
    return rtnl_link_add(socket_.get(), request.get(), NLM_F_CREATE | NLM_F_EXCL) == 0;
  }
  void set_down() const {
    FileDescriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "near");
    EXPECT_EQ(ioctl(any.get(), SIOCSIFFLAGS, &request), 0);
  }
  int near() const { return near_; }

 private:
  using Address = std::unique_ptr<rtnl_addr, decltype(&rtnl_addr_put)>;
  Address address_of(const std::string& text) const {
    Address address(rtnl_addr_alloc(), rtnl_addr_put);
    nl_addr* local = parse(text);
    rtnl_addr_set_ifindex(address.get(), near_);
    rtnl_addr_set_local(address.get(), local);
    nl_addr_put(local);
    return address;
  }
  using Route = std::unique_ptr<rtnl_route, decltype(&rtnl_route_put)>;
  Route route_to(const std::string& address, const std::vector<std::string>& gateways) const {
    Route route(rtnl_route_alloc(), rtnl_route_put);
    nl_addr* to = parse(address);
    rtnl_route_set_dst(route.get(), to);
    rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
    nl_addr_put(to);
    for (const std::string& gateway : gateways) {
      rtnl_nexthop* hop = rtnl_route_nh_alloc();
      nl_addr* via = parse(gateway);
      rtnl_route_nh_set_ifindex(hop, near_);
      rtnl_route_nh_set_gateway(hop, via);
      nl_addr_put(via);
      rtnl_route_add_nexthop(route.get(), hop);
    }
    return route;
  }
  static nl_addr* parse(const std::string& text) {
    nl_addr* parsed = nullptr;
    EXPECT_EQ(nl_addr_parse(text.c_str(), AF_UNSPEC, &parsed), 0) << text;
    return parsed;
  }

  std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket_{nl_socket_alloc(), nl_socket_free};
  int near_ = static_cast<int>(if_nametoindex("near"));
};

class KernelWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network_.why_not().empty()) GTEST_SKIP() << network_.why_not();
    cable_.emplace();
    operator_.emplace();
    operator_->add_address("192.0.2.1/24");
    for (const char* address : {"192.0.2.2", "192.0.2.3"}) operator_->add_neighbour(address);
    operator_->route("198.51.100.1", {"192.0.2.2"});
    operator_->route("198.51.100.9", {"192.0.2.2"});
    mirror_.add_nic(operator_->near(), 0);
  }
  /// Starts the watch; `meanwhile` happens while the kernel's routes are read, behind 198.51.100.1.
  void start(const std::function<void()>& meanwhile) {
    bool came = false;
    sink_.on_route = [&](const IpPrefix& prefix) {
      if (prefix != host("198.51.100.9") || came) return;
      came = true;
      EXPECT_EQ(sink_.neighbour_of("198.51.100.1"), 2) << "the kernel has said it already";
      meanwhile();
    };
    auto made = KernelWatch::make(mirror_, [](const KernelWatch::Interface&) {});
    ASSERT_TRUE(made) << made.error();
    watch_ = std::move(*made);
    sink_.on_route = nullptr;
    EXPECT_TRUE(came);
    EXPECT_TRUE(watch_->serve());
  }

  testing::NetworkNamespace network_;
  std::optional<testing::Cable> cable_;
  std::optional<Operator> operator_;
  Sink sink_;
  RouteMirror mirror_{sink_};
  std::unique_ptr<KernelWatch> watch_;
};

TEST_F(KernelWatchTest, ReadsWhatThereIs) {
  start([] {});
  EXPECT_EQ(sink_.neighbour_of("198.51.100.1"), 2);
  operator_->route("198.51.100.1", {"192.0.2.3"});
  EXPECT_TRUE(watch_->serve());
  EXPECT_EQ(sink_.neighbour_of("198.51.100.1"), 3);
}

TEST_F(KernelWatchTest, ARouteThatIsReplacedWhileAllAreRead) {
  start([&] { operator_->route("198.51.100.1", {"192.0.2.3"}); });
  EXPECT_EQ(sink_.neighbour_of("198.51.100.1"), 3) << "not through the gateway of before";
}

TEST_F(KernelWatchTest, AnInterfaceThatGoesDownWhileAllAreRead) {
  start([&] { operator_->set_down(); });
  EXPECT_EQ(sink_.neighbour_of("198.51.100.1"), 0) << "the kernel has no such route any more";
  EXPECT_FALSE(sink_.routes.contains(host("198.51.100.1")));
}

// Of both, the kernel says nothing of the routes that go with them.
TEST_F(KernelWatchTest, RoutesThroughAnInterfaceThatGoesDown) {
  start([] {});
  operator_->set_down();
  EXPECT_TRUE(watch_->serve());
  EXPECT_FALSE(sink_.routes.contains(host("198.51.100.1")));
}

TEST_F(KernelWatchTest, RoutesWhoseSourceIsNoAddressAnyMore) {
  start([] {});
  operator_->add_address("192.0.2.77/32");
  operator_->route_from("198.51.100.1", "192.0.2.3", "192.0.2.77");
  EXPECT_TRUE(watch_->serve());
  EXPECT_EQ(sink_.neighbour_of("198.51.100.1"), 3);
  operator_->delete_address("192.0.2.77/32");
  EXPECT_TRUE(watch_->serve());
  EXPECT_FALSE(sink_.routes.contains(host("198.51.100.1")));
  EXPECT_EQ(sink_.neighbour_of("198.51.100.9"), 2);
}

// What is longer the kernel fragments, or refuses.
TEST_F(KernelWatchTest, ARouteWithAnMtuOfItsOwnIsTheKernels) {
  start([] {});
  operator_->route("198.51.100.1", {"192.0.2.2"}, 1300);
  EXPECT_TRUE(watch_->serve());
  EXPECT_EQ(sink_.neighbour_of("198.51.100.1"), 0);
  operator_->route("198.51.100.1", {"192.0.2.2"});
  EXPECT_TRUE(watch_->serve());
  EXPECT_EQ(sink_.neighbour_of("198.51.100.1"), 2);
}

// The kernel says that one way of several has gone, and nothing of those that stay (IPv6).
TEST_F(KernelWatchTest, OfSeveralGatewaysTheOthersStay) {
  start([] {});
  operator_->add_address("2001:db8::1/64");
  for (const char* gateway : {"2001:db8::2", "2001:db8::3"}) operator_->add_neighbour(gateway);
  auto gateway = [&]() {
    EXPECT_TRUE(watch_->serve());
    return sink_.neighbour_of("2001:db8:9::", 64);
  };
  operator_->route("2001:db8:9::/64", {"2001:db8::2", "2001:db8::3"});
  EXPECT_EQ(gateway(), 2);
  operator_->delete_route("2001:db8:9::/64", {"2001:db8::2"});
  EXPECT_EQ(gateway(), 3);
  operator_->route("2001:db8:9::/64", {"2001:db8::2", "2001:db8::3"});
  EXPECT_EQ(gateway(), 2);
  operator_->delete_route("2001:db8:9::/64", {"2001:db8::3"});
  EXPECT_EQ(gateway(), 2);
  operator_->delete_route("2001:db8:9::/64");
  EXPECT_EQ(gateway(), 0);
  EXPECT_FALSE(sink_.routes.contains({*abi::parse_ip("2001:db8:9::"), 64}));
}

// The kernel marks such an answer as one that may lack something (NLM_F_DUMP_INTR). Of those that the watch asks for,
// Linux 6.18 does so for interfaces only; one that comes up as it is made is no other reason to read again.
TEST_F(KernelWatchTest, AnAnswerInWhichSomethingChangedIsReadAgain) {
  // More than the kernel says in two messages of 32 KiB; it has the second one ready before it is asked for it.
  constexpr int kInterfaces = 60;
  for (int i = 0; i < kInterfaces; ++i)
    if (!operator_->add_bridge("bridge" + std::to_string(i))) GTEST_SKIP() << "this kernel has no bridges";
  int told = 0;
  auto made = KernelWatch::make(mirror_, [&](const KernelWatch::Interface& interface) {
    if (interface.name != "lo" || ++told != 1) return;
    EXPECT_TRUE(operator_->add_bridge("meanwhile"));
  });
  ASSERT_TRUE(made) << made.error();
  EXPECT_GE(told, 2);
  EXPECT_TRUE((*made)->serve());
}

}  // namespace
}  // namespace culvert::drivers
