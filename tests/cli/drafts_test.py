# SPDX-License-Identifier: Apache-2.0
"""Drafters in the program: named, found beside the model, refused, counted; answers are the same with them."""

import shutil

import program
from program import GOLDEN, Case, golden

DATA = GOLDEN / "assistant"
# Always drafts in these runs would be a matter of speed: what is drafted is decided by measuring.
COMMON = ["-n", "60", "--json", "-t", "1"]


def prompt(pair):
    return ",".join(map(str, golden(f"assistant/{pair}/cases.json")["cases"][0]["prompt"]))


class Drafts(Case):
    def run_with(self, pair, *arguments, model=None):
        return self.good("run", "-m", model or DATA / pair / "target", "--tokens", prompt(pair), *COMMON,
                         *arguments).json()

    def test_answers_are_the_same(self):
        for pair in ("e2b", "31b"):
            for sampling in (["--temp", "0"], ["--temp", "1.5", "--seed", "3", "--repeat-penalty", "1.2"]):
                with self.subTest(pair=pair, sampling=sampling):
                    plain = self.run_with(pair, *sampling, "--no-draft")
                    self.assertNotIn("draft", plain)
                    for drafter in ("drafter", "drafter.gguf"):
                        drafted = self.run_with(pair, *sampling, "--draft", DATA / pair / drafter)
                        self.assertEqual(drafted["tokens"], plain["tokens"])
                        draft = drafted["draft"]
                        self.assertEqual(sum(draft["lengths"]), draft["passes"])
                        self.assertEqual(sum(k * n for k, n in enumerate(draft["lengths"])), draft["drafted"])
                        self.assertLessEqual(draft["accepted"], draft["drafted"])
                        over_time = draft["over_time"]
                        self.assertEqual(sum(passes for _, passes in over_time), draft["passes"])
                        self.assertEqual(sum(k * passes for k, passes in over_time), draft["drafted"])
                        self.assertTrue(all(a[0] != b[0] for a, b in zip(over_time, over_time[1:])))

    def test_found_beside_the_model(self):
        model = self.folder / "model"
        shutil.copytree(DATA / "e2b/target", model)
        self.assertNotIn("draft", self.run_with("e2b", model=model))
        # One of another model is passed over.
        shutil.copytree(DATA / "31b/drafter", model / "assistant")
        self.assertNotIn("draft", self.run_with("e2b", model=model))
        shutil.copytree(DATA / "e2b/drafter", self.folder / "model-assistant")
        self.assertIn("draft", self.run_with("e2b", model=model))
        self.assertNotIn("draft", self.run_with("e2b", "--no-draft", model=model))
        self.assertNotIn("draft", self.run_with("e2b", "--draft-max", "0", model=model))

    def test_another_models_drafter_is_refused(self):
        outcome = self.bad(1, "run", "-m", DATA / "e2b/target", "--tokens", "2,5", "--draft", DATA / "31b/drafter",
                           "--json")
        self.assertEqual(outcome.json()["error"]["code"], "mismatch")
        self.assertIn("drafter belongs to another model", outcome.json()["error"]["message"])
        outcome = self.bad(1, "run", "-m", DATA / "e2b/target", "--tokens", "2,5", "--draft", DATA / "e2b/target",
                           "--json")
        self.assertIn("holds no drafter", outcome.json()["error"]["message"])
        self.bad(2, "run", "--draft-max", "16", "Hello")

    def test_plan_and_budget_count_it(self):
        flags = ["-m", DATA / "e2b/target", "-c", "256", "--json"]
        plain = self.good("plan", *flags).json()
        drafted = self.good("plan", *flags, "--draft", DATA / "e2b/drafter.gguf").json()
        self.assertEqual(plain["drafter_bytes"], 0)
        self.assertGreater(drafted["drafter_bytes"], 100_000)
        self.assertGreaterEqual(drafted["total_bytes"], plain["total_bytes"] + drafted["drafter_bytes"])
        # Many decode together: scratch for each in a step, rows of logits for the drafts of all.
        many = self.good("plan", *flags, "--draft", DATA / "e2b/drafter.gguf", "--parallel", "3").json()
        self.assertGreater(many["drafter_bytes"], drafted["drafter_bytes"])
        without = self.good("plan", *flags, "--parallel", "3").json()
        self.assertGreater(many["total_bytes"] - many["drafter_bytes"] - without["total_bytes"],
                           drafted["total_bytes"] - drafted["drafter_bytes"] - plain["total_bytes"])
        between = str((plain["total_bytes"] + drafted["total_bytes"]) // 2)
        run = ["run", *flags, "-n", "2", "--tokens", "2,5", "--budget", between]
        self.good(*run)
        outcome = self.bad(1, *run, "--draft", DATA / "e2b/drafter.gguf")
        self.assertEqual(outcome.json()["error"]["code"], "out_of_memory")

    def test_bench_puts_right_and_wrong_drafts_in_their_place(self):
        flags = ["bench", "-m", DATA / "31b/target", "--draft", DATA / "31b/drafter", "--json", "-t", "1", "--prompt",
                 "0", "--generate", "64", "--repeat", "1", "--draft-max", "4"]
        rows = {row["test"]: row for row in
                self.good(*flags, "--draft-fixed", "--draft-acceptance", "1,1/2,0").json()["rows"]}
        right, half, wrong = (rows[f"decode, {share} drafts right"]["draft"] for share in ("1", "1/2", "0"))
        self.assertEqual(right["accepted"], right["drafted"])
        self.assertLess(right["passes"], 20)
        self.assertEqual(wrong["accepted"], 0)
        self.assertEqual(wrong["passes"], 64)
        self.assertTrue(right["passes"] < half["passes"] < wrong["passes"])
        self.assertEqual(len(right["pass_s"]), 5)
        own = self.good(*flags).json()["rows"]
        self.assertTrue(any(row["test"] == "decode, drafts" for row in own))
        together = {(row["test"], row["sequences"]): row for row in
                    self.good(*flags, "--draft-fixed", "--draft-acceptance", "1,0", "--parallel", "1,3").json()["rows"]}
        for count in (1, 3):
            self.assertNotIn("draft", together["decode together", count])
            right, wrong = (together[f"decode together, {share} drafts right", count]["draft"] for share in (1, 0))
            self.assertEqual(right["accepted"], right["drafted"])
            # In turns of 8 passes with and without drafts, 63 in all; the last one, with drafts, has 7.
            self.assertEqual((wrong["accepted"], wrong["passes"]), (0, 31))
            self.assertLess(right["passes"], 16)
            self.assertGreater(right["speedup"]["median"], 0)
        self.bad(2, *flags, "--parallel", "2", "--mix", "--draft-acceptance", "1")
        self.bad(2, *flags, "--draft-acceptance", "3/2")
        self.bad(2, "bench", "--draft-acceptance", "1")


if __name__ == "__main__":
    program.main()
