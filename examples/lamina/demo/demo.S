// SPDX-License-Identifier: Apache-2.0
// The bytes of the demo model, inside the program: lamina_demo_begin up to lamina_demo_end, aligned as a mapped file.
    .section .rodata
    .balign 64
    .globl lamina_demo_begin
    .globl lamina_demo_end
    .type lamina_demo_begin, %object
    .type lamina_demo_end, %object
lamina_demo_begin:
    .incbin LAMINA_DEMO_FILE
    .size lamina_demo_begin, . - lamina_demo_begin
lamina_demo_end:
    .byte 0
    .size lamina_demo_end, 1
    .section .note.GNU-stack, "", %progbits
