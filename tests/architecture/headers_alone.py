#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone: headers_alone.py INCLUDE_FOLDER LIST_OF_HEADERS WORK_FOLDER COMPILER [FLAG...]

One translation unit checks a chain of headers, each of which includes the one before it, at least through others:
what a header gets from those before it, it has by its own includes, too. A third of the work of one unit each."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def direct_includes(text, is_toggled):
    """The headers of lamina that a header includes whatever macros say. Of those compiled once per target all lies in
    one #if."""
    depth, found = -1 if is_toggled else 0, []
    for line in text.split("\n"):
        word = re.match(r"\s*#\s*(if|endif|include)(?:n?def)?\b\s*(?:<(lamina/[^>]+)>)?", line)
        if not word:
            continue
        if word.group(1) == "include":
            if word.group(2) and depth == 0:
                found.append(word.group(2))
        else:
            depth += 1 if word.group(1) == "if" else -1
    return found


def closures(root, headers):
    """For each header, all that it includes."""
    known = {}

    def of(name):
        if name not in known:
            known[name] = set()
            for inner in direct_includes((root / name).read_text(encoding="utf-8"), name.endswith("-inl.hpp")):
                known[name] |= {inner} | of(inner)
        return known[name]

    return {name: of(name) & set(headers) for name in headers}


def chains(included):
    """The fewest lists of headers, each of which includes all before it (a matching of headers with successors)."""
    # Near the end of their lists are headers that include much: they are the ones to be preceded by much.
    order = sorted(included, key=lambda name: (len(included[name]), name))
    before = {}  # header -> the one before it
    after = {}

    def place(name, tried):
        for inner in sorted(included[name], key=lambda other: -len(included[other])):
            if inner in tried:
                continue
            tried.add(inner)
            if inner not in after or place(after[inner], tried):
                before[name], after[inner] = inner, name
                return True
        return False

    for name in order:
        place(name, set())
    lists = []
    for name in order:
        if name not in after:
            chain = [name]
            while chain[-1] in before:
                chain.append(before[chain[-1]])
            lists.append(chain[::-1])
    return lists


def main():
    root, headers, work = Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8").split(), Path(sys.argv[3])
    work.mkdir(parents=True, exist_ok=True)

    def compile_chain(numbered):
        number, chain = numbered
        source = work / f"chain_{number}.cpp"
        source.write_text("".join(f"#include <{name}>\n" for name in chain), encoding="utf-8")
        done = subprocess.run([*sys.argv[4:], "-fsyntax-only", source], capture_output=True, text=True, check=False)
        return chain, done.returncode, done.stdout + done.stderr

    lists = chains(closures(root, headers))
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chain, code, text in pool.map(compile_chain, enumerate(lists)):
            if code != 0:
                failed += 1
                print(f"error: one of these does not compile alone: {' '.join(chain)}\n{text}")
    print(f"{len(headers)} headers in {len(lists)} translation units, {failed} failed")
    return 1 if failed or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
