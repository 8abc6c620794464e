// culvert.toml → settings or findings.
#include "control/config/appliance.h"

#include <gtest/gtest.h>

namespace culvert::config {
namespace {

std::string findings(const std::string& text) {
  Report report;
  parse_appliance(text, "etc/culvert.toml", report);
  std::string all;
  for (const Diagnostic& diagnostic : report.all()) all += to_text(diagnostic) + "\n";
  return all;
}

TEST(Appliance, SmallestAndDefaults) {
  Report report;
  Appliance appliance = parse_appliance("[[openvpn]]\nconfig = \"server.conf\"\n", "etc/culvert.toml", report);
  EXPECT_TRUE(report.all().empty());
  ASSERT_EQ(appliance.openvpn.size(), 1u);
  EXPECT_EQ(appliance.openvpn[0].config, "etc/server.conf");
  EXPECT_EQ(appliance.openvpn[0].line, 1u);
  EXPECT_EQ(appliance.run_dir, "/run/culvert");
  EXPECT_TRUE(appliance.workers.empty());
  EXPECT_EQ(appliance.sessions, 4096u);
  EXPECT_EQ(appliance.huge, HugePages::kAuto);
  EXPECT_FALSE(appliance.tun_name);
  EXPECT_FALSE(appliance.log_level);
  EXPECT_EQ(appliance.client_limit, abi::SessionLimit{});
}

TEST(Appliance, EveryKey) {
  Report report;
  Appliance appliance = parse_appliance(
      "run_dir = \"/run/vpn\"\n[dataplane]\nworkers = [3]\nsessions = 100\nhuge = \"off\"\n"
      "[tun]\nname = \"vpn0\"\nmtu = 1400\ntxqueuelen = 500\n[control]\nuser = \"culvert\"\ngroup = \"vpn\"\n"
      "[clients]\nlimit_in = \"1.5G\"\nlimit_out = \"64k\"\n[log]\nlevel = \"debug\"\n[[openvpn]]\nconfig = "
      "\"/srv/server.conf\"\n",
      "etc/culvert.toml", report);
  EXPECT_TRUE(report.all().empty());
  EXPECT_EQ(appliance.run_dir, "/run/vpn");
  EXPECT_EQ(appliance.workers, (std::vector<uint32_t>{3}));
  EXPECT_EQ(appliance.sessions, 100u);
  EXPECT_EQ(appliance.huge, HugePages::kOff);
  EXPECT_EQ(appliance.tun_name, "vpn0");
  EXPECT_EQ(appliance.tun_mtu, 1400u);
  EXPECT_EQ(appliance.tun_tx_queue_length, 500u);
  EXPECT_EQ(appliance.user, "culvert");
  EXPECT_EQ(appliance.group, "vpn");
  EXPECT_EQ(appliance.client_limit, (abi::SessionLimit{1'500'000'000, 64'000}));
  EXPECT_EQ(appliance.log_level, openvpn::LogLevel::kDebug);
  EXPECT_EQ(appliance.openvpn[0].config, "/srv/server.conf");
}

TEST(Appliance, Findings) {
  const std::string base = "[[openvpn]]\nconfig = \"server.conf\"\n";
  struct Case {
    std::string text;
    const char* finding;
  };
  const Case cases[] = {
      {"run_dri = \"x\"\n", "1: error: run_dri: no such key: did you mean run_dir?"},
      {"blub = 1\n", "1: error: blub: no such key"},
      {"\n[dataplan]\nworkers = [1]\n", "2: error: [dataplan]: no such section: did you mean dataplane?"},
      {"[dataplane]\nworker = [1]\n", "2: error: [dataplane] worker: no such key: did you mean workers?"},
      {"[dataplane]\nworkers = 1\n", "2: error: [dataplane] workers: must be a list of core numbers such as [1]"},
      {"[dataplane]\nworkers = []\n",
       "2: error: [dataplane] workers: is empty; leave it out for one worker on any core"},
      {"[dataplane]\nworkers = [1, 1]\n",
       "2: error: [dataplane] workers: core 1 stands there twice: one worker on each"},
      {"[dataplane]\nworkers = [-1]\n", "2: error: [dataplane] workers: must be a number from 0 to 1023"},
      {"[dataplane]\nworkers = [\"1\"]\n", "2: error: [dataplane] workers: must be a number from 0 to 1023"},
      {"[dataplane]\nsessions = 0\n", "2: error: [dataplane] sessions: must be a number from 1 to 1048576"},
      {"[dataplane]\nsessions = 1.5\n", "2: error: [dataplane] sessions: must be a number from 1 to 1048576"},
      {"[dataplane]\nhuge = true\n", "2: error: [dataplane] huge: must be a text in double quotes"},
      {"[dataplane]\nhuge = \"on\"\n", "2: error: [dataplane] huge: must be \"auto\" or \"off\", not \"on\""},
      {"[tun]\nname = \"a/b\"\n",
       "2: error: [tun] name: \"a/b\" can't be the name of an interface (at most 15 characters)"},
      {"[tun]\nname = \"\"\n", "2: error: [tun] name: \"\" can't be the name of an interface (at most 15 characters)"},
      {"[tun]\nmtu = 9001\n", "2: error: [tun] mtu: must be a number from 576 to 9000"},
      {"[tun]\ntxqueuelen = 0\n", "2: error: [tun] txqueuelen: must be a number from 1 to 1000000"},
      {"\n[clients]\nlimit_in = \"20Q\"\n",
       "3: error: [clients] limit_in: \"20Q\" is no limit: give bits per second, such as 800K, 20M or 1.5G (1 to "
       "400G), or "
       "none"},
      {"[clients]\nlimit_out = \"0\"\n",
       "2: error: [clients] limit_out: \"0\" is no limit: give bits per second, such as 800K, 20M or 1.5G (1 to 400G), "
       "or "
       "none"},
      {"[clients]\nlimit_out = 20\n", "2: error: [clients] limit_out: must be a text in double quotes"},
      {"[clients]\nlimit_inn = \"20M\"\n", "2: error: [clients] limit_inn: no such key: did you mean limit_in?"},
      {"[log]\nlevel = \"loud\"\n",
       "2: error: [log] level: must be \"debug\", \"info\", \"warning\" or \"error\", not \"loud\""},
      {"log = \"debug\"\n", "1: error: log: is a section: write [log]"},
      {"run_dir = \"\"\n", "1: error: run_dir: must name a folder"},
      {"[port]\ndevice = \"net_ring0\"\n", "1: error: port: write it with two brackets: [[port]]"},
      {"[[port]]\nname = \"wan\"\n", "1: error: [[port]]: needs device = \"0000:3b:00.0\""},
      {"[[port]]\ndevice = \"\"\n",
       "2: error: [port] device: must be a DPDK device such as \"0000:3b:00.0\" or "
       "\"net_af_xdp0,iface=eth1\""},
      {"[[port]]\ndevice = \"a\"\nname = \"a b\"\n",
       "3: error: [port] name: \"a b\" can't be the name of an interface (at most 15 characters)"},
      {"[[port]]\ndevice = \"a\"\nmtu = 1000\n", "3: error: [port] mtu: must be a number from 1280 to 9216"},
      {"[[port]]\ndevice = \"a\"\naddresses = [\"192.0.2.1\"]\n",
       "3: error: [port] addresses: \"192.0.2.1\" is no address with a prefix length, such as 192.0.2.1/24 or "
       "2001:db8::1/64"},
      {"[[port]]\ndevice = \"a\"\naddress = \"192.0.2.1/24\"\n",
       "3: error: [port] address: no such key: did you mean addresses?"},
      {"[[port]]\ndevice = \"a\"\n[[port]]\ndevice = \"a\"\n",
       "3: error: [[port]]: has the name or the device of the one in line 1"},
      {"[[wireguard]]\nconfig = \"wg0.conf\"\n", "1: error: [wireguard]: not supported in this version: remove it"},
      {"[metrics]\nlisten = \"127.0.0.1:9194\"\n",
       "1: error: [metrics]: there is no such section: `culvert metrics --listen 127.0.0.1:9194` serves them"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(findings(c.text + base), std::string("etc/culvert.toml:") + c.finding + "\n") << c.text;
  }
}

TEST(Appliance, Ports) {
  Report report;
  Appliance appliance = parse_appliance(
      "[[port]]\ndevice = \"0000:3b:00.0\"\n[[port]]\ndevice = \"net_af_xdp0,iface=eth1\"\nname = \"lan\"\nmtu = 9000\n"
      "addresses = [\"192.0.2.1/24\", \"2001:db8::1/64\"]\n[[openvpn]]\nconfig = \"a\"\n",
      "etc/culvert.toml", report);
  EXPECT_TRUE(report.all().empty());
  ASSERT_EQ(appliance.ports.size(), 2u);
  EXPECT_EQ(appliance.ports[0], (PortBlock{"0000:3b:00.0", "nic0", 1500, {}, 1}));
  EXPECT_EQ(appliance.ports[1],
            (PortBlock{"net_af_xdp0,iface=eth1", "lan", 9000, {"192.0.2.1/24", "2001:db8::1/64"}, 3}));
}

TEST(Appliance, OpenvpnBlocks) {
  EXPECT_EQ(findings(""), "etc/culvert.toml: error: nothing to serve: add [[openvpn]] with config = \"server.conf\"\n");
  EXPECT_EQ(findings("[openvpn]\nconfig = \"a\"\n"),
            "etc/culvert.toml:1: error: openvpn: write it with two brackets: [[openvpn]]\n");
  EXPECT_EQ(findings("[[openvpn]]\n"), "etc/culvert.toml:1: error: [[openvpn]]: needs config = \"server.conf\"\n");
  EXPECT_EQ(findings("[[openvpn]]\nconfig = 5\n"),
            "etc/culvert.toml:2: error: [openvpn] config: must be a text in double quotes\n");
  EXPECT_EQ(findings("[[openvpn]]\nconfig = \"\"\n"),
            "etc/culvert.toml:2: error: [openvpn] config: must name a server.conf\n");
}

TEST(Appliance, BrokenTomlSaysWhere) {
  EXPECT_TRUE(findings("a = 1\nb = = 2\n").starts_with("etc/culvert.toml:2: error: "));
  EXPECT_TRUE(findings("a = 1\na = 2\n").starts_with("etc/culvert.toml:2: error: "));
  EXPECT_TRUE(findings("[tun\n").starts_with("etc/culvert.toml:1: error: "));
  EXPECT_EQ(findings("[tun\n").find("this should be a culvert.toml"), std::string::npos);
  Report report;
  parse_appliance("port 1194\n", "etc/server.conf", report);
  ASSERT_EQ(report.errors(), 1u);
  EXPECT_NE(
      report.all()[0].text.find("this should be a culvert.toml, which names the server.conf: [[openvpn]] and below "
                                "it config = \"server.conf\""),
      std::string::npos)
      << report.all()[0].text;
}

}  // namespace
}  // namespace culvert::config
