// SPDX-License-Identifier: Apache-2.0
// lamina::media brings stb_image and Eigen with it.
#include <stb/stb_image.h>
#include <Eigen/Core>

#include <lamina/media/read_file.hpp>

static_assert(EIGEN_WORLD_VERSION >= 3);
