# SPDX-License-Identifier: Apache-2.0
"""`lamina tokenize` and `lamina prompt` against the reference data, through the program."""

import base64
import json

import program
from program import GOLDEN, Case, golden

TOKENIZERS = ("small", "medium", "tricky")


def jsonl(documents):
    return "".join(json.dumps(document) + "\n" for document in documents)


def files_of(name):
    return GOLDEN / f"tokenizer/{name}.tokenizer.json", GOLDEN / f"tokenizer/{name}.gguf"


class Tokenize(Case):
    def test_all_texts_both_ways(self):
        texts = [case["text"] for case in golden("tokenizer/texts.json")]
        self.assertGreater(len(texts), 500)
        # Lone surrogates cannot be written as UTF-8; the unit tests have them.
        pairs = [(i, text) for i, text in enumerate(texts) if text.encode("utf-8", "replace").decode("utf-8") == text]
        self.assertGreater(len(pairs), 500)
        stdin = jsonl({"text": text} for _, text in pairs)
        for name in TOKENIZERS:
            expected = golden(f"tokenizer/{name}.encode.json")
            for path in files_of(name):
                with self.subTest(path=path.name):
                    trusted = self.good("tokenize", "-m", path, "--jsonl", "--special", stdin=stdin).lines()
                    untrusted = self.good("tokenize", "-m", path, "--jsonl", stdin=stdin).lines()
                    self.assertEqual([row["ids"] for row in trusted], [expected[i]["ids"] for i, _ in pairs])
                    self.assertEqual([row["ids"] for row in untrusted],
                                     [expected[i].get("ids_no_special", expected[i]["ids"]) for i, _ in pairs])
                    back = self.good("tokenize", "-m", path, "--jsonl", stdin=jsonl(trusted)).lines()
                    self.assertEqual([row["text"] for row in back],
                                     [expected[i].get("decoded", text) for i, text in pairs])

    def test_invalid_utf8_on_plain_lines(self):
        cases = golden("tokenizer/small.invalid_utf8.json")
        # A newline ends an input here; the unit tests have those cases.
        cases = [case for case in cases if b"\n" not in base64.b64decode(case["bytes_base64"])]
        self.assertGreater(len(cases), 5)
        inputs = [base64.b64decode(case["bytes_base64"]) for case in cases]
        lines = self.good("tokenize", "--special", "-m", files_of("small")[0],
                          stdin=b"".join(text + b"\n" for text in inputs)).out.splitlines()
        self.assertEqual([[int(i) for i in line.split()] for line in lines], [case["ids"] for case in cases])

    def test_plain_round_trip_of_the_demo(self):
        text = "Reverse lamina.\n  What is 44 + 77?\n\nGrüße, 今日は 👍🏽\n"
        ids = self.good("tokenize", stdin=text)
        self.assertEqual(len(ids.out.splitlines()), 4)
        self.assertEqual(self.good("tokenize", "--decode", stdin=ids.out).out, text)
        self.assertEqual(self.good("tokenize", "--decode", stdin=ids.out.replace(" ", ",")).out, text)

    def test_settings_of_a_tokenizer_json(self):
        """What changes ids is refused by name, what does not is accepted, bytes behind the document are neither."""
        original = golden("tokenizer/small.tokenizer.json")
        text = "Hello  world!\n"
        ids = self.good("tokenize", "-m", files_of("small")[0], stdin=text).out
        path = self.folder / "tokenizer.json"

        def write(part, value, before=b"", behind=b""):
            document = json.loads(json.dumps(original))
            node = document
            for key in part[:-1]:
                node = node[key]
            node[part[-1]] = value
            path.write_bytes(before + json.dumps(document).encode() + behind)

        for part, value in ((["model", "dropout"], 0.1), (["normalizer"], None), (["decoder"], None),
                            (["pre_tokenizer"], {"type": "WhitespaceSplit"}), (["model", "merges"], [])):
            with self.subTest(part=part):
                write(part, value)
                self.assertIn(f"{'.'.join(part)}: ", self.bad(1, "tokenize", "-m", path, stdin=text).err)
        write(["truncation"], {"max_length": 1}, before=b"\xef\xbb\xbf")
        self.assertEqual(self.good("tokenize", "-m", path, stdin=text).out, ids)
        for behind in (b"\0", b"{}", b"x"):
            with self.subTest(behind=behind):
                write(["truncation"], None, behind=behind)
                self.bad(1, "tokenize", "-m", path, stdin=text)

    def test_added_tokens_that_are_not_special(self):
        document = golden("tokenizer/small.tokenizer.json")
        unused = "<unused7>"
        number = document["model"]["vocab"][unused]
        document["added_tokens"].append({"id": number, "content": unused, "single_word": False, "lstrip": False,
                                         "rstrip": False, "normalized": True, "special": False})
        path = self.folder / "tokenizer.json"
        path.write_text(json.dumps(document), "utf-8")
        ids = self.good("tokenize", "-m", path, stdin=f"a{unused}b\n").out
        self.assertIn(str(number), ids.split())
        self.assertEqual(self.good("tokenize", "-m", path, "--decode", stdin=ids).out, f"a{unused}b\n")

    def test_special_text_is_data(self):
        data = self.good("tokenize", "--json", stdin="<turn|>\n").json()["ids"]
        token = self.good("tokenize", "--json", "--special", stdin="<turn|>\n").json()["ids"]
        self.assertEqual(len(token), 1)
        self.assertGreater(len(data), 1)

    def test_bad_lines_keep_their_place(self):
        outcome = program.lamina("tokenize", "--jsonl", stdin='{"text":"a"}\n{"text":\n{"ids":[99999]}\n{"x":1}\n{"text":"a"}\n')
        self.assertEqual(outcome.code, 1)
        rows = outcome.lines()
        self.assertEqual([next(iter(row)) for row in rows], ["ids", "error", "error", "error", "ids"])
        self.assertEqual(rows[0], rows[4])
        self.assertIn("line 2", rows[1]["error"]["where"])

    def test_half_a_character_is_replaced_and_nul_is_an_error(self):
        texts = (b"x \\ud83d\\ude00", b"x \\ud83d", b"x \\ude00", b"x \xe9", b"x \xef\xbf\xbd")
        stdin = b"".join(b'{"text":"' + text + b'"}\n' for text in texts)
        whole, *halves, plain = self.good("tokenize", "--jsonl", stdin=stdin).lines()
        self.assertNotEqual(whole, plain)
        self.assertEqual(halves, [plain] * 3)
        outcome = program.lamina("tokenize", "--jsonl", stdin=b'{"text":"a"}\0\n{"text":"a"}\n')
        self.assertEqual(outcome.code, 1)
        self.assertEqual([next(iter(row)) for row in outcome.lines()], ["error", "ids"])


class Parse(Case):
    """`prompt --parse`: replies to what they say and call."""

    KEYS = ("thought", "text", "tool_calls", "finish")

    def setUp(self):
        super().setUp()
        self.model = GOLDEN / "tokenizer/small.tokenizer.json"
        self.cases = golden("chat/parse.json")
        self.assertGreater(len(self.cases), 80)

    def parsed(self, rows, *flags):
        return self.good("prompt", "-m", self.model, "--parse", "--jsonl", *flags, stdin=jsonl(rows)).lines()

    def test_every_reply_in_pieces_of_any_size(self):
        rows = [{"ids": case["ids"], "starts_in_thought": case["starts_in_thought"]} for case in self.cases]
        whole = self.parsed(rows)
        self.assertEqual(len(whole), len(self.cases))
        for row, case in zip(whole, self.cases):
            with self.subTest(case=case["name"]):
                self.assertEqual({key: row[key] for key in self.KEYS}, case["expected"])
                calls = [event[1] for event in row["events"] if event[0] == "tool_call"]
                self.assertEqual(calls, row["tool_calls"])
                for kind in ("thought", "text"):
                    self.assertEqual("".join(event[1] for event in row["events"] if event[0] == kind), row[kind])
        for split in (1, 2, 3, 7, 1000):
            with self.subTest(split=split):
                self.assertEqual(self.parsed(rows, "--split", split), whole)

    def test_text_of_a_reply(self):
        reply = "<|channel>thought\nHm.\n<channel|>Well <|tool_call>call:f{a:1}<tool_call|><|tool_response>"
        expected = {"thought": "Hm.", "text": "Well", "tool_calls": [{"name": "f", "arguments": {"a": 1}}],
                    "finish": "tool_calls", "events": [["thought", "Hm."], ["text", "Well"],
                                                       ["tool_call", {"name": "f", "arguments": {"a": 1}}]]}
        self.assertEqual(self.good("prompt", "-m", self.model, "--parse", stdin=reply).json(), expected)
        self.assertEqual(self.parsed([{"text": reply}]), [expected])
        (inside,) = self.parsed([{"text": "Hm.<channel|>Well<turn|>", "starts_in_thought": True}])
        self.assertEqual((inside["thought"], inside["text"], inside["finish"]), ("Hm.", "Well", "stop"))

    def test_bad_lines_leave_the_others(self):
        for line in ({"ids": [1, -1]}, {"ids": [10 ** 9]}, {"ids": "1"}, {"text": 1}, {"ids": [1], "text": "a"}, {},
                     {"ids": [1], "starts_in_thought": 1}):
            with self.subTest(line=line):
                outcome = program.lamina("prompt", "-m", self.model, "--parse", "--jsonl",
                                         stdin=jsonl([line, {"ids": [106]}]))
                self.assertEqual(outcome.code, 1)
                bad, good = outcome.lines()
                self.assertIn("line 1", bad["error"]["where"])
                self.assertEqual(good["finish"], "stop")
        self.bad(2, "prompt", "--parse", "--split", "0")
        self.bad(2, "prompt", "--split", "1")
        self.bad(2, "prompt", "--parse", "--ids")


class Prompt(Case):
    def setUp(self):
        super().setUp()
        self.model = GOLDEN / "tokenizer/small.tokenizer.json"
        keys = ("messages", "tools", "enable_thinking", "preserve_thinking", "add_generation_prompt")
        cases = golden("chat/render.json")
        self.cases = [case for case in cases if "error" not in case]
        self.refused = [case for case in cases if "error" in case]
        self.assertGreater(len(self.cases), 120)
        # Key order matters to the reference only after sorting; json keeps it as it is in the file.
        self.stdin = jsonl({key: case[key] for key in keys if key in case} for case in self.cases)
        self.refused_stdin = jsonl({key: case[key] for key in keys if key in case} for case in self.refused)

    def rendered(self, *flags):
        return self.good("prompt", "-m", self.model, "--jsonl", *flags, stdin=self.stdin).lines()

    def compare(self, rows, key, expected):
        self.assertEqual(len(rows), len(self.cases))
        for row, case, wanted in zip(rows, self.cases, expected):
            with self.subTest(case=case["name"]):
                self.assertEqual(row.get(key), wanted)

    def test_large(self):
        self.compare(self.rendered("--template", "large"), "text", [case["prompt_large"] for case in self.cases])

    def test_small(self):
        self.compare(self.rendered("--template", "small"), "text",
                     [case.get("prompt_small", case["prompt_large"]) for case in self.cases])

    def test_ids(self):
        self.compare(self.rendered("--template", "large", "--ids"), "ids", [case["ids"] for case in self.cases])

    def test_refused(self):
        self.assertGreater(len(self.refused), 0)
        outcome = program.lamina("prompt", "-m", self.model, "--jsonl", stdin=self.refused_stdin)
        self.assertEqual(outcome.code, 1)
        rows = outcome.lines()
        self.assertEqual(len(rows), len(self.refused))
        for row, case in zip(rows, self.refused):
            self.assertTrue("error" in row or "text" in row, case["name"])

    def test_one_document(self):
        conversation = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": True})
        text = "<bos><|turn>user\nHi<turn|>\n<|turn>model\n"
        self.assertEqual(self.good("prompt", stdin=conversation).out, text)  # the demo takes the small template
        self.assertEqual(self.good("prompt", "--json", stdin=conversation).json(), {"text": text})
        self.assertEqual(self.good("prompt", "--template", "large", stdin=conversation).out,
                         text + "<|channel>thought\n<channel|>")
        self.assertIn("<|think|>\n", self.good("prompt", "--think", stdin=conversation).out)
        ids = self.good("prompt", "--ids", stdin=conversation).out.split()
        self.assertEqual(ids.count(ids[0]), 1)  # <bos> once
        self.assertEqual(self.good("tokenize", "--decode", stdin=" ".join(ids)).out, text + "\n")

    def test_bad_conversations(self):
        for stdin in ("", "{", "[]", '{"messages":1}', '{"messages":[{"role":1}]}', '{"messages":[1]}'):
            with self.subTest(stdin=stdin):
                self.bad(1, "prompt", stdin=stdin)

    def test_ill_formed_text(self):
        for text in (b"x \\ud83d", b"x \\ude00", b"x \xe9"):
            with self.subTest(text=text):
                stdin = b'{"messages":[{"role":"user","content":"' + text + b'"}]}'
                self.assertIn("\nx \ufffd<turn|>", self.good("prompt", "--json", stdin=stdin).json()["text"])
        for stdin in (b'{"messages":[]}\0', b'{"messages":[]}\0{}', b'{"messages":[]\0}', b'{"messages":[]} x'):
            with self.subTest(stdin=stdin):
                self.bad(1, "prompt", stdin=stdin)

    def test_numbers_that_json_or_a_double_lacks(self):
        for number in ("NaN", "Infinity", "1e400", "-1e400"):
            with self.subTest(number=number):
                call = '{"function":{"name":"f","arguments":{"a":%s}}}' % number
                outcome = self.bad(1, "prompt", stdin='{"messages":[{"role":"assistant","tool_calls":[%s]}]}' % call)
                self.assertIn("number is not finite: expected a finite number, found " + number, outcome.err)

    def test_parts_that_no_model_reads_yet(self):
        for kind in ("image", "image_url", "audio", "input_audio", "video", "file", "anything"):
            with self.subTest(kind=kind):
                parts = [{"type": "text", "text": "a"}, {"type": kind}]
                stdin = json.dumps({"messages": [{"role": "user", "content": parts}]})
                # Text is what the template writes; ids are for a model, which cannot see.
                for flags in (("--ids",), ("--ids", "--jsonl")):
                    outcome = self.bad(1, "prompt", *flags, stdin=stdin)
                    self.assertIn("messages[0].content[1]", outcome.err)
                    self.assertIn(kind, outcome.err)
                self.good("prompt", "-m", self.model, "--ids", stdin=stdin)


if __name__ == "__main__":
    program.main()
