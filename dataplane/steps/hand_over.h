// Hands packets whose session is another worker's to that worker, which begins with them where this step's path did.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct HandOver {
  static constexpr StepName kName{"hand_over"};
  Handed as;

  Verdict operator()(Packet& packet, PathContext& context) const {
    if (context.table->owns(*packet.session)) [[likely]]
      return Verdict::go_on();
    return to_owner(packet, context);
  }

 private:
  friend constexpr HandOver hand_over(Handed as);
  constexpr explicit HandOver(Handed kind) : as(kind) {}
  Verdict to_owner(Packet& packet, PathContext& context) const;
};
constexpr HandOver hand_over(Handed as) {
  return HandOver(as);
}

}  // namespace culvert::steps
