#include "control/io/heap.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>

namespace culvert::io {
namespace {

/// What a program says that has put its heap on huge pages (heap_probe.cc); `environment`: "VARIABLE=VALUE" or
/// empty. Fails when it fails.
std::string probe(const std::string& environment) {
  const std::string command = "env -u GLIBC_TUNABLES " + environment + " " + HEAP_PROBE + " argument";
  FILE* pipe = popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  if (pipe == nullptr) return {};
  std::string said;
  std::array<char, 512> part{};
  for (size_t size = 0; (size = fread(part.data(), 1, part.size(), pipe)) > 0;) said.append(part.data(), size);
  EXPECT_EQ(pclose(pipe), 0) << said;
  return said;
}

/// Not with sanitizers, which have allocators of their own.
bool kernel_gives_to_those_who_ask() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string modes;
  std::getline(file, modes);
  return modes.find("[madvise]") != modes.npos;
#endif
}

TEST(Heap, TheHeapIsOnHugePagesAndScriptsDoNotGetTheVariable) {
  const std::string said = probe("");
  EXPECT_TRUE(said.starts_with("none\n")) << said;
  if (kernel_gives_to_those_who_ask()) {
    EXPECT_NE((said.substr(0, said.size() - 1) + " ").find(" hg "), said.npos) << said;
  }
}

TEST(Heap, TunablesOfTheOperatorStay) {
  const std::string said = probe("GLIBC_TUNABLES=glibc.malloc.mxfast=64");
  EXPECT_TRUE(said.starts_with("glibc.malloc.mxfast=64\n")) << said;
  EXPECT_EQ((said.substr(0, said.size() - 1) + " ").find(" hg "), said.npos) << said;
}

}  // namespace
}  // namespace culvert::io
