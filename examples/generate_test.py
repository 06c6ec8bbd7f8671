#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Example 01 end to end: characters that take several tokens, and errors with their hints.

    generate_test.py PROGRAM DEMO.gguf
"""

import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM, DEMO = sys.argv[1:3]
QUESTION = "What is 36 + 9?"
DIGITS = [b"4", b"5"]  # the demo model's answer: two tokens, neither of them in the question


def find_array(file, key, kind):
    """Where the elements of an array in a GGUF file's metadata begin."""
    name = key.encode()
    at = file.index(struct.pack("<Q", len(name)) + name + struct.pack("<II", 9, kind)) + 8 + len(name) + 8
    return at + 8, struct.unpack_from("<Q", file, at)[0]


def with_byte_tokens(file, tokens, data):
    """The file with `tokens` and the byte tokens of `data` in each other's places."""
    at, count = find_array(file, "tokenizer.ggml.tokens", 8)
    begin, texts = at, []
    for _ in range(count):
        size = struct.unpack_from("<Q", file, at)[0]
        texts.append(file[at + 8:at + 8 + size])
        at += 8 + size
    types_at, _ = find_array(file, "tokenizer.ggml.token_type", 5)
    types = list(struct.unpack_from(f"<{count}i", file, types_at))
    for token, byte in zip(tokens, data):
        a, b = texts.index(token), texts.index(b"<0x%02X>" % byte)
        texts[a], texts[b] = texts[b], texts[a]
        types[a], types[b] = types[b], types[a]
    changed = b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    assert len(changed) == at - begin, "the tensors must stay where they are"
    file = file[:begin] + changed + file[at:]
    return file[:types_at] + struct.pack(f"<{count}i", *types) + file[types_at + 4 * count:]


class Generate(unittest.TestCase):
    def run_program(self, file):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "model.gguf"
            path.write_bytes(file)
            return subprocess.run([PROGRAM, str(path), QUESTION], capture_output=True, timeout=120)

    def test_bytes_become_characters(self):
        file = pathlib.Path(DEMO).read_bytes()
        self.assertEqual(self.run_program(file).stdout, b"45\n")
        done = self.run_program(with_byte_tokens(file, DIGITS, "é".encode()))
        self.assertEqual((done.returncode, done.stdout.decode()), (0, "é\n"))

    def test_errors_come_with_hints(self):
        file = pathlib.Path(DEMO).read_bytes()
        key = b"gemma4.attention.sliding_window" + struct.pack("<I", 4)
        at = file.index(key) + len(key)
        done = self.run_program(file[:at] + struct.pack("<I", 9) + file[at + 4:])
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.decode(), r"(?m)^hint: .+")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
