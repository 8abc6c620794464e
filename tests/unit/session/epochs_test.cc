// What a session's epoch keys count, and where they end. (Their packets: steps/epoch_test.cc.)
#include "dataplane/session/epochs.h"

#include <gtest/gtest.h>

#include "dataplane/session/apply.h"
#include "tests/unit/support/path_rig.h"

namespace culvert::session {
namespace {

using testing::PathRig;

class EpochsTest : public ::testing::Test {
 protected:
  EpochsTest() {
    abi::Command command{};
    command.session = {3, 1};
    command.kind = abi::CommandKind::kInstallSession;
    command.body.install_session = PathRig::settings(3);
    EXPECT_EQ(apply(*table, *aead, command, 1), Applied::kDone);
    command.kind = abi::CommandKind::kInstallKey;
    abi::InstallKey& key = command.body.install_key = PathRig::key(0, 1);
    key.format = abi::KeyFormat::kEpoch;
    key.replay_floor = uint64_t{1} << abi::kEpochShift;
    key.first_packet_id = key.replay_floor + 1;
    EXPECT_EQ(apply(*table, *aead, command, 1), Applied::kDone);
    session = table->find(3);
    epochs = session->receive.keys[0]->epochs;
    send = session->send.keys[0];
  }

  testing::LinkMemory link{8};
  std::unique_ptr<Table> table = *Table::make(link.view());
  std::unique_ptr<aead::Engine> aead = *aead::make_engine();
  Session* session;
  EpochReceive* epochs;
  SendKey* send;
};

TEST_F(EpochsTest, ALaterEpochsKeyHasNothingOfTheOneWhosePlaceItTakes) {
  for (EpochKey& key : epochs->keys) {
    key.exhausted = true;
    key.forgeries = key.blocks = 1000;
  }
  for (uint16_t epoch = 2; epoch <= 5; ++epoch) epochs->follow(*epochs->find(epoch));
  tend_epochs(*aead, *session, {});
  for (uint16_t epoch = 6; epoch <= 9; ++epoch) {
    EpochKey* key = epochs->find(epoch);
    ASSERT_NE(key, nullptr) << epoch;
    EXPECT_FALSE(key->exhausted);
    EXPECT_EQ(key->forgeries + key->blocks, 0u);
  }
}

TEST_F(EpochsTest, ManyForgeriesAskForThePeersNextEpoch) {
  epochs->current->forgeries = kForgeriesNear;
  tend_epochs(*aead, *session, {});
  EXPECT_EQ(send->epochs->secret.epoch, 1);
  ++epochs->current->forgeries;
  tend_epochs(*aead, *session, {});
  EXPECT_EQ(send->epochs->secret.epoch, 2);
}

TEST_F(EpochsTest, PacketIdsEndWithTheirEpoch) {
  constexpr uint64_t kEnd = uint64_t{2} << abi::kEpochShift;
  send->next_id = send->reserved_end = kEnd - 3;
  for (uint64_t id = send->take_packet_id(), i = 0; id != 0 && i < 10; id = send->take_packet_id(), ++i)
    EXPECT_LT(id, kEnd);
  EXPECT_EQ(send->take_packet_id(), 0u);
}

}  // namespace
}  // namespace culvert::session
