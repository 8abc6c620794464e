#include "control/io/heap.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

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

size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t all = 0;
  size_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

TEST(Heap, WhatWasFreedBelowABlockInUseGoesBack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have allocators of their own";
#endif
  constexpr size_t kBlock = 320;
  constexpr size_t kBlocks = 200'000;
  std::vector<std::unique_ptr<std::array<char, kBlock>>> blocks;
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(std::make_unique_for_overwrite<std::array<char, kBlock>>());
    blocks.back()->fill(1);
  }
  auto in_use = std::make_unique<std::array<char, kBlock>>();
  blocks.clear();
  const size_t before = resident_bytes();
  give_back_freed_memory();
  EXPECT_LT(resident_bytes() + kBlocks * kBlock / 2, before);
}

}  // namespace
}  // namespace culvert::io
