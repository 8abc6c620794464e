// Drops what is more than the session's limit lets through (`culvert session limit`, limits of the configuration).
// Counted are the bytes of inner packets. Keepalives and control packets don't come this way.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct Limit {
  static constexpr StepName kName{"limit"};

  session::LimitBucket session::LimitBuckets::*direction;
  DropReason reason;

  Verdict operator()(Packet& packet, PathContext& context) const {
    if (!packet.session->where.limited) [[likely]]
      return Verdict::go_on();
    session::LimitBucket& bucket = context.table->limit_buckets(*packet.session).*direction;
    return bucket.take(packet.length, context.now_ns) ? Verdict::go_on() : Verdict::drop(reason);
  }
};
/// Behind the checks that make sure of the sender: nobody else can use up what is the client's.
inline constexpr Limit limit_from_client{&session::LimitBuckets::from_client, DropReason::limit_from_client};
/// In front of whatever uses a packet-id.
inline constexpr Limit limit_to_client{&session::LimitBuckets::to_client, DropReason::limit_to_client};

}  // namespace culvert::steps
