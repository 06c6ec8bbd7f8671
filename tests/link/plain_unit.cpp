// SPDX-License-Identifier: Apache-2.0
// The demo model for every target of Highway, by the plain header. Only the encodings that its file has: each
// target compiles all kernels.
#include "models/demo.hpp"
#define LAMINA_DISPATCH_MODEL lamina::models::Demo
#include <lamina/dispatch/define.hpp>
