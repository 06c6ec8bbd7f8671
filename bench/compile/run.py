#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what a model type costs to compile: seconds, memory, object size, functions, templates.

    python3 bench/compile/run.py [--compilers g++,clang++] [--variants e2b,26b_a4b] [--flags "-O2 -march=native"]

Compiles, one after the other and with nothing written but a temporary object: `schedule`, the compile-time facts of a
variant without any kernel; `model`, one variant with its kernels called through the shared table; `kernels`, the shared
table itself. Functions are what `nm` counts in the object, templates those of them that
instantiate a template (what was inlined everywhere leaves none).
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
#include <lamina/forward/model_entry-inl.hpp>
#include <lamina/variants/{header}>
const lamina::ModelEntry& entry() {{ return lamina::native::make_model_entry<lamina::{type}>(); }}
"""
KERNELS = "#include <lamina/linear/define_linear.hpp>\n"


def units(names):
    """(name, source text) of everything to compile."""
    yield "kernels", KERNELS
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
    command = [compiler, "-std=c++20", *flags, "-fno-exceptions", "-fno-rtti", f"-I{PROJECT / 'include'}", "-c",
               str(source), "-o", str(target)]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise SystemExit(f"compile: {shlex.join(command)}\n{errors.read()[:3000]}")
    symbols = symbols_of(target)
    return {"seconds": round(usage.ru_utime + usage.ru_stime, 2), "peak_memory_bytes": usage.ru_maxrss * 1024,
            "object_bytes": target.stat().st_size, "functions": len(symbols),
            "templates": sum(re.match(r"_ZN?.*I.*E", name) is not None for name in symbols)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compilers", default="g++,clang++", help="those that are not installed are left out")
    parser.add_argument("--variants", default="", help="such as e2b,26b_a4b (default: all)")
    parser.add_argument("--flags", default="-O2 -march=native")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    compilers = [name for name in arguments.compilers.split(",") if shutil.which(name)]
    if not compilers:
        parser.error(f"not installed: {arguments.compilers}")
    names = [name for name in arguments.variants.split(",") if name]
    rows = []
    if not arguments.json:
        print(f"{'unit':<20}{'compiler':<12}{'seconds':>9}{'peak MB':>9}{'object KB':>11}{'functions':>11}"
              f"{'templates':>11}")
    with tempfile.TemporaryDirectory(prefix="lamina-compile-") as folder:
        for name, text in units(names):
            for compiler in compilers:
                row = {"unit": name, "compiler": compiler,
                       **compile_one(compiler, shlex.split(arguments.flags), text, pathlib.Path(folder))}
                rows.append(row)
                if not arguments.json:
                    print(f"{name:<20}{compiler:<12}{row['seconds']:>9.2f}{row['peak_memory_bytes'] / 1e6:>9.0f}"
                          f"{row['object_bytes'] / 1e3:>11.0f}{row['functions']:>11}{row['templates']:>11}",
                          flush=True)
    if arguments.json:
        print(json.dumps({"bench": {"name": "compile", "flags": arguments.flags}, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
