#include "control/openvpn/control_message.h"

#include <gtest/gtest.h>

namespace culvert::openvpn {
namespace {

using namespace std::string_view_literals;

std::vector<uint8_t> bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

struct Received {
  std::string_view record;
  MessageKind kind;
  std::string_view text;
};

TEST(ControlMessage, KindsAndTexts) {
  for (const Received& c : {
           Received{"PUSH_REQUEST\0"sv, MessageKind::kPushRequest, ""},
           Received{"PUSH_REQUESTS\0"sv, MessageKind::kUnknown, "PUSH_REQUESTS"},
           Received{"PUSH_REQUEST,x\0"sv, MessageKind::kUnknown, "PUSH_REQUEST,x"},
           Received{"PUSH_REPLY\0"sv, MessageKind::kPushReply, ""},
           Received{"PUSH_REPLY,ping 10,peer-id 0\0"sv, MessageKind::kPushReply, "ping 10,peer-id 0"},
           Received{"AUTH_FAILED\0"sv, MessageKind::kAuthFailed, ""},
           Received{"AUTH_FAILED,TEMP[backoff 42]:later\0"sv, MessageKind::kAuthFailed, "TEMP[backoff 42]:later"},
           Received{"AUTH_PENDING,timeout 60\0"sv, MessageKind::kAuthPending, "timeout 60"},
           Received{"RESTART,[P]:\0"sv, MessageKind::kRestart, "[P]:"},
           Received{"HALT\0"sv, MessageKind::kHalt, ""},
           Received{"EXIT\0"sv, MessageKind::kExit, ""},
           Received{"EXIT,now\0"sv, MessageKind::kUnknown, "EXIT,now"},
           Received{"INFO,x\0"sv, MessageKind::kInfo, "x"},
           Received{"INFO_PRE,OPEN_URL:https://x\0"sv, MessageKind::kInfoPre, "OPEN_URL:https://x"},
           Received{"CR_RESPONSE,aGk=\0"sv, MessageKind::kCrResponse, "aGk="},
           Received{"push_request\0"sv, MessageKind::kUnknown, "push_request"},
       }) {
    bool malformed = true;
    auto messages = parse_messages(bytes(c.record), &malformed);
    ASSERT_EQ(messages.size(), 1u) << c.record;
    EXPECT_FALSE(malformed);
    EXPECT_EQ(messages[0].kind, c.kind) << c.record;
    EXPECT_EQ(messages[0].text, c.text);
  }
}

TEST(ControlMessage, SeveralInOneRecord) {
  bool malformed = true;
  auto messages = parse_messages(bytes("INFO,a\0PUSH_REQUEST\0EXIT\0"sv), &malformed);
  EXPECT_FALSE(malformed);
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[2].kind, MessageKind::kExit);
}

TEST(ControlMessage, WhatIsNotClosedDoesNotCount) {
  struct Odd {
    std::string_view record;
    size_t messages;
  };
  for (Odd odd : {Odd{"EXIT"sv, 0}, Odd{"HALT\0EXIT"sv, 1}, Odd{""sv, 0}, Odd{"\0\0\0HALT\0"sv, 1}, Odd{"\0"sv, 0}}) {
    bool malformed = false;
    EXPECT_EQ(parse_messages(bytes(odd.record), &malformed).size(), odd.messages);
    EXPECT_TRUE(malformed);
  }
}

TEST(ControlMessage, ControlBytesNeverReachALog) {
  auto messages = parse_messages(bytes("AUTH_FAILED,a\nb\rc\x1b[2Jd\x7f\0"sv));
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].text, "a_b_c_[2Jd_");
  auto record = build_message(MessageKind::kAuthFailed, "two\0commands"sv);
  EXPECT_EQ(std::string(record.begin(), record.end()), "AUTH_FAILED,two_commands\0"sv);
}

TEST(ControlMessage, ARecordFullOfMessagesIsBounded) {
  std::vector<uint8_t> record;
  for (int i = 0; i < 5000; ++i) record.insert(record.end(), {'A', 0});
  bool malformed = false;
  EXPECT_EQ(parse_messages(record, &malformed).size(), kMaxMessagesPerRecord);
  EXPECT_TRUE(malformed);
}

}  // namespace
}  // namespace culvert::openvpn
