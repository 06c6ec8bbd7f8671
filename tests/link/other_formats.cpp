// SPDX-License-Identifier: Apache-2.0
// A translation unit with fewer encodings than the kernels it is linked with: must not link.
#include <lamina/linear/linear.hpp>

int main() { return lamina::extern_linear_kernels().optimised ? 0 : 1; }
