#include "control/config/written_files.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

namespace culvert::config {
namespace {

constexpr size_t kPoolLimit = 64 << 20;

/// Where the last of these directives stands. Null: nowhere.
const Said* find_said(const ServerConfig& server, std::initializer_list<std::string_view> names) {
  auto found = std::find_if(server.said.rbegin(), server.said.rend(),
                            [&](const Said& said) { return std::ranges::find(names, said.name) != names.end(); });
  return found == server.said.rend() ? nullptr : &*found;
}

}  // namespace

void look_for_folders(const ServerConfig& server, FileLoader& loader, Report& report) {
  auto look = [&](const std::string& path, std::initializer_list<std::string_view> names) {
    const Said* said = find_said(server, names);
    if (path.empty() || said == nullptr) return;
    const std::string folder = folder_of(path);
    if (loader.is_folder(folder)) return;
    report.error(said->file, said->line,
                 said->name + ": " + folder + ": no such folder, or not readable for this user: make it (mkdir -p " +
                     folder + "), or name another");
  };
  look(server.log_file, {"log", "log-append"});
  look(server.pid_file, {"writepid"});
  look(server.status_file, {"status"});
  if (server.persistent_pool) {
    const PersistentPool& pool = *server.persistent_pool;
    look(pool.file, {"ifconfig-pool-persist"});
    const Said* said = find_said(server, {"ifconfig-pool-persist"});
    if (pool.every.count() == 0 && said != nullptr)
      if (auto file = loader.load(pool.file, kPoolLimit); !file)
        report.error(said->file, said->line,
                     said->name + ": " + pool.file + ": " + file.error() +
                         ", and with 0 it is only read: make it (touch " + pool.file + "), or leave the 0 out");
  }
  if (server.management) look(server.management->path, {"management"});
}

}  // namespace culvert::config
