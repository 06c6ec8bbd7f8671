// SPDX-License-Identifier: Apache-2.0
// lamina::huggingface brings the JSON library with it.
#include <nlohmann/json.hpp>

static_assert(NLOHMANN_JSON_VERSION_MAJOR >= 3);
