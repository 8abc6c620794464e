// Certificates and keys that were read at start, for a reload: after `user` and `group` the process may not read them
// again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/config/file_loader.h"

namespace culvert::config {

class KeptFiles final : public FileLoader {
 public:
  /// `files` outlives this.
  explicit KeptFiles(FileLoader& files) : files_(files) {}
  ~KeptFiles() override;
  KeptFiles(const KeptFiles&) = delete;

  /// The file as it is now. When this user may not read it (any more), the one kept.
  Result<LoadedFile> load(const std::string& path, size_t limit) override;
  bool is_folder(const std::string& path) override { return files_.is_folder(path); }
  Status executable(const std::string& path) override { return files_.executable(path); }

  /// Ends keeping: what is read from now on is not remembered. Configuration files are forgotten, since a reload that
  /// reads an old one would be worth nothing.
  void stop_keeping(const std::vector<std::string>& configuration_files);
  /// Paths whose kept contents were used since the last call.
  std::vector<std::string> take_used();

 private:
  FileLoader& files_;
  bool keeping_ = true;
  std::map<std::string, LoadedFile> kept_;
  std::vector<std::string> used_;
};

}  // namespace culvert::config
