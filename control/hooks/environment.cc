#include "control/hooks/environment.h"

#include <algorithm>

namespace culvert::hooks {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// As the reference: all but control characters, so that UTF-8 passes (buffer.c, CC_PRINT).
bool is_print(char c) {
  auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte != 0x7F;
}

template <class Good>
std::string remap(std::string_view text, Good good) {
  std::string out(text);
  std::ranges::replace_if(
      out, [&](char c) { return !good(c); }, '_');
  return out;
}

}  // namespace

void Environment::set(std::string_view name, std::string_view value) {
  if (!name.empty()) variables_[remap(name, is_word)] = remap(value, is_print);
}

void Environment::remove(std::string_view name) {
  if (auto found = variables_.find(std::string(name)); found != variables_.end()) variables_.erase(found);
}

void Environment::add(const Environment& more) {
  for (const auto& [name, value] : more.variables_) variables_[name] = value;
}

std::vector<std::string> Environment::strings() const {
  std::vector<std::string> out;
  for (const auto& [name, value] : variables_) out.push_back(name + "=" + value);
  return out;
}

std::string tame_name(std::string_view name) {
  return remap(name, is_print);
}

std::string tame_file_name(std::string_view name) {
  std::string tame = remap(name, [](char c) { return is_print(c) && c != '/'; });
  return tame == "." || tame == ".." ? "" : tame;
}

std::string tame_argument(std::string_view text) {
  std::string tame = tame_name(text);
  for (size_t i = 0; i < tame.size() && tame[i] == '-'; ++i) tame[i] = '_';
  return tame;
}

}  // namespace culvert::hooks
