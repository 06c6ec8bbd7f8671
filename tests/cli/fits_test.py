# SPDX-License-Identifier: Apache-2.0
"""`lamina fits`, and answers of `run` and `chat` that keep a form."""

import json
import re

import program
from program import GOLDEN, Case

SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}, "count": {"type": "integer"}},
          "required": ["name"], "additionalProperties": False}


def jsonl(texts):
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


class Fits(Case):
    def setUp(self):
        super().setUp()
        self.tokenizer = GOLDEN / "tokenizer/small.tokenizer.json"
        self.schema = self.folder / "schema.json"
        self.schema.write_text(json.dumps(SCHEMA), "utf-8")

    def fits(self, texts, *flags, schema=None):
        return self.good("fits", "-m", self.tokenizer, "--schema", schema or self.schema, "--jsonl", *flags,
                         stdin=jsonl(texts)).lines()

    def test_texts(self):
        cases = [('{"name":"abc","count":3}', None), ('{ "count": 3, "name": "abc" }', None), ('{"name":"äöü"}', None),
                 ('{"count":3}', 10), ('{"name":"abcdef"}', 14), ('{"name":"a","x":1}', 13), ('{"name":"a"', 11),
                 ('{"name":"a"}x', 12), ("", 0)]
        rows = self.fits([text for text, _ in cases])
        self.assertEqual(len(rows), len(cases))
        for (text, stop), row in zip(cases, rows):
            with self.subTest(text=text):
                self.assertEqual((row["fits"], row["stopped_at"]), (stop is None, stop))
                ids = self.good("tokenize", "-m", self.tokenizer, stdin=text).out.split()
                self.assertEqual(row["tokens"], len(ids))
        inline = self.fits(['{"name":"abc"}'], schema=json.dumps(SCHEMA))
        self.assertTrue(inline[0]["fits"])

    def test_white_space(self):
        texts = ['{"name":"a b","count":3}', '{"name":"a b", "count":3}', '{"name":"a b","count":3}\n', ' {"name":""}']
        for flags in ((), ("--writing",)):
            rows = self.fits(texts, "--json-space", "none", *flags)
            self.assertEqual([(row["fits"], row["stopped_at"]) for row in rows],
                             [(True, None), (False, 14), (False, 24), (False, 0)])
            self.assertEqual([row["fits"] for row in self.fits(texts, *flags)], [True] * 4)

    def test_stats(self):
        row, stats = self.fits(['{"name":"abc"}'], "--stats")
        self.assertTrue(row["fits"])
        self.assertGreater(stats["compile_us"], 0)
        self.assertEqual(sorted(stats["mask_us"]), ["max", "mean", "p99"])
        self.assertLessEqual(stats["mask_us"]["mean"], stats["mask_us"]["max"])
        row, = self.fits(['{"name":"abc"}'], "--times")
        self.assertEqual(len(row["mask_us"]), row["tokens"])

    def test_refused(self):
        for schema, where in (({"properties": {"a": {"unevaluatedItems": False}}}, "#/properties/a/unevaluatedItems"),
                              ({"$ref": "http://elsewhere/x"}, "#/$ref"), ({"type": 1}, "#/type")):
            with self.subTest(schema=schema):
                outcome = program.lamina("fits", "-m", self.tokenizer, "--schema", json.dumps(schema), "--jsonl")
                self.assertEqual(outcome.code, 1)
                self.assertIn(where, outcome.err)
                self.assertIn(where, outcome.json()["error"]["where"])
        self.bad(1, "fits", "--schema", self.folder / "absent.json")
        self.bad(2, "fits", "--jsonl")
        outcome = program.lamina("fits", "-m", self.tokenizer, "--schema", self.schema, "--jsonl",
                                 stdin='{"text":1}\n{"text":"{}"}\n')
        self.assertEqual(outcome.code, 1)
        self.assertEqual([next(iter(row)) for row in outcome.lines()], ["error", "fits"])


class Forms(Case):
    def run_json(self, *flags, text="Reverse lamina.", seed=5):
        return self.good("run", text, "--json", "-n", "120", "--seed", seed, *flags).json()

    def test_json_schema(self):
        schema = {"type": "object", "properties": {"word": {"enum": ["animal", "lamina"]}, "letters": {"type": "integer", "minimum": 1, "maximum": 9},
                  "flags": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2}},
                  "required": ["word", "letters", "flags"], "additionalProperties": False}
        path = self.folder / "schema.json"
        path.write_text(json.dumps(schema), "utf-8")
        for flags in ((), ("--temp", "1.5"), ("--think",), ("--temp", "1", "--think", "--think-budget", "3")):
            with self.subTest(flags=flags):
                answer = self.run_json("--json-schema", path, *flags)
                self.assertIn(answer["stop"], ("end_of_turn", "stop_token"))
                value = json.loads(answer["text"])
                self.assertEqual(sorted(value), ["flags", "letters", "word"])
                self.assertIn(value["word"], ("animal", "lamina"))
                self.assertTrue(1 <= value["letters"] <= 9)
                self.assertTrue(all(isinstance(flag, bool) for flag in value["flags"]))

    def test_json_without_white_space(self):
        schema = {"type": "object", "properties": {"kind_of_word": {"enum": ["animal", "lamina"]}, "is_short": {"type": "boolean"}},
                  "required": ["kind_of_word", "is_short"], "additionalProperties": False}
        for seed in range(3):
            answer = self.run_json("--json-schema", json.dumps(schema), "--json-space", "none", "--temp", "2", seed=seed)
            self.assertEqual(answer["stop"], "end_of_turn")
            self.assertEqual(answer["text"], json.dumps(json.loads(answer["text"]), separators=(",", ":")))
            # The first key and two values are chosen; the other key, what is around them and the end are not.
            self.assertEqual(len(answer["tokens"]) - answer["forced_tokens"], 3)

    def test_pattern_and_grammar(self):
        answer = self.run_json("--regex", "[0-9]{3}-[a-f]{2}", "--temp", "2")
        self.assertTrue(re.fullmatch("[0-9]{3}-[a-f]{2}", answer["text"]), answer["text"])
        grammar = self.folder / "form.gbnf"
        grammar.write_text('root ::= "<" [a-z]{2,4} (":" [0-9])? ">"\n', "utf-8")
        answer = self.run_json("--grammar", grammar, "--temp", "2")
        self.assertTrue(re.fullmatch("<[a-z]{2,4}(:[0-9])?>", answer["text"]), answer["text"])
        lines = self.good("chat", "--json", "--regex", "yes|no", stdin="Reverse lamina.\nSort 3 1.\n").lines()
        self.assertEqual([line["text"] in ("yes", "no") for line in lines], [True, True])

    def test_stop(self):
        plain = self.run_json()
        self.assertEqual(plain["text"], "animal")
        stopped = self.run_json("--stop", "zzz", "--stop", "ma")
        self.assertEqual((stopped["text"], stopped["stop"]), ("ani", "stop_text"))

    def test_log_probabilities(self):
        answer = self.run_json("--logprobs", "3")
        self.assertEqual([entry["id"] for entry in answer["logprobs"]], answer["tokens"])
        for entry in answer["logprobs"]:
            self.assertEqual(len(entry["top"]), 3)
            self.assertEqual(entry["top"][0]["id"], entry["id"])  # greedy
            self.assertLessEqual(entry["logprob"], 0)
            self.assertAlmostEqual(entry["logprob"], entry["top"][0]["logprob"])
        self.assertNotIn("logprobs", self.run_json())

    def test_wrong_usage(self):
        self.bad(2, "run", "x", "--regex", "a", "--json-schema", "{}")
        self.bad(2, "run", "x", "--json-schema", "{}", "--json-space", "some")
        self.bad(2, "run", "x", "--json-space", "none")
        self.bad(2, "run", "x", "--logprobs", "0")
        self.bad(2, "run", "x", "--think-budget", "-1")
        for flags in (("--regex", "("), ("--json-schema", '{"type":1}'), ("--grammar", self.folder / "absent")):
            with self.subTest(flags=flags):
                self.bad(1, "run", "x", *flags)


if __name__ == "__main__":
    program.main()
