#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A GGUF file with the vocabulary of a tokenizer.json in place of its own, of the same size: weights as they are.

What `synth` makes has random weights and a made-up vocabulary, in which no text is more than single letters. With a vocabulary
of the published kind (see run.py) texts become tokens as they do for trained models.

Example: with_vocabulary.py e2b.gguf tokenizer.json e2b-words.gguf
"""

import json
import shutil
import struct
import sys

from run import MARKERS

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY, FLOAT, INT = 8, 9, 6, 5
NORMAL, CONTROL, BYTE = 1, 3, 6


def packed(text):
    return struct.pack("<Q", len(text)) + text


class Reader:
    def __init__(self, file):
        self.file = file

    def number(self, form):
        return struct.unpack(form, self.file.read(struct.calcsize(form)))[0]

    def string(self):
        return self.file.read(self.number("<Q"))

    def value(self, kind):
        """The bytes of a value as they are."""
        if kind == STRING:
            return packed(self.string())
        if kind != ARRAY:
            return self.file.read(SIZES[kind])
        inner, count = self.number("<I"), self.number("<Q")
        head = struct.pack("<IQ", inner, count)
        if inner == STRING:
            return head + b"".join(packed(self.string()) for _ in range(count))
        return head + self.file.read(SIZES[inner] * count)


def strings(values):
    return ARRAY, struct.pack("<IQ", STRING, len(values)) + b"".join(packed(value.encode()) for value in values)


def vocabulary(path):
    """Keys of GGUF and their values."""
    document = json.load(open(path, encoding="utf-8"))
    tokens = [""] * len(document["model"]["vocab"])
    for text, number in document["model"]["vocab"].items():
        tokens[number] = MARKERS.get(text, text)
    kinds = [BYTE if len(text) == 6 and text.startswith("<0x") else NORMAL for text in tokens]
    for token in document["added_tokens"]:
        if token["special"] or token["content"].startswith("<unused"):
            if token["id"] < len(kinds):
                kinds[token["id"]] = CONTROL
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in document["model"]["merges"]]
    return {
        b"tokenizer.ggml.tokens": strings(tokens), b"tokenizer.ggml.merges": strings(merges),
        b"tokenizer.ggml.token_type": (ARRAY, struct.pack(f"<IQ{len(kinds)}i", INT, len(kinds), *kinds)),
        b"tokenizer.ggml.scores": (ARRAY, struct.pack(f"<IQ{len(kinds)}f", FLOAT, len(kinds), *[0.0] * len(kinds)))}


def main():
    source, tokenizer, target = sys.argv[1:]
    ours = vocabulary(tokenizer)
    with open(source, "rb") as file, open(target, "wb") as out:
        reader = Reader(file)
        out.write(file.read(8))
        tensors, count = reader.number("<Q"), reader.number("<Q")
        pairs = []
        for _ in range(count):
            key, kind = reader.string(), reader.number("<I")
            value = reader.value(kind)
            pairs.append((key, *(ours.get(key, (kind, value)))))
        out.write(struct.pack("<QQ", tensors, len(pairs)))
        for key, kind, value in pairs:
            out.write(packed(key) + struct.pack("<I", kind) + value)
        for _ in range(tensors):
            out.write(packed(reader.string()))
            dimensions = reader.number("<I")
            out.write(struct.pack("<I", dimensions) + file.read(8 * dimensions + 12))
        file.seek(-file.tell() % 32, 1)
        out.write(bytes(-out.tell() % 32))
        shutil.copyfileobj(file, out, 1 << 24)


if __name__ == "__main__":
    sys.exit(main())
