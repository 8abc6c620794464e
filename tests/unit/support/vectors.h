// Files of tests/vectors. The build defines CULVERT_VECTORS.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <numeric>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace culvert::testing {

inline std::string read_vector(const std::string& name) {
  std::ifstream file(std::string(CULVERT_VECTORS) + "/" + name, std::ios::binary);
  EXPECT_TRUE(file.good()) << "tests/vectors/" << name << " is missing";
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<uint8_t> from_hex(std::string_view hex) {
  auto value = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(value(hex[i]) << 4 | value(hex[i + 1])));
  return bytes;
}

/// Bytes that count up from `first`.
inline std::vector<uint8_t> counted(size_t size, uint8_t first) {
  std::vector<uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

/// Lines "name hex"; '#' begins a comment.
inline std::vector<std::pair<std::string, std::vector<uint8_t>>> read_hex_lines(const std::string& name) {
  std::vector<std::pair<std::string, std::vector<uint8_t>>> lines;
  std::istringstream text(read_vector(name));
  for (std::string line; std::getline(text, line);) {
    const size_t space = line.find(' ');
    if (line.empty() || line[0] == '#' || space == line.npos) continue;
    lines.emplace_back(line.substr(0, space), from_hex(std::string_view(line).substr(space + 1)));
  }
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

}  // namespace culvert::testing
