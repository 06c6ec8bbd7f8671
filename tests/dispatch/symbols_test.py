#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the objects of CPU levels: nothing of them may meet the program or another level but their entries.

    symbols_test.py NM OBJDUMP LEVEL.o...

Each object may define one kind of outside symbol, lamina_entry_*, keeps no group that the linker would merge with one of
another level, and has no code that runs before main (it would run on every CPU).
"""

import re
import subprocess
import sys


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def faults(nm, objdump, path):
    outside = [line.split() for line in output(nm, "--defined-only", "--extern-only", path).splitlines() if " " in line]
    names = [fields[-1] for fields in outside]
    if not names:
        yield "defines nothing"
    for fields in outside:
        if fields[-2] != "T" or not fields[-1].startswith("lamina_entry_"):
            yield f"shows {' '.join(fields[-2:])}"
    sections = output(objdump, "--section-headers", path)
    for name in re.findall(r"^ +\d+ (\S+)", sections, re.M):
        if re.match(r"\.(group|(init|preinit|fini)_array|ctors|dtors|gnu\.linkonce)", name):
            yield f"has section {name}"
    if "LINK_ONCE" in sections:
        yield "has sections that the linker merges"


def main(nm, objdump, *paths):
    count = 0
    for path in paths:
        for fault in faults(nm, objdump, path):
            print(f"{path}: {fault}")
            count += 1
    return 1 if count or not paths else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
