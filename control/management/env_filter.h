// `env-filter LEVEL`: which variables of a client a management program wants to see.
#pragma once

#include <string_view>

namespace culvert::management {

/// `variable` is "NAME=value". Level 0: all; 1: the common ones and every field of the certificates' names; 2: the
/// common ones (manage.c, env_filter_match).
bool env_shown(std::string_view variable, int level);

}  // namespace culvert::management
