# SPDX-License-Identifier: Apache-2.0
"""States that are saved and gone on from, many prompts in one engine, and a chat that reads nothing twice."""

import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import program
from program import GOLDEN, Case

WINDOW = 64  # the demo's
TOKENS = [2] + [(37 * i) % 700 + 60 for i in range(230)]


def ids(tokens):
    return ",".join(map(str, tokens))


class States(Case):
    def rows(self, tokens, *flags):
        path = self.folder / "rows.bin"
        self.good("logits", "--tokens", ids(tokens), "--out", path, *flags)
        return path.read_bytes()

    def test_going_on_from_a_file_has_the_bits_of_one_reading(self):
        state = self.folder / "talk.state"
        for cache in ("bf16", "local=int8,global=f32", "local=f32,global=int8"):
            for cut in (1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 3 * WINDOW + 5):
                with self.subTest(cache=cache, cut=cut):
                    both = self.rows(TOKENS[:cut + 9], "--cache", cache)
                    first = self.rows(TOKENS[:cut], "--cache", cache, "--save-state", state, "--chunk", "50")
                    second = self.rows(TOKENS[cut:cut + 9], "--cache", cache, "--load-state", state, "--chunk", "4")
                    self.assertEqual(first + second, both)
        # From file to file.
        self.rows(TOKENS[:10], "--save-state", state)
        self.rows(TOKENS[10:20], "--load-state", state, "--save-state", state)
        self.assertEqual(self.rows(TOKENS[20:30], "--load-state", state), self.rows(TOKENS[:30])[20 * 768 * 4:])

    def test_a_packed_file_goes_on_from_the_state_of_its_original(self):
        packed = self.folder / "demo.lguf"
        state = self.folder / "talk.state"
        self.good("pack", "-m", program.DEMO, "-o", packed)
        self.rows(TOKENS[:70], "-m", program.DEMO, "--save-state", state)
        for flags in (["-m", packed], ["-m", program.DEMO, "--no-pack"], []):
            self.assertEqual(self.rows(TOKENS[70:75], "--load-state", state, *flags),
                             self.rows(TOKENS[:75])[70 * 768 * 4:], flags)

    def test_what_does_not_fit_is_refused(self):
        state = self.folder / "talk.state"
        self.rows(TOKENS[:100], "--save-state", state)
        go_on = ["logits", "--tokens", "5,6", "--load-state", state]
        for flags, message in ((["--cache", "int8"], "cache format"),
                               (["--cache", "global=int8"], "expected local=bf16,global=int8, found bf16"), (["--precision", "exact"], "cache format"),
                               (["--precision", "exact", "--cache", "bf16"], "precision"),
                               (["-c", "90"], "longer than the context"), (["-c", "101"], "at most 101 tokens")):
            self.assertIn(message, self.bad(1, *go_on, *flags).err)
        tiny = GOLDEN / "text" / "tiny-e2b"
        if tiny.exists():
            self.assertIn("another model", self.bad(1, *go_on, "-m", tiny).err)
        whole = state.read_bytes()
        numbers = random.Random(5)
        for k in range(20):
            damaged = bytearray(whole)
            if k % 2:
                damaged = damaged[:numbers.randrange(len(damaged))]
            else:
                damaged[numbers.randrange(len(damaged))] ^= 1 << numbers.randrange(8)
            state.write_bytes(damaged)
            self.bad(1, *go_on)
        state.write_bytes(whole + b"x")
        self.bad(1, *go_on)
        self.bad(1, "logits", "--tokens", "5", "--load-state", self.folder)
        self.bad(1, "logits", "--tokens", "5", "--load-state", self.folder / "none")
        self.bad(1, "logits", "--tokens", "5", "--save-state", self.folder / "no" / "folder")
        self.bad(1, "logits", "--tokens", "5", "--save-state", self.folder)

    def test_a_save_that_is_killed_leaves_the_old_file_whole(self):
        state = self.folder / "talk.state"
        self.rows(TOKENS[:100], "--save-state", state)
        old = state.read_bytes()
        for delay in (0.0, 0.005, 0.02, 0.05):
            process = subprocess.Popen([program.PROGRAM, "logits", "--tokens", ids(TOKENS[:200]), "--save-state",
                                        str(state)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
            found = state.read_bytes()
            if found != old:  # it was faster
                self.rows(TOKENS[200:202], "--load-state", state)
                break

    def test_a_save_without_room_leaves_the_old_file(self):
        state = self.folder / "talk.state"
        self.rows(TOKENS[:5], "--save-state", state)
        old = state.read_bytes()

        def few_bytes():
            import resource
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(old), len(old)))
        done = subprocess.run([program.PROGRAM, "logits", "--tokens", ids(TOKENS[:200]), "--save-state", str(state)],
                              capture_output=True, preexec_fn=few_bytes, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot be written", done.stderr)
        self.assertEqual(state.read_bytes(), old)
        self.assertEqual(os.listdir(self.folder).count("talk.state"), 1)
        self.assertFalse([name for name in os.listdir(self.folder) if ".part" in name])


class Lines(Case):
    LENGTHS = (1, 3, 70, 17, 130, 2, 64, 40, 1)

    def test_many_prompts_have_the_rows_of_each_alone(self):
        lists = [TOKENS[i:i + n] for i, n in enumerate(self.LENGTHS)]
        text = "".join(json.dumps({"tokens": tokens}) + "\n" for tokens in lists)
        one = self.folder / "one"
        expected = b""
        for tokens in lists:
            self.good("logits", "--tokens", ids(tokens), "--out", one)
            expected += one.read_bytes()
        many = self.folder / "many"
        for parallel in (1, 2, 9, 50):
            for chunk in ([], ["--chunk", "7"]):
                self.good("logits", "--jsonl", "--parallel", parallel, "--out", many, *chunk, stdin=text)
                self.assertTrue(many.read_bytes() == expected, (parallel, chunk))
        documents = self.good("logits", "--jsonl", "--parallel", "4", stdin=text).lines()
        self.assertEqual([d["shape"] for d in documents], [[n, 768] for n in self.LENGTHS])
        for tokens, document in zip(lists, documents):
            alone = self.good("logits", "--tokens", ids(tokens), "--json").json()
            self.assertEqual(alone["argmax"], document["argmax"])

    def test_a_pipe_gets_the_rows_in_order(self):
        lists = [TOKENS[:30], TOKENS[5:9]]
        text = "".join(json.dumps({"tokens": tokens}) + "\n" for tokens in lists)
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        got = []
        reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
        reader.start()
        self.good("logits", "--jsonl", "--parallel", "2", "--out", pipe, stdin=text)
        reader.join()
        many = self.folder / "many"
        self.good("logits", "--jsonl", "--parallel", "2", "--out", many, stdin=text)
        self.assertEqual(got[0], many.read_bytes())

    def test_a_bad_line_takes_nothing_from_the_others(self):
        text = '{"tokens":[2,5]}\n{"tokens":[2,99999]}\n\n{"tokens":[]}\n{"ids":[1]}\nnonsense\n{"tokens":[2,5,7]}\n'
        outcome = program.lamina("logits", "--jsonl", "--parallel", "3", stdin=text)
        self.assertEqual(outcome.code, 1)
        lines = outcome.lines()
        self.assertEqual([("error" in line) for line in lines], [False, True, True, True, True, False])
        self.assertEqual(lines[5]["shape"], [3, 768])
        self.assertEqual(lines[1]["error"]["where"], "line 2")
        self.assertEqual(self.good("logits", "--jsonl", stdin="").out, "")

    def test_flags_that_do_not_go_together(self):
        self.bad(2, "logits", "--jsonl", "--tokens", "2")
        self.bad(2, "logits", "--jsonl", "--save-state", "x")
        self.bad(2, "logits", "--tokens", "2", "--parallel", "2")


class Talks(Case):
    def talk(self, *lines, flags=()):
        outcome = self.good("chat", "--json", *flags, stdin="".join(line + "\n" for line in lines))
        return [answer for answer in outcome.lines()], outcome.err

    def test_nothing_is_read_twice(self):
        answers, _ = self.talk("Reverse lamina.", "/regen", "Reverse abc.", "/undo", "Reverse abd.", "/edit Reverse xyz.",
                               "/branch", "Reverse one.", "/branch 1", "Reverse two.", "/branch 2", "Reverse day.")
        self.assertEqual([a["text"] for a in answers],
                         ["animal", "animal", "cba", "dba", "zyx", "eno", "owt", "yad"])
        read = [a["timing"]["prompt_tokens_read"] for a in answers]
        self.assertEqual(read[1], 1)  # the same question: its last token, for the logits
        question = read[2]
        for count in read[2:]:
            self.assertLessEqual(count, question + 3)
        self.assertLess(question, answers[2]["prompt_tokens"])

    def test_answers_are_those_of_a_fresh_reading(self):
        talk = ["Reverse lamina.", "/regen", "/edit Reverse abc.", "/undo", "Reverse hello.", "/branch", "Reverse day."]
        answers, _ = self.talk(*talk, flags=["--temp", "1.5", "--seed", "3"])
        fresh, _ = self.talk("Reverse hello.", "Reverse day.", flags=["--temp", "1.5", "--seed", "3"])
        self.assertEqual(answers[-2]["tokens"], fresh[0]["tokens"])
        self.assertEqual(answers[-1]["tokens"], fresh[1]["tokens"])

    def test_a_saved_talk_goes_on_without_reading(self):
        path = self.folder / "talk.json"
        self.talk("Reverse lamina.", f"/save {path}", flags=["--state"])
        answers, notes = self.talk(f"/load {path}", "Reverse abc.", flags=["--state"])
        plain, _ = self.talk(f"/load {path}", "Reverse abc.")
        self.assertEqual(notes, "")
        self.assertEqual(answers[0]["text"], "cba")
        self.assertEqual(answers[0]["tokens"], plain[0]["tokens"])
        self.assertLess(answers[0]["timing"]["prompt_tokens_read"], plain[0]["timing"]["prompt_tokens_read"] - 10)

    def test_a_state_that_does_not_fit_is_said_and_read_again(self):
        path = self.folder / "talk.json"
        state = pathlib.Path(str(path) + ".state")
        self.talk("Reverse lamina.", f"/save {path}", flags=["--state"])
        plain, _ = self.talk(f"/load {path}", "Reverse abc.")
        whole = state.read_bytes()

        def again(flags=()):
            answers, notes = self.talk(f"/load {path}", "Reverse abc.", flags=["--state", *flags])
            self.assertIn("read again", notes)
            return answers[0]
        state.write_bytes(whole[:-1])
        self.assertEqual(again()["tokens"], plain[0]["tokens"])
        state.unlink()
        self.assertEqual(again()["tokens"], plain[0]["tokens"])
        state.write_bytes(whole)
        self.assertIn("a", again(["--cache", "int8"])["text"] + "a")
        # Of another talk.
        other = self.folder / "other.json"
        self.talk("Reverse something else.", f"/save {other}", flags=["--state"])
        state.write_bytes(pathlib.Path(str(other) + ".state").read_bytes())
        answer = again()
        self.assertEqual(answer["tokens"], plain[0]["tokens"])
        self.assertGreater(answer["timing"]["prompt_tokens_read"], 10)

    def test_a_talk_that_cannot_be_saved_leaves_the_old_one(self):
        path = self.folder / "talk.json"
        self.talk("Reverse lamina.", f"/save {path}")
        old = path.read_bytes()

        def few_bytes():
            import resource
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) // 2, len(old) // 2))
        done = subprocess.run([program.PROGRAM, "chat"], input=f"Reverse abc.\n/save {path}\n".encode(),
                              capture_output=True, preexec_fn=few_bytes, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot be written", done.stderr)
        self.assertEqual(path.read_bytes(), old)
        self.assertEqual(os.listdir(self.folder), ["talk.json"])

    def test_commands_that_cannot_be(self):
        outcome = program.lamina("chat", "--json", stdin="/regen\n/edit x\n/edit\n/branch 7\n/undo\nReverse ab.\n")
        lines = outcome.lines()
        self.assertEqual([("error" in line) for line in lines], [True] * 5 + [False])
        self.assertIn("/branch", self.good("chat", stdin="/help\n").err)


if __name__ == "__main__":
    program.main()
