// SPDX-License-Identifier: Apache-2.0
// The bytes of the demo model and of its towers, inside the program: lamina_demo_begin up to lamina_demo_end and
// lamina_demo_projector_begin up to lamina_demo_projector_end, aligned as mapped files.
    .section .rodata

    .macro embed name, file
    .balign 64
    .globl \name\()_begin
    .globl \name\()_end
    .type \name\()_begin, %object
    .type \name\()_end, %object
\name\()_begin:
    .incbin "\file"
    .size \name\()_begin, . - \name\()_begin
\name\()_end:
    .byte 0
    .size \name\()_end, 1
    .endm

    embed lamina_demo, LAMINA_DEMO_FILE
    embed lamina_demo_projector, LAMINA_DEMO_PROJECTOR
    .section .note.GNU-stack, "", %progbits
