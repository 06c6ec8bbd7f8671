# SPDX-License-Identifier: Apache-2.0
"""`lamina run` and `lamina chat` on the demo model: answers, stop reasons, conversations, Ctrl-C."""

import json
import os
import pathlib
import signal
import subprocess
import time

import program
from program import Case, golden

RUN_KEYS = ["text", "thought", "tokens", "forced_tokens", "prompt_tokens", "stop", "timing"]
RANDOM = ["--temp", "3", "--top-k", "0", "--top-p", "1", "-n", "12", "--ignore-eos"]


def on_terminal(*arguments):
    """Runs the program with stdout on a terminal; returns its exit code and what it showed."""
    ours, theirs = os.openpty()
    process = subprocess.Popen([program.PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=theirs,
                               stderr=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    return process.wait(), shown.decode("utf-8").replace("\r\n", "\n")


class Run(Case):
    def test_the_readme_command(self):
        self.assertEqual(self.good("run", "Reverse lamina.").out, "animal\n")

    def test_json(self):
        document = self.good("run", "Reverse lamina.", "--json").json()
        for key in RUN_KEYS:
            self.assertIn(key, document)
        self.assertEqual(document["text"], "animal")
        self.assertEqual(document["thought"], "")
        self.assertEqual(document["stop"], "end_of_turn")
        ids = self.good("tokenize", "--json", stdin="animal\n").json()["ids"]
        self.assertEqual(document["tokens"][:-1], ids)
        for key in ("load_s", "prompt_s", "decode_s", "prompt_tokens_per_s", "decode_tokens_per_s"):
            self.assertGreaterEqual(document["timing"][key], 0)

    def test_prompt_tokens_and_context(self):
        ids = self.good("prompt", "--ids", stdin=json.dumps(
            {"messages": [{"role": "user", "content": "Reverse lamina."}], "add_generation_prompt": True})).out.split()
        document = self.good("run", "Reverse lamina.", "--json").json()
        self.assertEqual(document["prompt_tokens"], len(ids))
        same = self.good("run", "--tokens", ",".join(ids), "--json").json()
        self.assertEqual(same["tokens"], document["tokens"])
        full = self.good("run", "--tokens", ",".join(ids), "--ignore-eos", "-c", len(ids) + 5, "--json").json()
        self.assertEqual(full["stop"], "context")
        self.assertLessEqual(len(full["tokens"]), 6)

    def test_max_tokens(self):
        document = self.good("run", "Reverse lamina.", "-n", "1", "--json").json()
        self.assertEqual((document["stop"], len(document["tokens"])), ("max_tokens", 1))

    def test_reference_answers(self):
        # Spread over all kinds of exercise. Exact arithmetic may differ in 2 of 300 (golden/demo/README.md, Q8_0).
        cases = [case for case in golden("demo/text.json") if "reference_tokens" in case][::40]
        self.assertGreaterEqual(len(cases), 25)
        wrong = []
        for case in cases:
            document = self.good("run", "--raw", case["prompt"], "--precision", "exact", "-n", "200", "--json").json()
            if document["tokens"] != case["reference_tokens"]:
                wrong.append(case["prompt"])
        self.assertLessEqual(len(wrong), 1, wrong)

    def test_raw_equals_the_template(self):
        text = "<bos><|turn>user\nReverse lamina.<turn|>\n<|turn>model\n"
        chat = self.good("run", "Reverse lamina.", "--json").json()
        for raw in (text, text[len("<bos>"):]):
            self.assertEqual(self.good("run", "--raw", raw, "--json").json()["tokens"], chat["tokens"])

    def test_user_text_is_data(self):
        plain = self.good("run", "a", "--json").json()["prompt_tokens"]
        hostile = self.good("run", "a<turn|>", "--json").json()["prompt_tokens"]
        self.assertGreater(hostile, plain + 1)

    def test_thinking_is_apart(self):
        document = self.good("run", "What is 4 + 5?", "--think", "--json").json()
        self.assertNotIn("channel", document["text"] + document["thought"])
        self.assertGreater(len(document["thought"]), 10)
        # A pipe gets the answer alone, a terminal the thoughts too, dimmed.
        self.assertEqual(self.good("run", "What is 4 + 5?", "--think").out, document["text"] + "\n")
        code, shown = on_terminal("run", "What is 4 + 5?", "--think", "-q")
        self.assertEqual(code, 0)
        self.assertEqual(shown, f"\x1b[2m{document['thought']}\n\x1b[0m{document['text']}\n")

    def test_seed_decides_sampling(self):
        def tokens(seed):
            return self.good("run", "Hello", "--temp", "3", "--top-k", "0", "--top-p", "1", "-n", "40", "--seed", seed,
                             "--ignore-eos", "--json").json()["tokens"]

        self.assertEqual(tokens(7), tokens(7))
        self.assertGreater(len({tuple(tokens(seed)) for seed in range(4)}), 1)

    def test_the_seed_of_an_answer_repeats_it(self):
        for flags in ([], ["--seed", "-1"]):
            answers = [self.good("run", "Hello", *RANDOM, *flags, "--json").json() for _ in range(3)]
            self.assertGreater(len({tuple(answer["tokens"]) for answer in answers}), 1)
            self.assertNotIn("seed", self.good("run", "Hello", "--temp", "0", *flags, "--json").json())
            for answer in answers:
                again = self.good("run", "Hello", *RANDOM, "--seed", answer["seed"], "--json").json()
                self.assertEqual((again["tokens"], again["seed"]), (answer["tokens"], answer["seed"]))

    def test_tokens_are_raw_anyway(self):
        self.assertEqual(self.good("run", "--tokens", "2,5", "--raw", "-n", "4", "--json").json()["tokens"],
                         self.good("run", "--tokens", "2,5", "-n", "4", "--json").json()["tokens"])

    def test_what_the_demo_can_do(self):
        told = self.good("--help").out
        readme = (program.DEMO.parents[3] / "README.md").read_text("utf-8")
        examples = {"Reverse lamina.": "animal", "Write lamina in capitals.": "LAMINA", "How many n in banana?": "3",
                    "Sort 5 3 9 1.": "1 3 5 9", "What is 44 + 77?": "121", "87 minus 23": "64", "12 * 10": "120",
                    "Write 229 in Roman.": "CCXXIX", "Write 612 in words.": "six hundred and twelve"}
        for question, answer in examples.items():
            self.assertEqual(self.good("run", question).out, answer + "\n")
            self.assertIn(f'"{question}"', told)
            self.assertIn(question, readme)
        for command in ("run", "chat"):
            self.assertIn('"Reverse lamina."', self.good(command, "--help").out)

    def test_people_are_told_what_the_demo_can_do(self):
        for flags, wanted in (([], True), (["-q"], False), (["-m", program.DEMO], False), (["--json"], False)):
            for command in (["run", "Reverse lamina."], ["chat"]):
                ours, theirs = os.openpty()
                subprocess.run([program.PROGRAM, *command, *map(str, flags)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=theirs, check=True)
                os.set_blocking(ours, False)
                try:
                    shown = os.read(ours, 1 << 16)
                except BlockingIOError:
                    shown = b""
                os.close(ours)
                os.close(theirs)
                self.assertEqual(b"knows only the exercises" in shown, wanted, (command, flags, shown))

    def test_threads_do_not_change_the_answer(self):
        answers = {json.dumps(self.good("run", "Sort 5 3 9 1.", "-t", n, "--json").json()["tokens"]) for n in (1, 2, 3)}
        self.assertEqual(len(answers), 1)

    def test_quiet(self):
        self.assertEqual(self.good("run", "Reverse lamina.", "-q").err, "")

    def test_text_from_stdin(self):
        self.assertEqual(self.good("run", stdin="Reverse lamina.").out, "animal\n")


class Interrupt(Case):
    def interrupt(self, *arguments):
        """Sends Ctrl-C once the first output is there."""
        process = subprocess.Popen([program.PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        with process:
            first = process.stdout.read(1)
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            process.stderr.read()
        return process.returncode, first + rest

    def wait_for_work(self, process):
        """Until the program has computed for 0.2 s, several times what loading takes."""
        ticks = 0
        while ticks < 0.2 * os.sysconf("SC_CLK_TCK"):
            time.sleep(0.02)
            fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks = int(fields[11])  # utime

    def test_partial_answer_is_kept(self):
        flags = ["--tokens", "2", "--ignore-eos", "--temp", "2", "--seed", "1"]
        code, out = self.interrupt("run", *flags)
        self.assertEqual(code, 130)
        self.assertGreater(len(out), 0)
        out.decode("utf-8")

    def test_json_says_so(self):
        # Nothing is printed before the end: wait until the answer is surely under way.
        process = subprocess.Popen([program.PROGRAM, "run", "--tokens", "2", "--ignore-eos", "--json", "-t", "1",
                                    "--precision", "exact"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with process:
            self.wait_for_work(process)
            process.send_signal(signal.SIGINT)
            document = json.loads(process.stdout.read())
            process.stderr.read()
        self.assertEqual((process.returncode, document["stop"]), (130, "interrupted"))
        self.assertGreater(len(document["tokens"]), 0)


class Chat(Case):
    def chat(self, *lines, flags=()):
        return self.good("chat", "--json", *flags, stdin="".join(line + "\n" for line in lines)).lines()

    def test_turns_see_each_other(self):
        answers = self.chat("Reverse lamina.", "What is 44 + 77?")
        self.assertEqual([answer["text"] for answer in answers], ["animal", "121"])
        self.assertGreater(answers[1]["prompt_tokens"], answers[0]["prompt_tokens"])
        # The cache is kept: only the end of the first turn and the second one are read.
        self.assertLess(answers[1]["timing"]["prompt_tokens_read"], answers[1]["prompt_tokens"] - answers[0]["prompt_tokens"])
        alone = self.good("run", "Reverse lamina.", "--json").json()
        self.assertEqual(answers[0]["tokens"], alone["tokens"])

    def test_reset_and_undo(self):
        first = self.chat("Reverse lamina.")[0]["prompt_tokens"]
        for command in ("/reset", "/undo"):
            answers = self.chat("Reverse lamina.", command, "Reverse lamina.")
            self.assertEqual(answers[0], {**answers[1], "timing": answers[0]["timing"]})
            self.assertEqual(answers[1]["prompt_tokens"], first)

    def test_penalties_are_those_of_the_conversation(self):
        path = self.folder / "talk.json"
        old = ["Write 7 in words.", "What are you?", "Hello"]
        for penalty in ("1.5", "3"):
            flags = ["--temp", "0", "--repeat-penalty", penalty, "-n", "40"]
            fresh = self.chat("Reverse lamina.", flags=flags)[0]["tokens"]
            alone = self.good("run", "Reverse lamina.", "--json", *flags).json()["tokens"]
            self.assertEqual(fresh, alone)
            self.assertEqual(self.chat(*old, "/reset", "Reverse lamina.", flags=flags)[-1]["tokens"], fresh)
            self.assertEqual(self.chat(*old, "/undo", "/undo", "/undo", "Reverse lamina.", flags=flags)[-1]["tokens"], fresh)
            two = self.chat("Reverse lamina.", f"/save {path}", "What are you?", flags=flags)[-1]["tokens"]
            self.assertEqual(self.chat("Reverse lamina.", "Hello", "/undo", "What are you?", flags=flags)[-1]["tokens"], two)
            self.assertEqual(self.chat(*old, f"/load {path}", "What are you?", flags=flags)[-1]["tokens"], two)
            # Thoughts leave the conversation, and its penalties with them.
            thinking = self.chat("/think", "What is 4 + 5?", "/think", f"/save {path}", "Hello", flags=flags)[-1]["tokens"]
            self.assertEqual(self.chat(f"/load {path}", "Hello", flags=flags)[-1]["tokens"], thinking)

    def test_draws_are_those_of_the_conversation(self):
        path = self.folder / "talk.json"
        flags = [*RANDOM, "--seed", "7"]
        first, second = [answer["tokens"] for answer in self.chat("Hello", f"/save {path}", "Hello", flags=flags)]
        self.assertNotEqual(first, second)
        self.assertEqual(self.good("run", "Hello", "--json", *flags).json()["tokens"], first)
        for lines in (["Hi", "/reset"], ["Hi", "/undo"], ["Hello", "Hello", "/undo", "/undo"]):
            self.assertEqual(self.chat(*lines, "Hello", flags=flags)[-1]["tokens"], first)
        for lines in ([f"/load {path}"], ["Hi", f"/load {path}"], [f"/load {path}", "Hi", "/undo"]):
            self.assertEqual(self.chat(*lines, "Hello", flags=flags)[-1]["tokens"], second)
        # Without a seed, taking a turn back and asking again gives another answer; its seed repeats it.
        answers = self.chat(*["Hello", "/undo"] * 3, flags=RANDOM)
        self.assertGreater(len({tuple(answer["tokens"]) for answer in answers}), 1)

    def test_save_and_load(self):
        path = self.folder / "talk.json"
        answers = self.chat("Reverse lamina.", f"/save {path}", "What is 44 + 77?")
        saved = json.loads(path.read_text("utf-8"))
        self.assertEqual(saved["messages"], [{"role": "user", "content": "Reverse lamina."},
                                             {"role": "assistant", "content": "animal"}])
        again = self.chat(f"/load {path}", "What is 44 + 77?")
        self.assertEqual(again[0]["tokens"], answers[1]["tokens"])
        self.assertEqual(again[0]["prompt_tokens"], answers[1]["prompt_tokens"])

    def test_think_and_system(self):
        plain, thinking = self.chat("What is 4 + 5?", "/reset", "/think", "What is 4 + 5?")
        self.assertGreater(thinking["prompt_tokens"], plain["prompt_tokens"])
        system = self.chat("What is 4 + 5?", flags=["--system", "Be brief."])[0]
        self.assertGreater(system["prompt_tokens"], plain["prompt_tokens"])

    def test_commands_that_fail_do_not_end_the_chat(self):
        path = self.folder / "broken.json"
        path.write_text("{")
        rows = self.chat("/image a.png", "/audio a.wav", "/nonsense", f"/load {path}", f"/load {self.folder / 'absent'}",
                         "/undo", "Reverse lamina.", "/quit", "never answered")
        self.assertEqual([next(iter(row)) for row in rows], ["error"] * 6 + ["text"])
        self.assertEqual([row["error"]["code"] for row in rows[:2]], ["io"] * 2)
        self.assertEqual(rows[-1]["text"], "animal")

    def test_help(self):
        outcome = self.good("chat", "--json", stdin="/help\n/nonsense\nReverse lamina.\n")
        for command in ("/image", "/think", "/reset", "/undo", "/save", "/load", "/help", "/quit"):
            self.assertIn(command, outcome.err.split("lamina: ")[0])
        rows = outcome.lines()
        self.assertIn("/help", rows[0]["error"]["hint"])
        self.assertEqual(rows[1]["text"], "animal")
        for command in ("/save", "/load", "/image"):
            self.assertIn("expected the name of a file, found nothing", self.good("chat", stdin=command + " \n").err)

    def test_load_refuses_what_is_no_text(self):
        for kind in ("image_url", "input_audio", "video", "file", "anything"):
            with self.subTest(kind=kind):
                path = self.folder / "talk.json"
                path.write_text(json.dumps({"messages": [{"role": "user", "content": "a"},
                                                         {"role": "assistant", "content": [{"type": kind}]}]}))
                rows = self.chat(f"/load {path}", "Reverse lamina.")
                self.assertEqual(rows[0]["error"]["code"], "unsupported")
                self.assertIn("messages[1].content[0]", rows[0]["error"]["where"])
                self.assertIn(kind, rows[0]["error"]["message"])
                self.assertEqual(rows[1]["text"], "animal")

    def test_load_replaces_half_a_character(self):
        path = self.folder / "talk.json"
        path.write_bytes(b'{"messages":[{"role":"user","content":"a \\ud83d \xe9"}]}')
        again = self.folder / "again.json"
        self.chat(f"/load {path}", f"/save {again}")
        self.assertEqual(json.loads(again.read_text("utf-8"))["messages"][0]["content"], "a \ufffd \ufffd")

    def test_full_context_is_an_error_of_one_turn(self):
        rows = self.chat("word " * 200, "Hi", flags=["-c", "64"])
        self.assertEqual(rows[0]["error"]["code"], "context_full")
        self.assertIn("text", rows[1])

    def test_plain_output(self):
        self.assertEqual(self.good("chat", stdin="Reverse lamina.\n").out, "animal\n")

    def test_interrupt_stops_the_answer_only(self):
        process = subprocess.Popen([program.PROGRAM, "chat", "--ignore-eos", "--temp", "2", "--seed", "1"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with process:
            process.stdin.write(b"Hello\n")
            process.stdin.flush()
            self.assertEqual(len(process.stdout.read(1)), 1)
            process.send_signal(signal.SIGINT)
            process.stdin.write(b"/quit\n")
            process.stdin.close()
            process.stdout.read()
            process.stderr.read()
        self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    program.main()
