// A step's context with one session (0) that has one key: for what a step does to them, without a path around it.
#pragma once

#include <gtest/gtest.h>

#include "dataplane/session/apply.h"
#include "dataplane/steps/steps.h"
#include "tests/unit/support/path_rig.h"

namespace culvert::testing {

struct OneSession {
  explicit OneSession(const abi::InstallKey& key) : key_id(key.key_id) {
    abi::Command command{};
    command.session = {0, 1};
    command.kind = abi::CommandKind::kInstallSession;
    command.body.install_session = PathRig::settings(0);
    EXPECT_EQ(session::apply(*context.table, *aead, command, 1), session::Applied::kDone);
    command.kind = abi::CommandKind::kInstallKey;
    command.body.install_key = key;
    EXPECT_EQ(session::apply(*context.table, *aead, command, 1), session::Applied::kDone);
  }

  session::Session& session() { return context.table->at(0); }
  /// A data packet of the session, as the steps before `open` leave it.
  void add(steps::Burst& burst, const Bytes& sealed) {
    steps::Packet& packet = burst.add(pool.packet(sealed));
    packet.opcode = wire::Opcode::kDataV2;
    packet.key_id = key_id;
    packet.session = &session();
  }

  PacketPool pool;
  LinkMemory link{4};
  std::unique_ptr<aead::Engine> aead = *aead::make_engine();
  dataplane::PathContext context{link.view(), 0, pool.get(), *aead, *session::Table::make(link.view())};
  uint8_t key_id;
};

}  // namespace culvert::testing
