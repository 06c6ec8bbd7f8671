# SPDX-License-Identifier: Apache-2.0
"""`lamina pack`: its file answers like the original under every sub-command, and its errors leave nothing behind."""

import program
from program import DEMO, Case

TOKENS = "2,60,61,62,63"


class Pack(Case):
    def pack(self):
        out = self.folder / "demo.lguf"
        document = self.good("pack", "-m", DEMO, "-o", out, "--json").json()
        return out, document

    def logits(self, model, *flags):
        path = self.folder / "logits.bin"
        self.good("logits", "-m", model, "--tokens", TOKENS, "--out", path, *flags)
        return path.read_bytes()

    def test_document(self):
        out, document = self.pack()
        self.assertEqual(list(document), ["out", "bytes", "packed_bytes", "packed_tensors", "height", "seconds"])
        self.assertEqual(document["out"], str(out))
        self.assertEqual(document["bytes"], out.stat().st_size)
        self.assertIn(document["height"], (4, 8, 16, 32, 64))
        self.assertGreater(document["packed_tensors"], 10)
        self.assertLess(document["packed_bytes"], document["bytes"])
        self.assertEqual(out.read_bytes()[:4], b"LGUF")
        self.assertEqual([path.name for path in self.folder.iterdir()], ["demo.lguf"])

    def test_same_bits(self):
        out, _ = self.pack()
        for flags in ([], ["-t", "1"], ["--no-pack"], ["--precision", "exact"]):
            with self.subTest(flags=flags):
                packed = self.logits(out, *flags)
                self.assertEqual(len(packed), 4 * 5 * 768)
                self.assertTrue(packed == self.logits(DEMO, *flags))

    def test_every_sub_command_takes_it(self):
        out, _ = self.pack()
        self.assertEqual(self.good("run", "Reverse lamina.", "-m", out).out,
                         self.good("run", "Reverse lamina.", "-m", DEMO).out)
        self.assertEqual(self.good("tokenize", "-m", out, stdin="Hi\n").out,
                         self.good("tokenize", "-m", DEMO, stdin="Hi\n").out)
        packed, plain = (self.good("plan", "-m", path, "--json").json() for path in (out, DEMO))
        self.assertEqual(packed["total_bytes"], plain["total_bytes"] - plain["tokenizer_bytes"])
        for plan in (packed, plain):  # the tables of a packed file's tokenizer are used where they lie
            del plan["total_bytes"], plan["tokenizer_bytes"]
        self.assertEqual(packed, plain)
        self.good("bench", "-m", out, "--prompt", "4", "--generate", "2", "--repeat", "1", "--json")

    def test_replaces_a_file(self):
        out = self.folder / "demo.lguf"
        out.write_bytes(b"old")
        self.pack()
        self.assertEqual(out.read_bytes()[:4], b"LGUF")

    def test_wrong_usage(self):
        self.bad(2, "pack")
        self.bad(2, "pack", "-m", DEMO)
        self.bad(2, "pack", "-o", self.folder / "x.lguf")

    def test_bad_places_and_files(self):
        out, _ = self.pack()
        other = self.folder / "other.lguf"
        before = DEMO.read_bytes()
        for model, to, code in (
            (DEMO, self.folder, "bad_argument"), (DEMO, self.folder / "no/such/folder", "io"), (out, other, "unsupported"),
            (DEMO, DEMO, "bad_argument"), (self.folder / "absent.gguf", other, "io"), (DEMO, "/dev/null", "bad_argument"),
        ):
            with self.subTest(model=model, to=to):
                outcome = self.bad(1, "pack", "-m", model, "-o", to, "--json")
                self.assertEqual(outcome.json()["error"]["code"], code)
        self.assertTrue(DEMO.read_bytes() == before)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["demo.lguf"])

    def test_packed_for_another_target(self):
        out, document = self.pack()
        data = bytearray(out.read_bytes())
        key = b"lamina.packing.height"
        at = data.index(key) + len(key) + 4
        self.assertEqual(data[at], document["height"])
        data[at] //= 2
        out.write_bytes(data)
        for flags in ([], ["--no-pack"], ["--precision", "exact"]):
            for command in (["run", "x"], ["logits", "--tokens", "2"], ["bench"]):
                outcome = self.bad(1, *command, "-m", out, "--json", *flags)
                self.assertEqual(outcome.json()["error"]["code"], "mismatch")
                self.assertIn("another target", outcome.err)
                self.assertIn("hint: ", outcome.err)

    def test_cut(self):
        out, _ = self.pack()
        out.write_bytes(out.read_bytes()[:-1000])
        outcome = self.bad(1, "run", "x", "-m", out, "--json")
        self.assertEqual(outcome.json()["error"]["code"], "bad_file")


if __name__ == "__main__":
    program.main()
