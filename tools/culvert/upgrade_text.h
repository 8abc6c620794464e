// The account of an upgrade in words.
#pragma once

#include <string>

#include "control/admin/handover.h"

namespace culvert::cli {

/// A few lines: versions, sessions, what was in the middle, how long who was away.
std::string upgrade_text(const admin::UpgradeRow& row);

}  // namespace culvert::cli
