# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: running the program `lamina`, reference data, files made for one test.

Each *_test.py is called with the program's path as its first argument; what follows goes to unittest."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None
GOLDEN = pathlib.Path(os.environ.get("LAMINA_GOLDEN") or pathlib.Path(__file__).resolve().parents[1] / "golden")
MEDIA = pathlib.Path(__file__).resolve().parents[2] / "examples/media"
DEMO = pathlib.Path(__file__).resolve().parents[2] / "examples/lamina/demo/demo-q8_0.gguf"


class Outcome:
    """What one call of the program left behind."""

    def __init__(self, done):
        self.code = done.returncode
        self.raw = done.stdout
        self.out = done.stdout.decode("utf-8")  # fails when the program writes broken UTF-8
        self.err = done.stderr.decode("utf-8")

    def json(self):
        return json.loads(self.out)

    def lines(self):
        # Not splitlines: documents may hold other line separators.
        return [json.loads(line) for line in self.out.split("\n") if line]


def lamina(*arguments, stdin=b"", timeout=120):
    if isinstance(stdin, str):
        stdin = stdin.encode("utf-8")
    done = subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout, check=False)
    return Outcome(done)


def golden(relative):
    """A JSON file of the reference data."""
    return json.loads((GOLDEN / relative).read_text("utf-8"))


class Case(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def good(self, *arguments, **options):
        """Runs the program and expects success."""
        outcome = lamina(*arguments, **options)
        self.assertEqual(outcome.code, 0, outcome.err)
        return outcome

    def bad(self, code, *arguments, **options):
        """Runs the program and expects `code`, a line "lamina: ..." and no crash."""
        outcome = lamina(*arguments, **options)
        self.assertEqual(outcome.code, code, outcome.out + outcome.err)
        self.assertTrue(outcome.err.startswith("lamina: "), outcome.err)
        self.assertLessEqual(len(outcome.err.strip().split("\n")), 2, outcome.err)
        for line in outcome.err.strip().split("\n")[1:]:
            self.assertTrue(line.startswith("hint: "), outcome.err)
        return outcome


def main():
    global PROGRAM
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH_OF_LAMINA [unittest arguments]")
    PROGRAM = sys.argv.pop(1)
    unittest.main(module="__main__")
