// The one list of drop reasons as an enum and as text. See drop_reasons.def.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace culvert::abi {

enum class DropReason : uint16_t {
#define CULVERT_DROP(name, side, text) name,
#include "dataplane/abi/drop_reasons.def"
#undef CULVERT_DROP
};

enum class DropSide : uint8_t { kDataplane, kControl };

struct DropInfo {
  std::string_view name;
  DropSide side;
  std::string_view text;
};

inline constexpr std::array kDropInfo = {
#define CULVERT_DROP(name, side, text) DropInfo{#name, DropSide::side, text},
#include "dataplane/abi/drop_reasons.def"
#undef CULVERT_DROP
};
inline constexpr size_t kDropReasonCount = kDropInfo.size();

constexpr const DropInfo& info(DropReason reason) {
  return kDropInfo[static_cast<size_t>(reason)];
}

}  // namespace culvert::abi
