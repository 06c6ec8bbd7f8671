# SPDX-License-Identifier: Apache-2.0
"""What an object of a program without a heap may need from outside: plain memory and mathematics, nothing else.

  firmware_symbols.py OBJECT...        lists its sizes; exit code 1 and the names if it needs something else
  firmware_symbols.py --self-test CXX  objects that allocate, open files, print or start threads must be found out
"""

import pathlib
import subprocess
import sys
import tempfile

# An allow list: what is not known to be harmless is not harmless.
MEMORY = {"memchr", "memcmp", "memcpy", "memmove", "memset", "strlen"}
MATHEMATICS = {"cos", "exp", "exp2", "floor", "fmod", "ldexp", "log", "log2", "pow", "sin", "sincos", "sqrt", "cosf",
               "expf", "exp2f", "floorf", "fmodf", "ldexpf", "logf", "log2f", "powf", "sinf", "sincosf", "sqrtf", "tanhf"}
TOOLS = {"_GLOBAL_OFFSET_TABLE_"}  # the linker's own
OWN = "flash_"  # what the board links in

PLANTS = {
    "malloc": "#include <cstdlib>\nvoid* f(unsigned n) { return std::malloc(n); }",
    "new": "int* f(unsigned n) { return new int[n]; }",
    "delete": "void f(int* p) { delete p; }",
    "vector": "#include <vector>\nvoid f(std::vector<int>& v) { v.push_back(1); }",
    "mmap": "#include <sys/mman.h>\nvoid* f() { return mmap(nullptr, 1, 0, 0, -1, 0); }",
    "file": "#include <cstdio>\nvoid* f() { return std::fopen(\"x\", \"r\"); }",
    "print": "#include <cstdio>\nvoid f(int n) { std::printf(\"%d\", n); }",
    "format": "#include <cstdio>\nvoid f(char* s, int n) { std::snprintf(s, 9, \"%d\", n); }",
    "thread": "#include <pthread.h>\nint f(void* (*g)(void*)) { pthread_t t; return pthread_create(&t, nullptr, g, nullptr); }",
    "throw": "#include <string_view>\nstd::string_view f(std::string_view s, unsigned n) { return s.substr(n); }",
}


def needed(objects):
    """Names that no object of `objects` defines."""
    undefined, defined = set(), set()
    for path in objects:
        for line in subprocess.run(["nm", "-P", path], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
            name, kind = line.split()[:2]
            (undefined if kind in "Uw" else defined).add(name)
    return undefined - defined


def forbidden(objects):
    return sorted(name for name in needed(objects)
                  if name not in MEMORY | MATHEMATICS | TOOLS and not name.startswith(OWN))


def self_test(compiler):
    with tempfile.TemporaryDirectory() as folder:
        def build(name, source):
            path = pathlib.Path(folder) / f"{name}.o"
            subprocess.run([compiler, "-std=c++20", "-Os", "-fno-exceptions", "-fno-rtti", "-x", "c++", "-c", "-",
                            "-o", path], input=source, text=True, check=True)
            return path

        harmless = build("harmless", "#include <cmath>\n#include <cstring>\n"
                         "double f(char* a, char* b, unsigned n) { std::memmove(a, b, n); return std::cos(n); }")
        failed = [f"harmless: {names}" for names in [forbidden([harmless])] if names]
        failed += [f"{name}: not found" for name, source in PLANTS.items() if not forbidden([build(name, source)])]
    print("\n".join(failed) or f"{len(PLANTS)} plants found")
    return 1 if failed else 0


def main(arguments):
    if arguments[:1] == ["--self-test"]:
        return self_test(arguments[1])
    subprocess.run(["size", *arguments], check=True)
    names = forbidden(arguments)
    for name in names:
        print(f"not allowed: {name}")
    return 1 if names or not arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
