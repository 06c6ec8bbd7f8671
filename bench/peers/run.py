#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs lamina and llama.cpp in turns on the same GGUF file and prints the ratios of their speeds.

    python3 bench/peers/run.py MODEL.gguf --tests p512,n64,n32@4096,n32x8 --threads 1,2 --rounds 3

llama.cpp comes prebuilt from the npm package node-llama-cpp, into a scratch folder outside the project; nothing of it
is kept here. Needs: npm, git, a C compiler, and bench_model (cmake --preset release && cmake --build --preset release).
A test is p512 (a prompt of 512 tokens), n64 (64 tokens decoded one by one) or n32x8 (32 tokens each of 8 sequences that
decode together; the speed is of all), with @4096 behind it after that many tokens. Every round starts each engine once; lamina measures the machine before and after its tests. The ratio is the
median of the rounds' ratios, because machines change their speed between rounds. Exit status 0 if all ran.
--ik names the llama-bench of an ik_llama.cpp that you built: it runs in the same rounds, with weights repacked when they
are loaded (-rtr 1), and gets a table of its own.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
VERSION = "3.22.1"
IK = "ik_llama.cpp"
PLATFORMS = {"x86_64": "linux-x64", "aarch64": "linux-arm64", "riscv64": "linux-riscv64"}


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, **options):
    """The output of a command; ends the program with its words if it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"peers: status {done.returncode}: {' '.join(str(word) for word in command)}\n{done.stdout}")
    return done.stdout


def get_llama(scratch):
    """Installs llama.cpp below `scratch` unless it is there, compiles the driver; its path and the libraries'."""
    flavour = PLATFORMS.get(platform.machine())
    if flavour is None:
        raise SystemExit(f"peers: node-llama-cpp {VERSION} has no prebuilt llama.cpp for {platform.machine()}")
    scratch.mkdir(parents=True, exist_ok=True)
    libraries = scratch / "node_modules" / "@node-llama-cpp" / flavour / "bins" / flavour
    if not libraries.is_dir():
        say(f"getting llama.cpp (node-llama-cpp {VERSION}) with npm into {scratch} ...")
        run(["npm", "install", "--prefix", scratch, "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund",
             f"node-llama-cpp@{VERSION}", f"@node-llama-cpp/{flavour}@{VERSION}"])
    headers = scratch / "headers"
    if not headers.is_dir():
        bundle = scratch / "node_modules" / "node-llama-cpp" / "llama" / "gitRelease.bundle"
        run(["git", "clone", "--quiet", bundle, headers])
    found = [sorted(libraries.glob(pattern))[:1] for pattern in
             ("libllama.*so*", "libggml.*so*", "libggml-base.*so*")]
    if not all(found):
        raise SystemExit(f"peers: llama.cpp's libraries are not all in {libraries}")
    driver = scratch / "llama_peer"
    run([os.environ.get("CC", "cc"), "-O2", f"-I{headers / 'include'}", f"-I{headers / 'ggml' / 'include'}",
         HERE / "llama_peer.c", "-o", driver, *[files[0] for files in found], f"-Wl,-rpath,{libraries}", "-lm"])
    return driver, libraries


def read_once(path):
    """Brings the file into the page cache."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def timed(command):
    """Output and peak memory in bytes of a process."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([str(word) for word in command], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"peers: status {process.returncode}: {' '.join(str(word) for word in command)}")
        out.seek(0)
        return out.read(), usage.ru_maxrss * 1024


def run_lamina(program, model, threads, tests):
    output, memory = timed([program, model, "--tests", tests, "--threads", threads, "--repeats", 1, "--deepest",
                            1 << 30, "--json"])
    document = json.loads(output)
    speeds = {(row["test"], row["tokens"], row["depth"]): row["tokens_per_s"]["median"] for row in document["rows"]}
    return speeds, memory, document


def run_llama(driver, libraries, model, threads, tests):
    output, memory = timed([driver, libraries, model, threads, "bench", tests])
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {(row["test"], row["tokens"], row["depth"]): row["tokens_per_s"] for row in rows}, memory


def run_ik(program, model, threads, tests):
    """Speeds of ik_llama.cpp's llama-bench. It has no test behind a filled cache but -gp, whose time counts both parts,
    and none of sequences that decode together."""
    tests = [test for test in tests.split(",") if "@" not in test and "x" not in test]
    lengths = {kind: ",".join(test[1:] for test in tests if test[0] == kind) or "0" for kind in "pn"}
    output, memory = timed([program, "-m", model, "-t", threads, "-p", lengths["p"], "-n", lengths["n"], "-r", 1, "-rtr", 1,
                            "-o", "json"])
    speeds = {}
    for row in json.loads(output):
        test = ("prefill", row["n_prompt"], 0) if row["n_prompt"] else ("decode", row["n_gen"], 0)
        speeds[test] = row["avg_ts"]
    return speeds, memory


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def compare(arguments, threads, driver, libraries):
    """One row per test, of all rounds with one number of threads; and what the rounds measured of the machine."""
    engines = ["lamina", "llama.cpp"] + ([IK] if arguments.ik else [])
    speeds = {engine: [] for engine in engines}
    memories = {engine: [] for engine in engines}
    machine, costs = [], {}
    for number in range(arguments.rounds):
        for engine in engines if number % 2 == 0 else engines[::-1]:
            say(f"{threads} threads, round {number + 1} of {arguments.rounds}: {engine}")
            if engine == "lamina":
                found, memory, document = run_lamina(arguments.lamina, arguments.model, threads, arguments.tests)
                machine.append({"threads": threads, "round": number, "before": document["machine"][0],
                                "after": document["machine"][1]})
                costs = {(row["test"], row["tokens"], row["depth"]): row for row in document["rows"]}
            elif engine == IK:
                found, memory = run_ik(arguments.ik, arguments.model, threads, arguments.tests)
            else:
                found, memory = run_llama(driver, libraries, arguments.model, threads, arguments.tests)
            speeds[engine].append(found)
            memories[engine].append(memory)
    bandwidth = statistics.median(probe[when]["bytes_per_s"] for probe in machine for when in ("before", "after"))
    rows = []
    for test in speeds["lamina"][0]:
        ours = [found[test] for found in speeds["lamina"]]
        theirs = [found[test] for found in speeds["llama.cpp"]]
        row = {
            "test": test[0], "tokens": test[1], "sequences": costs[test]["sequences"], "depth": test[2],
            "threads": threads,
            "lamina": spread(ours), "llama.cpp": spread(theirs),
            "ratio": spread([our / their for our, their in zip(ours, theirs)]),
            "bytes_per_token": costs[test]["bytes_per_token"],
            "share_of_bandwidth": statistics.median(ours) * costs[test]["bytes_per_token"] / bandwidth,
            "lamina_peak_rss_bytes": max(memories["lamina"]), "llama.cpp_peak_rss_bytes": max(memories["llama.cpp"])}
        if arguments.ik and test in speeds[IK][0]:
            others = [found[test] for found in speeds[IK]]
            row.update({IK: spread(others), f"ratio_to_{IK}": spread([our / other for our, other in zip(ours, others)]),
                        f"{IK}_peak_rss_bytes": max(memories[IK])})
        rows.append(row)
    return rows, machine


def print_table(rows):
    print(f"{'test':<18}{'threads':>8}{'lamina':>10}{'min - max':>18}{'llama.cpp':>11}{'min - max':>18}"
          f"{'ratio':>8}{'min - max':>14}{'bandwidth':>11}")
    for row in rows:
        name = row["test"] if row["sequences"] > 1 else f"{row['test']} {row['tokens']}"
        name += f" @{row['depth']}" if row["depth"] else ""
        columns = [f"{name:<18}{row['threads']:>8}"]
        for engine, width in (("lamina", 10), ("llama.cpp", 11)):
            one = row[engine]
            columns.append(f"{one['median']:>{width}.2f}{one['min']:>9.2f} -{one['max']:>7.2f}")
        ratio = row["ratio"]
        columns.append(f"{ratio['median']:>8.2f}{ratio['min']:>7.2f} -{ratio['max']:>5.2f}")
        columns.append(f"{100 * row['share_of_bandwidth']:>9.1f} %" if row["test"] != "prefill" else "")
        print("".join(columns))
    print(f"peak RSS, mapped file pages included: lamina {max(r['lamina_peak_rss_bytes'] for r in rows) / 1e9:.2f} GB, "
          f"llama.cpp {max(r['llama.cpp_peak_rss_bytes'] for r in rows) / 1e9:.2f} GB")
    for row in rows:
        if IK in row:
            ratio = row[f"ratio_to_{IK}"]
            print(f"{IK} {row['test']} {row['tokens']}, {row['threads']} threads: {row[IK]['median']:.2f} tokens/s, "
                  f"ratio {ratio['median']:.2f} ({ratio['min']:.2f} - {ratio['max']:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="GGUF file that both engines read")
    parser.add_argument("--tests", default="p512,n64,n32@4096")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, such as 1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lamina", type=pathlib.Path, default=PROJECT / "build" / "release" / "bin" / "bench_model")
    parser.add_argument("--scratch", type=pathlib.Path,
                        default=pathlib.Path(tempfile.gettempdir()) / f"lamina-peers-{VERSION}",
                        help="folder for llama.cpp, outside the project (default: %(default)s)")
    parser.add_argument("--ik", type=pathlib.Path, help="llama-bench of ik_llama.cpp, to run beside them")
    parser.add_argument("--json", type=pathlib.Path, help="also write all figures to this file")
    arguments = parser.parse_args()
    if not arguments.model.is_file():
        parser.error(f"no such file: {arguments.model}")
    if not arguments.lamina.is_file():
        parser.error(f"no such program: {arguments.lamina} (build it, or name it with --lamina)")
    if arguments.ik and not arguments.ik.is_file():
        parser.error(f"no such program: {arguments.ik}")
    if PROJECT in arguments.scratch.resolve().parents:
        parser.error("--scratch: choose a folder outside the project")
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    driver, libraries = get_llama(arguments.scratch)
    read_once(arguments.model)
    rows, machine = [], []
    for threads in arguments.threads.split(","):
        more_rows, more_machine = compare(arguments, int(threads), driver, libraries)
        rows += more_rows
        machine += more_machine
    print_table(rows)
    if arguments.json:
        document = {"bench": {"name": "peers", "file": arguments.model.name, "llama.cpp": f"node-llama-cpp {VERSION}",
                              "rounds": arguments.rounds}, "rows": rows, "machine": machine}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
