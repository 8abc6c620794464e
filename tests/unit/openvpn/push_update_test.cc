#include "control/openvpn/push_update.h"

#include <gtest/gtest.h>

#include "control/openvpn/push.h"

namespace culvert::openvpn {
namespace {

std::string round_trip(std::string_view text) {
  auto changes = parse_push_update(text);
  if (!changes) return "error: " + changes.error();
  std::string out;
  for (const PushChange& change : *changes) out += (out.empty() ? "" : ",") + to_text(change);
  return out;
}

TEST(PushUpdate, IsWrittenAsItIsRead) {
  EXPECT_EQ(round_trip("route 10.1.0.0 255.255.0.0, -dns ,?tun-mtu 1400,-?block-ipv6,,"),
            "route 10.1.0.0 255.255.0.0,-dns,?tun-mtu 1400,-?block-ipv6");
}

TEST(PushUpdate, ErrorsSayWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "names no option"},
      {" , ", "names no option"},
      {"?-dns", "\"?-dns\": write -? instead of ?-"},
      {"-dns server 1", "\"-dns server 1\": -dns takes no arguments"},
      {"-", "\"-\" names no option"},
      {"-ifconfig",
       "ifconfig can't be changed while connected: set it for the client (ifconfig-push) and let it connect "
       "again, `culvert session kill --restart`"},
      {"route 1\n2", "\"route 1_2\" holds a control character"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(round_trip(text), std::string("error: ") + error);
  EXPECT_TRUE(round_trip("peer-id 7").starts_with("error: \"peer-id\" can't be changed while connected; these can: "));
}

TEST(PushUpdate, AnOptionReplacesAllOfItsName) {
  std::vector<std::string> options = {"route 1.0.0.0", "dns server 1", "route 2.0.0.0", "route-gateway 10.8.0.1",
                                      "block-ipv6"};
  apply_push_update(options, *parse_push_update("route 3.0.0.0,route 4.0.0.0,-block-ipv6,dhcp-option DNS 1.1.1.1"));
  EXPECT_EQ(options, (std::vector<std::string>{"dns server 1", "route-gateway 10.8.0.1", "route 3.0.0.0",
                                               "route 4.0.0.0", "dhcp-option DNS 1.1.1.1"}));
  apply_push_update(options, *parse_push_update("route 5.0.0.0,-route"));
  EXPECT_EQ(options.size(), 3u) << "what was named first goes as well";
}

TEST(PushUpdate, LongOnesGoInSeveralMessages) {
  std::vector<std::string> options;
  for (int i = 0; i < 100; ++i) options.push_back("route 10." + std::to_string(i) + ".0.0 255.255.0.0");
  std::vector<std::string> left_out;
  auto messages = split_push_reply(options, &left_out, MessageKind::kPushUpdate);
  ASSERT_GT(messages.size(), 2u);
  EXPECT_TRUE(left_out.empty());
  PushCollector collector;
  for (size_t i = 0; i < messages.size(); ++i) {
    EXPECT_LE(std::string("PUSH_UPDATE,").size() + messages[i].size() + 1, kPushBundle);
    EXPECT_EQ(collector.add(messages[i]),
              i + 1 < messages.size() ? PushCollector::State::kMore : PushCollector::State::kComplete);
  }
  EXPECT_EQ(collector.take(), options);
}

}  // namespace
}  // namespace culvert::openvpn
