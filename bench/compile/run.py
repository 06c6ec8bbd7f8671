#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what a model type costs to compile: seconds, memory, code size, functions, templates.

    python3 bench/compile/run.py [--compilers g++,clang++] [--variants e2b,26b_a4b] [--flags "-O2 -march=native"]
    python3 bench/compile/run.py --check bench/compile/expected.json [--compilers g++]

Compiles, one after the other and with nothing written but a temporary object: `session`, what an application includes;
`kernels` and `attention`, what all models share; `schedule`, the compile-time facts of a variant without any kernel;
`model`, one variant that calls the shared kernels; with --dispatch also `plain`, the demo model by the plain header for
every target of Highway. Functions are what `nm` counts in the object, templates those of them that instantiate a template
(what was inlined everywhere leaves none).

--check compares functions and code bytes of the units in the file with it: more than 3 % above is an error, more than 10 %
below asks for a new file (--write). They depend on the compiler's and Highway's versions, not on the machine: with others
than the file's the check ends with status 77.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
VARIANTS = PROJECT / "include" / "lamina" / "variants"

SCHEDULE = """#include <lamina/schedule.hpp>
#include <lamina/variants/{header}>
constexpr auto description = lamina::describe<lamina::{type}>();
static_assert(description.layer_count == lamina::layer_count<lamina::{type}>);
"""
MODEL = """#define LAMINA_EXTERN_LINEAR_KERNELS
#define LAMINA_EXTERN_ATTENTION_KERNELS
#include <lamina/forward/model_entry-inl.hpp>
#include <lamina/variants/{header}>
const lamina::ModelEntry& entry() {{ return lamina::native::make_model_entry<lamina::{type}>(); }}
"""
SHARED = {
    "session": "#include <lamina/session.hpp>\n",
    "kernels": "#include <lamina/linear/define_linear.hpp>\n",
    "attention": "#include <lamina/attention/define_attention.hpp>\n",
}
PLAIN = """#include "models/demo.hpp"
#define LAMINA_DISPATCH_MODEL lamina::models::Demo
#include <lamina/dispatch/define.hpp>
"""
CHECK_FLAGS = "-O2 -march=x86-64-v3"
MORE, LESS = 1.03, 0.9
SKIPPED = 77


def units(names):
    """(name, source text) of everything to compile."""
    yield from SHARED.items()
    for header in sorted(VARIANTS.glob("gemma4_*.hpp")):
        stem = header.stem.removeprefix("gemma4_")
        found = re.search(r"struct (\w+) \{", header.read_text(encoding="utf-8"))
        if found and (not names or stem in names):
            yield f"schedule {stem}", SCHEDULE.format(header=header.name, type=found.group(1))
            yield f"model {stem}", MODEL.format(header=header.name, type=found.group(1))


def symbols_of(path):
    """Mangled names of the functions that an object defines."""
    listed = subprocess.run(["nm", "--defined-only", str(path)], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in listed.splitlines() if re.match(r"\S+ [tTwW] ", line)}


def compile_one(compiler, flags, text, folder):
    source, target = folder / "unit.cpp", folder / "unit.o"
    source.write_text(text, encoding="utf-8")
    command = [compiler, "-std=c++20", *flags, "-fno-exceptions", "-fno-rtti", f"-I{PROJECT / 'include'}",
               f"-I{PROJECT / 'examples'}", "-c", str(source), "-o", str(target)]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise SystemExit(f"compile: {shlex.join(command)}\n{errors.read()[:3000]}")
    symbols = symbols_of(target)
    sizes = subprocess.run(["size", str(target)], capture_output=True, text=True, check=True).stdout
    return {"seconds": round(usage.ru_utime + usage.ru_stime, 2), "peak_memory_bytes": usage.ru_maxrss * 1024,
            "code_bytes": int(sizes.splitlines()[1].split()[0]), "functions": len(symbols),
            "templates": sum(re.match(r"_ZN?.*I.*E", name) is not None for name in symbols)}


def versions_of(compiler):
    """What code size and functions depend on: compiler and Highway."""
    macros = ["__VERSION__", "HWY_MAJOR", "HWY_MINOR", "HWY_PATCH"]
    source = "#include <lamina/simd/prelude.hpp>\n" + "".join(f"lamina_version {name}\n" for name in macros)
    command = [compiler, "-std=c++20", "-DLAMINA_NO_TARGET_WARNING", f"-I{PROJECT / 'include'}", "-E", "-P", "-x", "c++", "-"]
    text = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    numbers = re.findall(r"^lamina_version (.*)$", text, re.M)
    return {"compiler": f"GCC {numbers[0].strip(chr(34)).split()[0]}", "highway": ".".join(numbers[1:])}


def check(path, compiler, write):
    """Compares the units that the file names with it; returns the status to end with."""
    expected = json.loads(path.read_text(encoding="utf-8"))
    versions = versions_of(compiler)
    if not write and versions != expected["versions"]:
        print(f"skipped: recorded with {expected['versions']}, here are {versions}")
        return SKIPPED
    sources = dict(units([]))
    faults = 0
    with tempfile.TemporaryDirectory(prefix="lamina-compile-") as folder:
        for name, counts in expected["units"].items():
            row = compile_one(compiler, shlex.split(CHECK_FLAGS), sources[name], pathlib.Path(folder))
            for key, before in counts.items():
                ratio = row[key] / before
                print(f"{name}: {key} {before} -> {row[key]} ({ratio:.3f})")
                faults += not write and not LESS <= ratio <= MORE
                counts[key] = row[key]
    if write:
        path.write_text(json.dumps({"versions": versions, "units": expected["units"]}, indent=1) + "\n", encoding="utf-8")
    elif faults:
        print("more code for one model costs every build: find out what it is; if it is worth it, record it with --write")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compilers", default="g++,clang++", help="those that are not installed are left out")
    parser.add_argument("--variants", default="", help="such as e2b,26b_a4b (default: all)")
    parser.add_argument("--flags", default="-O2 -march=native")
    parser.add_argument("--dispatch", action="store_true", help="compile the plain header of dispatch, too: a minute")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="with --check: write the file anew")
    arguments = parser.parse_args()
    compilers = [name for name in arguments.compilers.split(",") if shutil.which(name)]
    if not compilers:
        parser.error(f"not installed: {arguments.compilers}")
    if arguments.check:
        return check(arguments.check, compilers[0], arguments.write)
    names = [name for name in arguments.variants.split(",") if name]
    rows = []
    if not arguments.json:
        print(f"{'unit':<20}{'compiler':<12}{'seconds':>9}{'peak MB':>9}{'object KB':>11}{'functions':>11}"
              f"{'templates':>11}")
    with tempfile.TemporaryDirectory(prefix="lamina-compile-") as folder:
        plain_flags = [flag for flag in shlex.split(arguments.flags) if not flag.startswith("-m")]
        jobs = [(name, text, shlex.split(arguments.flags)) for name, text in units(names)]
        if arguments.dispatch:
            jobs.append(("plain", PLAIN, plain_flags))
        for name, text, flags in jobs:
            for compiler in compilers:
                row = {"unit": name, "compiler": compiler,
                       **compile_one(compiler, flags, text, pathlib.Path(folder))}
                rows.append(row)
                if not arguments.json:
                    print(f"{name:<20}{compiler:<12}{row['seconds']:>9.2f}{row['peak_memory_bytes'] / 1e6:>9.0f}"
                          f"{row['code_bytes'] / 1e3:>11.0f}{row['functions']:>11}{row['templates']:>11}",
                          flush=True)
    if arguments.json:
        print(json.dumps({"bench": {"name": "compile", "flags": arguments.flags}, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
