// SPDX-License-Identifier: Apache-2.0
// The decoders of PNG and JPEG for this program, and the encoders that its tests use.
#include <lamina/media/picture/define_stb.hpp>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
#include <stb/stb_image_write.h>
