// Every command's text, input in pieces, passwords, and lines that nobody should send.
#include "control/management/dialogue.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "tests/unit/management/daemon_double.h"

namespace culvert::management {
namespace {

const char* const kWelcome = ">INFO:OpenVPN Management Interface Version 5 -- type 'help' for more info\r\n";

struct Talk {
  explicit Talk(Settings given = {}) : settings(std::move(given)), dialogue(settings, board, daemon) {}

  std::string take() { return std::exchange(dialogue.output(), {}); }
  /// The answer to one line.
  std::string ask(const std::string& line) {
    take();
    dialogue.feed(line + "\n", now);
    return take();
  }
  void later(std::chrono::milliseconds time) {
    now.mono += time;
    now.wall += std::chrono::duration_cast<std::chrono::seconds>(time);
    dialogue.tick(now);
  }

  Settings settings;
  Board board{4};
  DaemonDouble daemon;
  Dialogue dialogue;
  Now now{MonoTime(std::chrono::seconds(100)), std::chrono::sys_seconds(std::chrono::seconds(2000))};
};

struct Exchange {
  const char* line;
  std::string answer;
};

TEST(Dialogue, AnswersOfAllCommands) {
  const std::string unsupported = " command is not supported by the current daemon mode\r\n";
  const Exchange kExchanges[] = {
      {"pid", "SUCCESS: pid=" + std::to_string(getpid()) + "\r\n"},
      {"version", "OpenVPN Version: culvert test\r\nManagement Version: 5\r\nEND\r\n"},
      {"version 3", ""},
      {"version 5", ""},
      {"nclients", "SUCCESS: nclients=2\r\n"},
      {"load-stats", "SUCCESS: nclients=2,bytesin=300,bytesout=14\r\n"},
      {"env-filter 2", "SUCCESS: env_filter_level=2\r\n"},
      {"hold", "SUCCESS: hold=0\r\n"},
      {"hold on", "SUCCESS: hold flag set to ON\r\n"},
      {"hold off", "SUCCESS: hold flag set to OFF\r\n"},
      {"hold release", "SUCCESS: hold release succeeded\r\n"},
      {"hold x", "ERROR: bad hold command parameter\r\n"},
      {"kill nobody", "ERROR: common name 'nobody' not found\r\n"},
      {"kill alice", "SUCCESS: common name 'alice' found, 1 client(s) killed\r\n"},
      {"kill", "ERROR: the 'kill' command requires 1 parameter\r\n"},
      {"kill \"\"", "ERROR: kill parse\r\n"},
      {"kill 192.0.2.7:51820", "SUCCESS: 1 client(s) at address 192.0.2.7:51820 killed\r\n"},
      {"kill udp4:192.0.2.7:51820", "SUCCESS: 1 client(s) at address 192.0.2.7:51820 killed\r\n"},
      {"kill tcp4:192.0.2.7:51820", "ERROR: client at address 192.0.2.7:51820 not found\r\n"},
      {"kill [2001:db8::7]:51821", "SUCCESS: 1 client(s) at address 2001:db8::7:51821 killed\r\n"},
      {"kill 192.0.2.7:1", "ERROR: client at address 192.0.2.7:1 not found\r\n"},
      {"kill 192.0.2.7:99999", "ERROR: port number is out of range: 99999\r\n"},
      {"kill x:1", "ERROR: error parsing IP address: x\r\n"},
      {"kill udp", "ERROR: common name 'udp' not found\r\n"},
      {"kill udp:", "ERROR: common name 'udp' not found\r\n"},
      {"client-kill 1", "SUCCESS: client-kill command succeeded\r\n"},
      {"client-kill 9", "ERROR: client-kill command failed\r\n"},
      {"client-kill x", "ERROR: cannot parse CID\r\n"},
      {"client-kill", "ERROR: the 'client-kill' command requires at least 1 parameter\r\n"},
      {"signal SIGHUP", "SUCCESS: signal SIGHUP thrown\r\n"},
      {"signal SIGSEGV", "ERROR: signal 'SIGSEGV' is not a known signal type\r\n"},
      {"bytecount 5", "SUCCESS: bytecount interval changed\r\n"},
      {"bytecount", "ERROR: the 'bytecount' command requires 1 parameter\r\n"},
      {"verb", "SUCCESS: verb=3\r\n"},
      {"verb 4", "SUCCESS: verb level changed\r\n"},
      {"verb 12", "ERROR: verb level is out of range\r\n"},
      {"auth-retry", "SUCCESS: auth-retry=none\r\n"},
      {"auth-retry interact", "SUCCESS: auth-retry parameter changed\r\n"},
      {"auth-retry x",
       "--auth-retry method must be 'interact', 'nointeract', or 'none'\r\nERROR: bad auth-retry parameter\r\n"},
      {"state on", "SUCCESS: real-time state notification set to ON\r\n"},
      {"log off", "SUCCESS: real-time log notification set to OFF\r\n"},
      {"log x", "ERROR: log parameter must be 'on' or 'off' or some number n or 'all'\r\n"},
      {"log", "ERROR: the 'log' command requires at least 1 parameter\r\n"},
      {"echo all", "END\r\n"},
      {"status 9", "ERROR: bad status format version number\r\n"},
      {"forget-passwords", "SUCCESS: Passwords were forgotten\r\n"},
      {"username a b", "ERROR: no username is currently needed at this time\r\n"},
      {"password a b", "ERROR: no password is currently needed at this time\r\n"},
      {"needok a ok", "ERROR: no needok-confirmation is currently needed at this time\r\n"},
      {"needstr a b", "ERROR: no needstr-string is currently needed at this time\r\n"},
      {"needok", "ERROR: the 'needok' command requires 2 parameters\r\n"},
      {"net", "ERROR: Sorry, this command is currently only implemented on Windows\r\n"},
      {"remote ACCEPT", "ERROR: The 'remote'" + unsupported},
      {"mute", "SUCCESS: mute=0\r\n"},
      {"mute 0", "SUCCESS: mute level changed\r\n"},
      {"mute 3", "ERROR: mute level is out of range\r\n"},
      {"rsa-sig", "ERROR: The rsa-sig command is not currently available\r\n"},
      {"kill ::1", "ERROR: kill parse\r\n"},
      {"kill :5", "ERROR: kill parse\r\n"},
      {"kill 1.2.3.4:", "ERROR: common name '1.2.3.4' not found\r\n"},
      {"client-kill -1", "ERROR: client-kill command failed\r\n"},
      {"pkcs11-id-count", ">PKCS11ID-COUNT:0\r\n"},
      {"test 1", "[0] culvert fills a line for a test of its reader.\r\n"},
      {"client-pf 1", "ERROR: unknown command, enter 'help' for more options\r\n"},
      {"", ""},
      {"# comment", ""},
  };
  for (const Exchange& exchange : kExchanges) EXPECT_EQ(Talk().ask(exchange.line), exchange.answer) << exchange.line;
}

TEST(Dialogue, WelcomeAndHelp) {
  Talk talk;
  EXPECT_EQ(talk.take(), kWelcome);
  std::string help = talk.ask("help");
  EXPECT_TRUE(help.starts_with("Management Interface for culvert test\r\nCommands:\r\n"));
  EXPECT_TRUE(help.ends_with("END\r\n"));
  EXPECT_NE(help.find("kill CN"), std::string::npos);
}

TEST(Dialogue, SignalsReachTheGateway) {
  Talk talk;
  for (const char* name : {"SIGHUP", "SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2"})
    talk.ask(std::string("signal ") + name);
  EXPECT_EQ(talk.daemon.signals, (std::vector<Signal>{Signal::kHangup, Signal::kTerminate, Signal::kTerminate,
                                                      Signal::kRestart, Signal::kReport}));
}

TEST(Dialogue, CommandsAreLoggedWithoutPasswords) {
  Talk talk({.password = "secret"});
  for (const char* line : {"secret", "pid", "load-stats", "password Auth hidden", " \"password\" Auth hidden", "",
                           "a\tb", "\"open", "client-auth 7 1", "push \"route 10.0.0.0\"", "END", "kill nobody"})
    talk.ask(line);
  EXPECT_EQ(talk.daemon.commands, (std::vector<std::string>{"pid", "password [...]", "password [...]", "", "a_b",
                                                            "\"open", "client-auth 7 1", "kill nobody"}));
}

TEST(Dialogue, EnvFilterLeavesOutVariables) {
  struct Case {
    const char* level;
    const char* event;
    int shown;
  };
  for (auto [level, event, shown] : {Case{"0", ">CLIENT:ESTABLISHED,0", 5},
                                     {"1", ">CLIENT:ESTABLISHED,0", 4},
                                     {"2", ">CLIENT:ESTABLISHED,0", 3},
                                     {"3", ">CLIENT:ESTABLISHED,0", 2},
                                     {"2", ">CLIENT:CONNECT,0,1", 4},
                                     {"", ">CLIENT:REAUTH,0,1", 5}}) {
    Talk talk;
    talk.ask(std::string("env-filter ") + level);
    for (const char* line : {event, ">CLIENT:ENV,IV_VER=2.6.14", ">CLIENT:ENV,X509_0_OU=staff",
                             ">CLIENT:ENV,username=alice", ">CLIENT:ENV,END"})
      talk.dialogue.notify(line);
    std::string told = talk.take();
    EXPECT_EQ(std::ranges::count(told, '\n'), shown) << told;
  }
}

TEST(Dialogue, ClientKillWithItsMessage) {
  Talk talk;
  struct Case {
    const char* message;
    bool halts;
    const char* text;
  };
  for (const Case& one :
       {Case{"", false, ""}, Case{"HALT", true, ""}, Case{"RESTART", false, ""}, Case{"RESTART,[N]", false, "[N]"},
        Case{"\"HALT,account is closed\"", true, "account is closed"}, Case{"RESTART,", false, ""},
        Case{"nonsense", false, ""}, Case{"[N]", false, ""}}) {
    talk.ask(std::string("client-kill 0 ") + one.message);
    EXPECT_EQ(talk.daemon.halted, one.halts) << one.message;
    EXPECT_EQ(talk.daemon.said_to_client, one.text) << one.message;
  }
}

TEST(Dialogue, PushUpdateSaysHowManyWereTold) {
  Talk talk;
  EXPECT_EQ(talk.ask("push-update-cid 7 \"route 10.1.0.0 255.255.0.0, -dns\""),
            "SUCCESS: 1 client(s) updated\r\nSUCCESS: push-update command succeeded\r\n");
  EXPECT_EQ(talk.daemon.pushed, "7: route 10.1.0.0 255.255.0.0, -dns");
  EXPECT_EQ(talk.ask("push-update-cid 8 -dns"), "ERROR: no client updated\r\nERROR: push-update command failed\r\n");
  EXPECT_EQ(talk.ask("push-update-cid x -dns"), "ERROR: push-update-cid fail during cid parsing\r\n");
  EXPECT_EQ(talk.ask("push-update-broad wrong"), "ERROR: names no option\r\nERROR: push-update command failed\r\n");
  EXPECT_TRUE(talk.ask("push-update-broad -dns").ends_with("SUCCESS: push-update command succeeded\r\n"));
}

TEST(Dialogue, InputInPieces) {
  const std::string text = "pid\r\nstatus 2\nkill nobody\nversion\n";
  Talk whole;
  whole.dialogue.feed(text, whole.now);
  const std::string wanted = whole.take();
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Talk talk;
    talk.dialogue.feed(text.substr(0, cut), talk.now);
    talk.dialogue.feed(text.substr(cut), talk.now);
    EXPECT_EQ(talk.take(), wanted) << "cut at " << cut;
  }
  Talk bytes;
  for (char c : text) bytes.dialogue.feed({&c, 1}, bytes.now);
  EXPECT_EQ(bytes.take(), wanted);
}

TEST(Dialogue, LinesThatAreTooLong) {
  Talk talk;
  talk.take();
  for (int i = 0; i < 100; ++i) talk.dialogue.feed(std::string(1000, 'x'), talk.now);
  EXPECT_EQ(talk.take(), "ERROR: line is longer than 4096 bytes\r\n") << "said once";
  talk.dialogue.feed("tail\npid\n", talk.now);
  EXPECT_EQ(talk.take(), "SUCCESS: pid=" + std::to_string(getpid()) + "\r\n");
}

TEST(Dialogue, BinaryInput) {
  Talk talk;
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  talk.dialogue.feed(bytes + bytes + "\n", talk.now);
  EXPECT_FALSE(talk.dialogue.finished());
  EXPECT_EQ(talk.ask("hold"), "SUCCESS: hold=0\r\n");
}

TEST(Dialogue, HistoryAndRealTime) {
  Talk talk;
  for (int i = 1; i <= 6; ++i) talk.board.log.add(std::to_string(i) + ",I,line");
  EXPECT_EQ(talk.ask("log 2"), "5,I,line\r\n6,I,line\r\nEND\r\n");
  EXPECT_EQ(talk.ask("log all"), "3,I,line\r\n4,I,line\r\n5,I,line\r\n6,I,line\r\nEND\r\n") << "four are kept";
  EXPECT_EQ(talk.ask("log on 1"), "SUCCESS: real-time log notification set to ON\r\n6,I,line\r\nEND\r\n");
  talk.dialogue.on_log("7,W,more");
  EXPECT_EQ(talk.take(), ">LOG:7,W,more\r\n");
  talk.ask("log off");
  talk.dialogue.on_log("8,W,more");
  EXPECT_EQ(talk.take(), "");
  talk.board.state.add("9,CONNECTED,SUCCESS,10.8.0.1,,,,");
  EXPECT_EQ(talk.ask("state"), "9,CONNECTED,SUCCESS,10.8.0.1,,,,\r\nEND\r\n");
  talk.ask("state on");
  talk.dialogue.on_state("10,EXITING,SIGTERM,,,,,");
  EXPECT_EQ(talk.take(), ">STATE:10,EXITING,SIGTERM,,,,,\r\n");
}

TEST(Dialogue, ByteCountsOfClientsWithTraffic) {
  Talk talk;
  talk.ask("bytecount 2");
  talk.later(std::chrono::milliseconds(1000));
  EXPECT_EQ(talk.take(), "");
  talk.later(std::chrono::milliseconds(1000));
  EXPECT_EQ(talk.take(), ">BYTECOUNT_CLI:0,100,7\r\n>BYTECOUNT_CLI:1,200,7\r\n");
  talk.daemon.all[1].bytes_out = 8;
  talk.later(std::chrono::milliseconds(2000));
  EXPECT_EQ(talk.take(), ">BYTECOUNT_CLI:1,200,8\r\n");
  talk.ask("bytecount 0");
  EXPECT_FALSE(talk.dialogue.next_deadline());
}

TEST(Dialogue, Hold) {
  Settings settings;
  Board board(4);
  board.hold = board.waiting = true;
  DaemonDouble daemon;
  Dialogue dialogue(settings, board, daemon);
  EXPECT_EQ(dialogue.output(), kWelcome + std::string(">HOLD:Waiting for hold release:0\r\n"));
  dialogue.feed("hold release\n", Now{});
  EXPECT_TRUE(daemon.released);
  EXPECT_FALSE(board.waiting);
}

TEST(Dialogue, NothingWithoutThePassword) {
  Talk talk({.password = "secret"});
  EXPECT_EQ(talk.take(), "ENTER PASSWORD:");
  talk.dialogue.on_log("1,I,line");
  talk.dialogue.notify(">FATAL:x");
  EXPECT_EQ(talk.take(), "");
  EXPECT_EQ(talk.ask("secret"), "SUCCESS: password is correct\r\n" + std::string(kWelcome));
  EXPECT_TRUE(talk.dialogue.authorized());
}

TEST(Dialogue, WrongPasswordsAreWaitedOutAndCounted) {
  Talk talk({.password = "secret"});
  EXPECT_EQ(talk.ask("secre"), "");
  EXPECT_TRUE(talk.dialogue.paused());
  EXPECT_EQ(talk.ask("secret"), "") << "not judged during the pause";
  talk.later(Dialogue::kPasswordPause);
  EXPECT_EQ(talk.take(), "ENTER PASSWORD:SUCCESS: password is correct\r\n" + std::string(kWelcome));

  Talk guesser({.password = "secret"});
  for (const char* guess : {"secrets", "SECRET", "s"}) {
    EXPECT_EQ(guesser.ask(guess), "");
    EXPECT_FALSE(guesser.dialogue.authorized());
    guesser.later(Dialogue::kPasswordPause);
  }
  EXPECT_TRUE(guesser.dialogue.finished());
}

/// A gateway that has something to say while it obeys.
TEST(Dialogue, WhatACommandBringsAboutIsToldBehindItsAnswer) {
  Talk talk;
  talk.daemon.on_signal = [&talk] { talk.dialogue.notify(">CLIENT:DISCONNECT,0"); };
  EXPECT_EQ(talk.ask("signal SIGUSR1"), "SUCCESS: signal SIGUSR1 thrown\r\n>CLIENT:DISCONNECT,0\r\n");
  talk.daemon.on_signal = [&talk] { talk.dialogue.on_state("1,EXITING,SIGTERM,,,,,"); };
  talk.ask("state on");
  EXPECT_EQ(talk.ask("signal SIGTERM"), "SUCCESS: signal SIGTERM thrown\r\n>STATE:1,EXITING,SIGTERM,,,,,\r\n");
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

std::string times(int count, const std::string& line) {
  std::string text;
  for (int i = 0; i < count; ++i) text += line;
  return text;
}

/// A few bytes ask for a list of all clients hundreds of times: neither our memory nor others' time is for that.
TEST(Dialogue, LongAnswersComeOneInATurn) {
  Talk talk;
  talk.daemon.all.assign(1000, client(7, "alice", "192.0.2.7", 51820, "10.8.0.2"));
  const size_t one = talk.ask("status 2").size();
  ASSERT_GT(one, Dialogue::kAnsweredInATurn);
  talk.dialogue.feed(times(20, "status 2\n"), talk.now);
  size_t answers = 0;
  for (;;) {
    std::string text = talk.take();
    EXPECT_LE(text.size(), one + Dialogue::kAnsweredInATurn);
    answers += count_of(text, "\r\nEND\r\n");
    if (!talk.dialogue.has_more()) break;
    talk.dialogue.go_on(talk.now);
  }
  EXPECT_EQ(answers, 20u);
}

TEST(Dialogue, CommandsOfATurnAreCounted) {
  Talk talk;
  const int lines = Dialogue::kCommandsInATurn + 3;
  talk.dialogue.feed(times(lines, "nclients\n"), talk.now);
  EXPECT_EQ(count_of(talk.take(), "SUCCESS"), static_cast<size_t>(Dialogue::kCommandsInATurn));
  EXPECT_TRUE(talk.dialogue.has_more());
  talk.dialogue.go_on(talk.now);
  EXPECT_EQ(count_of(talk.take(), "SUCCESS"), 3u);
  EXPECT_FALSE(talk.dialogue.has_more());
  // What belongs to a client-auth is no command.
  talk.dialogue.feed("client-auth 7 1\n" + times(lines, "push x\n") + "END\nnclients\n", talk.now);
  EXPECT_FALSE(talk.dialogue.has_more());
  EXPECT_EQ(talk.daemon.config.size(), static_cast<size_t>(lines));
}

TEST(Dialogue, ExitEndsIt) {
  for (const char* word : {"exit", "quit"}) {
    Talk talk;
    talk.dialogue.feed(std::string(word) + "\npid\n", talk.now);
    EXPECT_TRUE(talk.dialogue.finished());
    EXPECT_EQ(talk.take().find("pid"), std::string::npos) << "nothing is obeyed behind it";
  }
}

}  // namespace
}  // namespace culvert::management
