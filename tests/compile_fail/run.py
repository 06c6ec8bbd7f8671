#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that what must not compile does not, and that the compiler says why.

    run.py COMPILER [FLAG ...]

Every *.cpp beside this script must fail to compile. Its lines `// EXPECT: <regex>` must all match the compiler's
output, and the first error must be the library's own message (it starts with "lamina:"), not a follow-up. A file that
names its own first error does so with `// FIRST: <regex>`. `// FLAGS: <flag> ...` adds flags, `// ERRORS: <n>` says how
many lines of errors there must be. control.cpp must compile. Exit status 0 if all this holds.
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def compile_one(command, source):
    """The exit status and the output of compiling one file (nothing is written)."""
    done = subprocess.run([*command, "-fsyntax-only", str(source)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def check(command, source):
    """What is wrong with one file; an empty list if nothing."""
    text = source.read_text(encoding="utf-8")
    notes = re.findall(r"^// (EXPECT|FIRST|FLAGS|ERRORS): (.+)$", text, re.MULTILINE)

    def told(word):
        return [rest for name, rest in notes if name == word]

    status, output = compile_one([*command, *" ".join(told("FLAGS")).split()], source)
    if source.stem == "control":
        return [] if status == 0 else ["does not compile: the failures of the others prove nothing\n" + output[:2000]]
    expected = told("EXPECT")
    first = told("FIRST") or ["lamina: "]
    if not expected or len(notes) != len(re.findall(r"\b(EXPECT|FIRST|FLAGS|ERRORS):", text)):
        return ["states no `// EXPECT: <regex>`, or one that does not begin its line"]
    if status == 0:
        return ["compiles, but must not"]
    wrong = [f"output does not match: {regex}" for regex in expected if not re.search(regex, output)]
    errors = [line for line in output.splitlines() if re.search(r"\berror:", line)]
    if not errors or not re.search(first[0], errors[0]):
        wrong.append(f"the first error is not the expected one ({first[0]}): {errors[0] if errors else 'none'}")
    if told("ERRORS") and len(errors) != int(told("ERRORS")[0]):
        wrong.append(f"{len(errors)} lines of errors, not {told('ERRORS')[0]}")
    if wrong:
        wrong.append(output[:3000])
    return wrong


def main(command):
    if not command:
        print(__doc__)
        return 2
    sources = sorted(HERE.glob("*.cpp"))
    if not any(source.stem == "control" for source in sources) or len(sources) < 2:
        print("compile_fail: control.cpp or the cases are missing")
        return 1
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(lambda source: check(command, source), sources)
        for source, wrong in zip(sources, results):
            failed += bool(wrong)
            for line in wrong:
                print(f"{source.name}: {line}")
    print(f"compile_fail: {len(sources) - failed} of {len(sources)} as expected ({command[0]})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
