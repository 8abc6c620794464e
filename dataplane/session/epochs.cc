#include "dataplane/session/epochs.h"

#include <algorithm>

#include "dataplane/crypto/wipe.h"
#include "dataplane/session/session.h"

namespace culvert::session {
namespace {

constexpr uint16_t kLastEpoch = 0xFFFF;
constexpr uint64_t kCounterMask = (uint64_t{1} << abi::kEpochShift) - 1;

constexpr uint64_t first_id(uint16_t epoch) {
  return uint64_t{epoch} << abi::kEpochShift;  // counter 0, which is never sent
}

/// `seen`: packet-ids up to here count as seen.
void make_key(aead::Engine& aead, const Session& session, const ReceiveKey& like, const EpochSecret& secret,
              uint64_t seen, EpochKey& key) {
  key.cipher = like.cipher;
  key.format = like.format;
  key.key_id = like.key_id;
  key.seen = like.seen;
  key.epoch = secret.epoch;
  key.blocks = key.forgeries = 0;
  key.used = key.exhausted = false;
  key.limit_reported = true;  // its limit asks for another epoch, not for a renegotiation
  key.window.reset(session.replay_window, seen);
  if (session.where.remote.transport == abi::Transport::kTcp) key.window.demand_sequence();
  key.aead = &key.expanded;
  derive(aead, secret, like.cipher, key.expanded, key.iv);
}

void prepare_ahead(aead::Engine& aead, const Session& session, ReceiveKey& head) {
  EpochReceive& epochs = *head.epochs;
  while (epochs.newest.epoch < epochs.current->epoch + EpochReceive::kFuture && epochs.newest.epoch < kLastEpoch) {
    auto passed = [&](const EpochKey& key) {
      return &key != epochs.current && &key != epochs.retiring && key.epoch <= epochs.current->epoch;
    };
    auto slot = std::ranges::find_if(epochs.keys, passed);
    if (slot == epochs.keys.end()) return;
    advance(aead, epochs.newest);
    make_key(aead, session, head, epochs.newest, first_id(epochs.newest.epoch), *slot);
  }
}

void send_in(aead::Engine& aead, const EpochSecret& secret, uint64_t next_id, SendKey& send) {
  derive(aead, secret, send.cipher, *send.aead, send.implicit_iv);
  send.next_id = send.reserved_end = next_id;
  send.end_id = first_id(secret.epoch) + kCounterMask;
  send.blocks = 0;
  send.reserved->store(next_id, std::memory_order_seq_cst);
}

bool used_enough(const SendKey& send, const EpochReceive& receive, const EpochLimits& limits) {
  uint64_t usage = std::min(near_usage_limit(send.cipher), limits.usage);
  uint64_t sent = send.next_id & kCounterMask;
  if (send.blocks + sent >= usage || sent >= limits.counter) return true;
  // The peer uses its key too much, or is attacked: our next epoch asks for its next one (crypto_epoch.c).
  const EpochKey& current = *receive.current;
  bool together = current.epoch == send.epochs->secret.epoch;
  uint64_t received = current.window.highest() & kCounterMask;
  return together && (current.blocks + received >= usage || current.forgeries > kForgeriesNear);
}

void go_on(aead::Engine& aead, SendKey& send, const EpochReceive& receive, const EpochLimits& limits) {
  EpochSecret& secret = send.epochs->secret;
  uint16_t wanted = std::max(secret.epoch, receive.current->epoch);
  if (wanted == secret.epoch && wanted < kLastEpoch && used_enough(send, receive, limits)) ++wanted;
  if (wanted == secret.epoch) return;
  while (secret.epoch < wanted) advance(aead, secret);
  send_in(aead, secret, first_id(wanted) + 1, send);
}

}  // namespace

void start_epochs(aead::Engine& aead, const Session& session, const abi::InstallKey& install, ReceiveKey& receive,
                  SendKey& send) {
  EpochReceive& epochs = *receive.epochs;
  epochs.newest = {abi::epoch_of(install.replay_floor), install.receive.key};
  epochs.current = &epochs.keys[0];
  make_key(aead, session, receive, epochs.newest, install.replay_floor, epochs.keys[0]);
  prepare_ahead(aead, session, receive);
  send.epochs->installed = install.send.key;
  send.epochs->secret = {abi::epoch_of(install.first_packet_id), install.send.key};
  send.limit_reported = true;
  send_in(aead, send.epochs->secret, install.first_packet_id, send);
}

uint8_t tend_epochs(aead::Engine& aead, Session& session, const EpochLimits& limits) {
  uint8_t ending = 0;
  for (uint8_t key_id : session.key_order) {
    SendKey& send = *session.send.keys[key_id];
    ReceiveKey& receive = *session.receive.keys[key_id];
    if (send.format != abi::KeyFormat::kEpoch) continue;
    prepare_ahead(aead, session, receive);
    go_on(aead, send, *receive.epochs, limits);
    bool near_end = send.epochs->secret.epoch >= limits.renegotiate_epoch;
    if (near_end && !std::exchange(send.epochs->end_reported, true))
      ending = static_cast<uint8_t>(ending | 1u << key_id);
  }
  return ending;
}

}  // namespace culvert::session
