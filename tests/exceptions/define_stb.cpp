// SPDX-License-Identifier: Apache-2.0
// The decoders of PNG and JPEG for this program.
#include <lamina/media/picture/define_stb.hpp>
