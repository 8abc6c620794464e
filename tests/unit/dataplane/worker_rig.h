// A worker with a real path and link; control's side of the rings is the test's.
#pragma once

#include <sys/eventfd.h>

#include <deque>
#include <memory>

#include "dataplane/precedence.h"
#include "dataplane/worker.h"
#include "drivers/file_descriptor.h"
#include "tests/unit/support/path_rig.h"

namespace culvert::testing {

struct WorkerRig : PathRig {
  explicit WorkerRig(uint32_t sessions = 64) : PathRig(sessions) {
    path->set_outer_port(0, nullptr);  // the worker brings the ports
    path->set_inner_port(nullptr);
    worker = std::make_unique<dataplane::Worker>(
        area, *path, mailbox, dataplane::Worker::Doorbells{bell.get(), control_bell.get(), main_bell.get()});
  }

  ~WorkerRig() { dataplane::interrupt_others(); }  // rest() may have asked for the opposite, for the test's thread

  /// Gives the worker the rig's memory ports.
  void attach_ports() {
    auto not_owned = [](auto&) {};
    table.outer[0] = {&outer, [not_owned](drivers::Port* port) { not_owned(*port); }};
    table.inner = {&tun, [not_owned](drivers::Port* port) { not_owned(*port); }};
    mailbox.post(&table);
  }

  /// Pushes an install of a session and its key: two commands.
  void push_session(uint32_t peer_id, uint32_t generation = 1) {
    abi::Command command{};
    command.kind = abi::CommandKind::kInstallSession;
    command.session = {peer_id, generation};
    command.body.install_session = settings(peer_id);
    EXPECT_EQ(commands.push(command), abi::RingStatus::kOk);
    command = {};
    command.kind = abi::CommandKind::kInstallKey;
    command.session = {peer_id, generation};
    command.body.install_key = key(0, 1);
    EXPECT_EQ(commands.push(command), abi::RingStatus::kOk);
  }
  /// Pushes a packet of control that must wait for all commands pushed so far, or for `after`.
  void push_packet(const std::string& text) { push_packet(text, commands.published()); }
  void push_packet(const std::string& text, uint64_t after) {
    abi::PacketMessage message{};
    message.after_command = after;
    message.remote = endpoint("198.51.100.1", 4000);
    message.length = static_cast<uint16_t>(text.size());
    std::copy(text.begin(), text.end(), message.data.begin());
    EXPECT_EQ(control_out.push(message), abi::RingStatus::kOk);
  }
  bool pass() { return worker->pass(now); }
  std::vector<std::string> sent_texts() {
    std::vector<std::string> texts;
    for (Sent& sent : sent_outer()) texts.emplace_back(sent.bytes.begin(), sent.bytes.end());
    return texts;
  }

  abi::WorkerArea& area = link.view().worker(0);
  drivers::FileDescriptor bell{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  drivers::FileDescriptor control_bell{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  drivers::FileDescriptor main_bell{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  dataplane::PortMailbox mailbox;
  dataplane::PortTable table;
  abi::Producer<abi::Command, abi::CommandRing::kCapacity> commands{area.commands};
  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> control_out{area.control_out};
  std::unique_ptr<dataplane::Worker> worker;
};

}  // namespace culvert::testing
