// SPDX-License-Identifier: Apache-2.0
// What lies in flash beside the code: the model's file and the tables of its vocabulary, as they are.
    .section .rodata

    .macro flash name, file
    .balign 64
    .globl flash_\name\()_begin
    .globl flash_\name\()_end
flash_\name\()_begin:
    .incbin "\file"
flash_\name\()_end:
    .byte 0
    .endm

    flash model, LAMINA_FLASH_MODEL
    flash tables, LAMINA_FLASH_TABLES
    .section .note.GNU-stack, "", %progbits
