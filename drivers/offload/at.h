// Headers in the bytes of a packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace culvert::drivers::offload {

/// What stands at `offset`; the caller has seen that it is whole.
template <class T>
T& at(uint8_t* packet, size_t offset = 0) {
  return *reinterpret_cast<T*>(packet + offset);
}
template <class T>
const T& at(const uint8_t* packet, size_t offset = 0) {
  return *reinterpret_cast<const T*>(packet + offset);
}
template <class T>
T& at(std::span<uint8_t> packet, size_t offset = 0) {
  return at<T>(packet.data(), offset);
}
template <class T>
const T& at(std::span<const uint8_t> packet, size_t offset = 0) {
  return at<T>(packet.data(), offset);
}

}  // namespace culvert::drivers::offload
