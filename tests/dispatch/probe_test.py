#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the products that the int8 probe does in each round of its loop: a compiler that computes some of them once for
two sums makes a peak of them that no processor has.

    probe_test.py OBJDUMP INSTRUCTION COUNT OBJECT
"""

import re
import subprocess
import sys


def loop_of(listing):
    """The instructions of the longest loop of the function `probe::multiply_bytes` in a listing of objdump."""
    code = []
    for function in re.split(r"\n(?=[0-9a-f]+ <)", listing):
        if re.match(r"[0-9a-f]+ <\w*probe14multiply_bytesE\w*>:", function):
            code = re.findall(r"^ *([0-9a-f]+):\t(.+)$", function, re.M)
    longest = []
    for at, text in code:
        jump = re.match(r"j\w+ +([0-9a-f]+)", text)
        if jump and int(jump[1], 16) < int(at, 16):
            body = [line for place, line in code if int(jump[1], 16) <= int(place, 16) <= int(at, 16)]
            longest = max(longest, body, key=len)
    return longest


def main(objdump, instruction, count, path):
    listing = subprocess.run([objdump, "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    found = sum(instruction in line.split()[:2] for line in loop_of(listing))  # objdump: {vex} vpdpbusd
    print(f"{path}: {found} {instruction} in the loop, expected {count}")
    return 0 if found == int(count) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
