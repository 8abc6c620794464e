// What a running process's program is, whether its file was replaced, and what the file on disk answers.
#include "tools/culvert/running_program.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "control/io/clock.h"
#include "tests/unit/io/support.h"

namespace culvert::cli {
namespace {

using namespace std::chrono_literals;

std::string script(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << "#!/bin/sh\n" << text;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

TEST(RunAndRead, GivesWhatIsPrintedAndTheStatus) {
  io::Folder folder;
  auto done = run_and_read({script(folder / "a", "echo $1; echo wrong >&2; exit 3\n"), "7"}, 20s);
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ((*done).exit_status, 3);
  EXPECT_EQ((*done).output, "7\nwrong");
  done = run_and_read({script(folder / "b", "kill -KILL $$\n")}, 20s);
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ((*done).exit_status, -1);
  EXPECT_EQ((*done).output, "");
}

TEST(RunAndRead, SaysWhyThereIsNothing) {
  io::Folder folder;
  auto done = run_and_read({folder / "none"}, 20s);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().find("none can't be run: No such file"), std::string::npos) << done.error();
  done = run_and_read({"/bin/sleep", "1000"}, 50ms);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error(), "/bin/sleep does not end within 50 ms");
}

TEST(RunAndRead, TakesMuchOutputWithoutWaitingForItsEnd) {
  io::Folder folder;
  auto done = run_and_read({script(folder / "a", "head -c 1000000 /dev/zero | tr '\\0' x\n")}, 20s);
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ((*done).exit_status, 0);
  EXPECT_EQ((*done).output.size(), 256u * 1024);
}

/// A process of `program` with the argument 1000.
pid_t start(std::string program) {
  std::string word = "1000";
  std::array<char*, 3> argv = {program.data(), word.data(), nullptr};
  pid_t pid = 0;
  EXPECT_EQ(posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ), 0);
  // The kernel lets us go on before the new program's arguments are to be seen.
  std::string seen;
  for (MonoTime deadline = io::mono_now() + 20s; seen.empty() && io::mono_now() < deadline;)
    std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/cmdline"), seen);
  EXPECT_NE(seen, "");
  return pid;
}

class RunningPrograms : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::copy_file("/bin/sleep", program_);
    pid_ = start(program_);
  }
  void TearDown() override {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  /// As an installation does it.
  void replace_by(const std::string& file) { std::filesystem::rename(file, program_); }
  RunningProgram look() {
    auto program = RunningProgram::of(pid_, program_);
    EXPECT_TRUE(program) << program.error();
    return *program;
  }

  io::Folder folder_;
  std::string program_ = folder_ / "program";
  pid_t pid_ = 0;
};

TEST_F(RunningPrograms, AreTheirFilesUntilAnotherFileHasTheName) {
  EXPECT_EQ(look().path(), program_);
  EXPECT_EQ(look().parent(), getpid());
  EXPECT_FALSE(look().replaced());
  std::filesystem::copy_file("/bin/sleep", folder_ / "again");
  replace_by(folder_ / "again");
  EXPECT_FALSE(look().replaced()) << "the same program, installed again";
  std::filesystem::copy_file("/bin/sleep", folder_ / "other");
  std::ofstream(folder_ / "other", std::ios::app) << "x";
  replace_by(folder_ / "other");
  EXPECT_TRUE(look().replaced());
  std::filesystem::remove(program_);
  EXPECT_TRUE(look().replaced());
}

TEST_F(RunningPrograms, TheNextOneIsGivenTheSameArguments) {
  replace_by(script(folder_ / "next", "echo \"$@\"\n"));
  auto said = look().run_next({"--check"});
  ASSERT_TRUE(said) << said.error();
  EXPECT_EQ((*said).output, "1000 --check");
}

TEST_F(RunningPrograms, AProcessOfAnotherProgramIsNotTakenForOne) {
  auto program = RunningProgram::of(pid_, folder_ / "elsewhere");
  ASSERT_FALSE(program);
  EXPECT_NE(program.error().find(program_ + ", and this culvert belongs to " + folder_ / "elsewhere"),
            std::string::npos)
      << program.error();
}

TEST_F(RunningPrograms, ANameMayLeadToAnotherVersionByNow) {
  std::filesystem::create_directory(folder_ / "next");
  script(folder_ / "next/program", "echo next\n");
  std::string name = folder_ / "name";
  std::filesystem::create_symlink(program_, name);
  pid_t pid = start(name);
  std::filesystem::remove(name);
  std::filesystem::create_symlink(folder_ / "next/program", name);
  auto program = RunningProgram::of(pid, folder_ / "next/program");
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  ASSERT_TRUE(program) << program.error();
  EXPECT_TRUE((*program).replaced());
}

TEST_F(RunningPrograms, OneThatHasEndedIsNone) {
  kill(pid_, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
  auto program = RunningProgram::of(pid_, program_);
  EXPECT_FALSE(program) << "a process without arguments";
}

}  // namespace
}  // namespace culvert::cli
