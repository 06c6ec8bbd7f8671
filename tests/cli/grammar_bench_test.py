# SPDX-License-Identifier: Apache-2.0
"""The scripts of bench/grammar, run small, so that they cannot rot: what they promise as JSON is there."""

import json
import pathlib
import subprocess
import sys

import program
from program import DEMO, GOLDEN, Case

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "bench/grammar"
TOKENIZER = GOLDEN / "tokenizer/small.tokenizer.json"
SCHEMA = {"type": "object", "properties": {"is_word": {"type": "boolean"}}, "required": ["is_word"], "additionalProperties": False}


class Scripts(Case):
    def script(self, name, *arguments, code=0):
        done = subprocess.run([sys.executable, "-B", SCRIPTS / name, *map(str, arguments)], capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done.stdout.decode("utf-8")

    def write(self, name, document):
        path = self.folder / name
        path.write_text(json.dumps(document), "utf-8")
        return path

    def test_speed(self):
        schema = self.write("schema.json", SCHEMA)
        rows = {space: json.loads(self.script("speed.py", program.PROGRAM, "--schema", schema, "--tokens", "8", "--rounds", "2",
                                              "--json-space", space)) for space in ("any", "none")}
        for space, found in rows.items():
            with self.subTest(space=space):
                self.assertEqual(list(found), ["free", str(schema)])
                free, ours = found.values()
                self.assertEqual((free["passes"], free["forced"]), (16, 0))
                self.assertIn(ours["characters"], (2 * 16, 16 + 17, 2 * 17))
                self.assertAlmostEqual(ours["to_free"], ours["characters_per_s"] / free["characters_per_s"])
                self.assertLessEqual(ours["rounds"][0], ours["median_of_rounds"])
                self.assertGreater(ours["forced"], ours["passes"])
        self.assertEqual(rows["none"][str(schema)]["passes"], 2)  # nothing is drawn but the value

    def test_masks(self):
        folder = self.folder / "files"
        folder.mkdir()
        tests = [{"valid": True, "data": {"is_word": True}}, {"valid": False, "data": {"is_word": 1}}]
        self.write("files/a.json", {"schema": SCHEMA, "tests": tests})
        self.write("files/b.json", {"schema": {"unevaluatedItems": False}, "tests": tests})
        flags = ("--lamina", program.PROGRAM, "--tokenizer", TOKENIZER, folder)
        for more in ((), ("--writing",)):
            found = json.loads(self.script("run.py", *flags, *more))
            self.assertEqual([found[key] for key in ("passes", "refused", "fails", "wrong")], [1, 1, 0, 0])
            self.assertGreater(found["masks"], 4)
            self.assertLessEqual(found["mask_us"]["p99"], found["mask_us"]["max"])
            self.assertEqual(found["mask_us"]["max_in"], "a.json")
            self.assertLessEqual(found["p99_of_files"]["median"], found["p99_of_files"]["max"])
        tests[1]["valid"] = True  # what the schema does not let through
        self.write("files/a.json", {"schema": SCHEMA, "tests": tests})
        self.assertEqual(json.loads(self.script("run.py", *flags))["fails"], 1)
        tests[0]["valid"] = False  # what it does
        self.write("files/a.json", {"schema": SCHEMA, "tests": tests})
        self.assertEqual(json.loads(self.script("run.py", *flags, code=1))["wrong"], 1)

    def test_suite(self):
        folder = self.folder / "draft"
        folder.mkdir()
        tests = [{"description": "fits", "valid": True, "data": {"is_word": True}}, {"description": "does not", "valid": False, "data": [1]}]
        groups = [{"description": "word", "schema": SCHEMA, "tests": tests},
                  {"description": "odd", "schema": {"unevaluatedItems": False}, "tests": tests}]
        self.write("draft/words.json", groups)
        for space, agree in (("any", 2), ("none", 4)):
            found = json.loads(self.script("suite.py", program.PROGRAM, folder, "--json-space", space))
            self.assertEqual((found["agree"], found["disagree"], found["stopped_formats"]), (agree, [], []))
            self.assertEqual(list(found["refused_places"].values()), [["words: odd"]])
        tests[1]["valid"] = True
        self.write("draft/words.json", groups)
        found = json.loads(self.script("suite.py", program.PROGRAM, folder, code=1))
        self.assertEqual(found["disagree"], ["words: word: does not"])

    def test_with_vocabulary(self):
        made = self.folder / "made.gguf"
        self.script("with_vocabulary.py", DEMO, TOKENIZER, made)
        texts = 'The answer, "well": [1, 2]\nand é\n'
        self.assertEqual(self.good("tokenize", "-m", made, stdin=texts).out, self.good("tokenize", "-m", TOKENIZER, stdin=texts).out)
        self.assertNotEqual(self.good("tokenize", "-m", made, stdin=texts).out, self.good("tokenize", "-m", DEMO, stdin=texts).out)
        self.assertEqual(made.read_bytes()[-4096:], DEMO.read_bytes()[-4096:])  # weights are as they were


if __name__ == "__main__":
    program.main()
