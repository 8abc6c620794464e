// A value, or a text for the operator that says what went wrong, where, and the way out. Both processes use it instead
// of exceptions.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace culvert {

struct Error {
  std::string text;
};

template <class T = std::monostate>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose
  Result() requires std::is_same_v<T, std::monostate> : state_(std::in_place_index<0>) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  /// Only when there is no value.
  const std::string& error() const { return std::get<1>(state_).text; }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<std::monostate>;

}  // namespace culvert
