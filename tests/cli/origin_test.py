# SPDX-License-Identifier: Apache-2.0
"""Text from elsewhere means the same: line ends and byte order marks of Windows, blank lines, ill-formed text."""

import json
import shutil

import program
from program import GOLDEN, Case

MARK = "\ufeff"
CONVERSATION = '{"messages":[{"role":"user","content":"x"}]}'
# A command, and what it reads as lines.
INPUTS = (
    (["chat", "-t", "1"], ["Reverse lamina.", "", "/think", "/think", "What is 44 + 77?", "/quit", "Reverse abc."]),
    (["run", "-t", "1"], ["Reverse lamina."]), (["run", "--raw", "-n", "4"], ["<|turn>user", "Hi<turn|>", "<|turn>model", ""]),
    (["tokenize"], ["Reverse lamina.", "", "  two  ", "end"]), (["tokenize", "--decode"], ["549 520 360", "2,5"]),
    (["tokenize", "--jsonl"], ['{"text":"abc"}', '{"ids":[360]}']), (["prompt"], [CONVERSATION]),
    (["prompt"], ['{"messages":', '[{"role":"user","content":"x"}]}']), (["prompt", "--jsonl"], [CONVERSATION, CONVERSATION]),
)


class Origin(Case):
    def test_line_ends_and_marks(self):
        for command, lines in INPUTS:
            wanted = self.good(*command, stdin="".join(line + "\n" for line in lines))
            self.assertNotEqual(wanted.out, "")
            for mark in ("", MARK):
                for end in ("\n", "\r\n"):
                    for last in (end, ""):
                        if last == "" and command == ["run", "--raw", "-n", "4"]:
                            continue  # without a template the last line end counts
                        with self.subTest(command=command, mark=mark, end=end, last=last):
                            text = mark + end.join(lines) + last
                            self.assertEqual(self.good(*command, stdin=text).out, wanted.out)

    def test_only_the_end_of_a_line_and_the_beginning_of_a_text_are_cut(self):
        def ids(text):
            return self.good("tokenize", "--json", stdin=text).json()["ids"]

        self.assertNotEqual(ids("a\rb\n"), ids("ab\n"))
        self.assertEqual(ids("a\r\r\n"), self.good("tokenize", "--jsonl", stdin='{"text":"a\\r"}\n').json()["ids"])
        rows = self.good("tokenize", "--json", stdin=f"a\n{MARK}a\n").lines()
        self.assertNotEqual(rows[0], rows[1])

    def test_blank_lines(self):
        for blank in ("", " ", "\t", "\r"):
            text = f'{blank}\n{{"text":"abc"}}\n{blank}\n{{"text":"abc"}}\n{blank}'
            rows = self.good("tokenize", "--jsonl", stdin=text).lines()
            self.assertEqual(len(rows), 2)
            rows = self.good("prompt", "--jsonl", stdin=f"{blank}\n{CONVERSATION}\n{blank}\n").lines()
            self.assertEqual(len(rows), 1)
            self.assertEqual(self.good("chat", "--json", stdin=f"{blank}\n{blank}\n").out, "")
        # Numbers count all lines.
        outcome = program.lamina("tokenize", "--jsonl", stdin="\n\nnonsense\n")
        self.assertEqual((outcome.code, outcome.json()["error"]["where"]), (1, "line 3"))
        # As text, an empty line is a text.
        self.assertEqual(self.good("tokenize", stdin="\na\n").out.split("\n")[0], "")

    def test_saved_under_the_name_that_was_typed(self):
        path = self.folder / "talk.json"
        self.good("chat", "-t", "1", stdin=f"Reverse lamina.\r\n/save {path}\r\n/quit\r\n")
        self.assertEqual([entry.name for entry in self.folder.iterdir()], ["talk.json"])
        text = path.read_text("utf-8").replace("\n", "\r\n")
        path.write_bytes((MARK + text).encode("utf-8"))
        outcome = self.good("chat", "--json", stdin=f"/load {path}\nWhat is 44 + 77?\n")
        self.assertGreater(outcome.json()["prompt_tokens"], 30)

    def test_tokenizer_file_with_a_mark(self):
        path = self.folder / "tokenizer.json"
        shutil.copy(GOLDEN / "tokenizer/small.tokenizer.json", path)
        wanted = self.good("tokenize", "-m", path, stdin="Reverse\n").out
        path.write_bytes(MARK.encode("utf-8") + path.read_bytes().replace(b"\n", b"\r\n"))
        self.assertEqual(self.good("tokenize", "-m", path, stdin="Reverse\n").out, wanted)

    def test_ill_formed_text_is_treated_alike_everywhere(self):
        for text in (b"cut \\ud83d", b"\\ude00 x", b"\\ude00\\ud83d", b"a \\ud83d\\u2026", b"caf\xe9", b"x \xed\xa0\xbd", b"\xff"):
            with self.subTest(text=text):
                told = program.lamina("tokenize", "--jsonl", stdin=b'{"text":"' + text + b'"}\n').json()
                shown = program.lamina("prompt", "--jsonl", stdin=b'{"messages":[{"role":"user","content":"' + text + b'"}]}\n').json()
                self.assertEqual("error" in told, "error" in shown)
                if "ids" in told:
                    back = self.good("tokenize", "--jsonl", stdin=json.dumps(told)).json()["text"]
                    self.assertIn(back.strip(), shown["text"])


if __name__ == "__main__":
    program.main()
