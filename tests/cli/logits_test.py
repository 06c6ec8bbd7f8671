# SPDX-License-Identifier: Apache-2.0
"""`lamina logits`: shape, agreement of its two outputs, and the same bits for all chunk sizes and thread counts."""

import array
import json

import program
from program import GOLDEN, Case, golden

TOKENS = [2] + [(37 * i) % 700 + 60 for i in range(69)]  # longer than the demo's window of 64
LIST = ",".join(map(str, TOKENS))
VOCAB = 768


class Logits(Case):
    def logits(self, *flags):
        path = self.folder / "logits.bin"
        self.good("logits", "--tokens", LIST, "--out", path, *flags)
        return path.read_bytes()

    def test_out_and_json_agree(self):
        rows = array.array("f")
        rows.frombytes(self.logits())
        document = self.good("logits", "--tokens", LIST, "--json").json()
        self.assertEqual(document["shape"], [len(TOKENS), VOCAB])
        self.assertEqual(len(rows), len(TOKENS) * VOCAB)
        for i, best in enumerate(document["argmax"]):
            row = rows[i * VOCAB:(i + 1) * VOCAB]
            self.assertEqual(row.index(max(row)), best)
            self.assertLessEqual(max(row), 30)  # the soft cap

    def test_same_bits_for_chunks_and_threads(self):
        for precision in ("fast", "exact"):
            reference = self.logits("--precision", precision, "--threads", "1")
            self.assertEqual(len(reference), 4 * len(TOKENS) * VOCAB)
            for chunk in (1, 3, 16, len(TOKENS)):
                for threads in (1, 2, 3):
                    with self.subTest(precision=precision, chunk=chunk, threads=threads):
                        same = self.logits("--precision", precision, "--chunk", chunk, "--threads", threads)
                        self.assertTrue(same == reference)

    def test_precisions_and_caches_differ(self):
        results = {self.logits(*flags) for flags in (
            ["--precision", "fast"], ["--precision", "exact"], ["--precision", "exact", "--cache", "bf16"],
            ["--precision", "fast", "--cache", "int8"])}
        self.assertEqual(len(results), 4)
        self.assertEqual(self.logits("--precision", "exact"), self.logits("--precision", "exact", "--cache", "f32"))

    def test_each_class_of_layers_has_its_cache_format(self):
        of = {cache: self.logits("--cache", cache) for cache in ("bf16", "int8", "global=int8", "local=int8")}
        self.assertEqual(len(set(of.values())), 4)
        self.assertEqual(self.logits("--cache", "local=bf16,global=int8"), of["global=int8"])
        self.assertEqual(self.logits("--cache", "global=int8,local=int8"), of["int8"])
        # The class that is left out is as without the flag.
        self.assertEqual(self.logits("--precision", "exact", "--cache", "global=int8"),
                         self.logits("--precision", "exact", "--cache", "local=f32,global=int8"))

    def test_prompt_is_raw_text_with_one_bos(self):
        for text in ("<|turn>user\nHi<turn|>\n", "<bos><|turn>user\nHi<turn|>\n"):
            document = self.good("logits", "--prompt", text, "--json").json()
            ids = self.good("tokenize", "--jsonl", "--special",
                            stdin=json.dumps({"text": "<bos><|turn>user\nHi<turn|>\n"})).json()["ids"]
            self.assertEqual(document["shape"], [len(ids), VOCAB])

    def test_reference_logits_of_a_small_model(self):
        for name in ("tiny-e2b", "tiny-31b"):
            model = GOLDEN / "text" / name
            if not (model / "cases.json").exists():
                self.skipTest("no reference data")
            case = next(case for case in golden(f"text/{name}/cases.json")["cases"] if case["name"] == "p5")
            tokens = ",".join(map(str, case["prompt"]))
            for path in (model, model / "model.gguf"):
                if not path.exists():
                    continue
                best = self.good("logits", "-m", path, "--precision", "exact", "--tokens", tokens, "--json").json()["argmax"]
                first = case["logits_first_position"]
                self.assertEqual(best[first:first + len(case["argmax"])], case["argmax"], path)

    def test_unwritable_file(self):
        self.bad(1, "logits", "--tokens", "2", "--out", self.folder / "no" / "such" / "folder")


if __name__ == "__main__":
    program.main()
