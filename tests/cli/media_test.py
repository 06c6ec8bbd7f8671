# SPDX-License-Identifier: Apache-2.0
"""Pictures, sounds and videos through the program: what the demo model sees and hears, in every way of asking."""

import base64
import json
import shutil
import struct

import program
from program import Case

DIGITS = program.MEDIA / "digits.png"
KEYS = program.MEDIA / "keys.wav"
LOOK = ["run", "Which digits do you see?", "--image", DIGITS]


class Answers(Case):
    def test_run(self):
        self.assertEqual(self.good(*LOOK, "--json").json()["text"], "86287")
        self.assertEqual(self.good(*LOOK, "--precision", "exact", "-t", "3", "--json").json()["text"], "86287")
        heard = self.good("run", "Which keys were pressed?", "--audio", KEYS, "--json").json()
        self.assertEqual(heard["text"], "*942")
        self.assertEqual(heard["stop"], "end_of_turn")

    def test_media_lie_where_the_template_puts_them(self):
        plain = self.good("run", "Which digits do you see?", "--json").json()["prompt_tokens"]
        seen = self.good(*LOOK, "--json").json()["prompt_tokens"]
        self.assertEqual(seen - plain, 64 + 2)  # 64 soft tokens between two marks
        # The same by hand.
        prompt = "<bos><|turn>user\n<|image|>Which digits do you see?<turn|>\n<|turn>model\n"
        raw = self.good("run", "--raw", prompt, "--image", DIGITS, "--image-tokens", "70", "--json").json()
        self.assertEqual(raw["prompt_tokens"], seen)
        self.assertEqual(raw["text"], "86287")

    def test_chat(self):
        lines = [f"/image {DIGITS}", "Read the number.", "Reverse lamina.", f"/save {self.folder / 'talk.json'}", "/reset",
                 f"/audio {KEYS}", "What was dialled?", f"/load {self.folder / 'talk.json'}", "/undo", "Reverse lamina."]
        rows = self.good("chat", "--json", "--image-tokens", "70", stdin="\n".join(lines) + "\n").lines()
        self.assertEqual([row.get("text") for row in rows[:3]], ["86287", "animal", "*942"])
        self.assertGreater(rows[1]["prompt_tokens"], 64)
        self.assertLess(rows[1]["timing"]["prompt_tokens_read"], 64)  # the picture was not read again
        self.assertEqual(rows[3]["text"], "animal")
        self.assertGreater(rows[3]["prompt_tokens"], 64)  # the conversation that was loaded has its picture

    def test_conversations_with_data_urls(self):
        url = "data:image/png;base64," + base64.b64encode(DIGITS.read_bytes()).decode()
        for source in (url, str(DIGITS), "file://" + str(DIGITS)):
            content = [{"type": "image_url", "image_url": {"url": source}}, {"type": "text", "text": "Read the number."}]
            conversation = json.dumps({"messages": [{"role": "user", "content": content}]})
            ids = self.good("prompt", "--ids", "--json", "--image-tokens", "70", stdin=conversation).json()["ids"]
            self.assertEqual(sum(ids.count(id) for id in set(ids) if ids.count(id) == 64), 64)
            self.assertIn("<|image|>Read", self.good("prompt", stdin=conversation).out)

    def test_same_bits_however_it_is_cut(self):
        prompt = "<bos>a <|image|> b <|audio|> c"
        first = None
        for flags in ([], ["--chunk", "1"], ["--chunk", "7"], ["-t", "3"], ["--chunk", "66", "-t", "2"]):
            out = self.folder / "logits"
            self.good("logits", "--prompt", prompt, "--image", DIGITS, "--audio", KEYS, "--image-tokens", "70", "--out", out, *flags)
            first = first or out.read_bytes()
            self.assertEqual(out.read_bytes(), first, flags)

    def test_videos(self):
        folder = self.folder / "frames"
        folder.mkdir()
        for name in ("b.png", "a.png", "c.png"):
            shutil.copyfile(DIGITS, folder / name)
        row = self.good("media", folder, "--video-fps", "0.5", "--json").json()
        self.assertEqual((row["kind"], row["frames"], row["soft_tokens"]), ("video", [0.0, 2.0, 4.0], 3 * 64))
        row = self.good("media", folder, "--video-frames", "2", "--json").json()
        self.assertEqual(len(row["frames"]), 2)
        answer = self.good("run", "What?", "--video", folder, "-n", "4", "--json").json()
        self.assertGreater(answer["prompt_tokens"], 3 * 66)


class Arrays(Case):
    def arrays(self, path):
        data = path.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        self.assertEqual(size % 8, 0)
        header = json.loads(data[8:8 + size])
        self.assertEqual(max(entry["data_offsets"][1] for entry in header.values()), len(data) - 8 - size)
        return {name: entry["shape"] for name, entry in header.items()}

    def test_dump(self):
        folder = self.folder / "dump"
        rows = self.good("media", DIGITS, KEYS, "--image-tokens", "70", "--dump", folder, "--json").lines()
        self.assertEqual([row["soft_tokens"] for row in rows], [64, 30])
        self.assertEqual((rows[0]["source"], rows[0]["size"]), ([384, 384], [384, 384]))
        self.assertAlmostEqual(rows[1]["seconds"], 1.202)
        self.assertEqual(self.arrays(folder / "digits.png.safetensors"), {"pixels": [384, 384, 3], "soft": [64, 128]})
        self.assertEqual(self.arrays(folder / "keys.wav.safetensors"),
                         {"samples": [19232], "input_features": [120, 128], "soft": [30, 128]})

    def test_budgets(self):
        for budget, tokens in (("70", 64), ("140", 121), ("280", 256), ("560", 529), ("1120", 1089)):
            self.assertEqual(self.good("media", DIGITS, "--image-tokens", budget, "--json").json()["soft_tokens"], tokens)
        self.bad(2, "media", DIGITS, "--image-tokens", "100")

    def test_long_sounds_are_refused_or_split(self):
        path = self.folder / "long.wav"
        samples = 31 * 16000
        path.write_bytes(b"RIFF" + struct.pack("<I", 36 + 2 * samples) + b"WAVEfmt " +
                         struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16) + b"data" + struct.pack("<I", 2 * samples) +
                         bytes(2 * samples))
        outcome = self.bad(1, "media", path, "--json")
        self.assertIn("at most 30 s", outcome.err)
        row = self.good("media", path, "--audio-split", "--json").json()
        self.assertEqual((row["pieces"], row["soft_tokens"]), (2, 750 + 25))


if __name__ == "__main__":
    program.main()
