#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the benches once, as small as they get, so that they cannot rot: bench_test.py BENCH_LAYERS BENCH_MODEL DEMO."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LAYERS, MODEL, DEMO = sys.argv[1:4]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def document(*command):
    done = run(*command, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Layers(unittest.TestCase):
    def test_every_kind_format_and_row_count_is_timed(self):
        found = document(LAYERS, "demo", "--formats", "q8_0,bf16", "--rows", "1,3", "--depths", "0,9", "--repeats", "1",
                         "--footprint", "1", "--threads", "1,2")
        kinds = {row["kind"] for row in found["rows"]}
        self.assertEqual(len(kinds), 4)
        self.assertEqual(len(found["rows"]), 4 * 2 * 2 * 2 * 2)
        for row in found["rows"]:
            self.assertGreater(row["seconds"], 0)
            self.assertGreater(row["bytes"], 0)
            self.assertGreater(row["flop"], 0)
            self.assertIn(row["kernel"].split()[0], ("Q8_0", "BF16"))

    def test_experts_and_shared_keys_and_values(self):
        found = document(LAYERS, "26b-a4b", "--formats", "q4_0", "--rows", "1", "--repeats", "1", "--footprint", "1")
        self.assertEqual([row["layers"] for row in found["rows"]], [25, 5])

    def test_wrong_usage(self):
        for words in (["no-such-variant"], ["demo", "--formats", "no-such-format"], ["demo", "--rows", "x"],
                      ["demo", "-z"]):
            with self.subTest(words=words):
                self.assertEqual(run(LAYERS, *words).returncode, 2)


class Model(unittest.TestCase):
    def test_tests_depths_and_explanation(self):
        found = document(MODEL, DEMO, "--tests", "p8,n2,n2@20,n2@9000,n2x3,n2x3@20", "--repeats", "1", "--deepest", "100",
                         "--explain", "--threads", "2")
        self.assertEqual([(row["test"], row["depth"]) for row in found["rows"]],
                         [("prefill", 0), ("decode", 0), ("decode", 20), ("n2x3", 0), ("n2x3", 20)])
        self.assertEqual([row["sequences"] for row in found["rows"]], [1, 1, 1, 3, 3])
        self.assertLess(found["rows"][3]["bytes_per_token"], found["rows"][1]["bytes_per_token"] / 2)
        self.assertEqual(found["rows"][2]["measured_depth"], 20)
        self.assertGreater(found["rows"][2]["bytes_per_token"], found["rows"][1]["bytes_per_token"])
        self.assertEqual(len(found["explained"]), 3)
        # The machine may be busy: within a factor, not within percents.
        for row in found["explained"]:
            self.assertLess(abs(row["quotient"]["median"] - 1), 0.8)
        prompt = [row["kind"] for row in found["kinds"] if row["test"] == "prefill"]
        self.assertTrue(any(kind.endswith("last owner") for kind in prompt), prompt)
        with tempfile.TemporaryDirectory() as folder:
            results = pathlib.Path(folder) / "model.json"
            results.write_text(json.dumps(found), encoding="utf-8")
            plotted = run(sys.executable, "-B", HERE / "plot.py", results, "--out", folder)
            self.assertEqual(plotted.returncode, 0, plotted.stderr)
            for name in ("depth.svg", "prefill.svg", "kinds.svg"):
                self.assertIn("</svg>", (pathlib.Path(folder) / name).read_text(encoding="utf-8"))

    def test_wrong_usage(self):
        for words in ([], [DEMO, "--tests", "q5"], [DEMO, "--tests", "p5@"], [DEMO, "--tests", "n5x0"],
                      [DEMO, "--tests", "p5x2"], [DEMO, "--repeats", "0"]):
            with self.subTest(words=words):
                self.assertEqual(run(MODEL, *words).returncode, 2)
        self.assertEqual(run(MODEL, HERE / "no-such-file.gguf").returncode, 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
