# SPDX-License-Identifier: Apache-2.0
"""Exit codes and error messages: wrong usage, bad files, too long prompts, things of later versions."""

import json

import program
from program import Case


class Usage(Case):
    def test_wrong_usage_is_code_2(self):
        for arguments in (
            [], ["nonsense"], ["run", "--no-such-flag", "x"], ["run", "-c", "none", "x"], ["run", "-t", "0", "x"],
            ["run", "--cache", "q4", "x"], ["run", "--precision", "best", "x"], ["logits"],
            ["logits", "--tokens", "2,x"], ["logits", "--tokens", "2", "--prompt", "a"], ["logits", "--tokens", ""],
            ["logits", "--tokens", "2", "--chunk", "0"], ["plan", "--format", "q4_0"],
            ["plan", "--variant", "e2b", "--format", "q4_7"], ["plan", "--budget", "much"], ["bench", "--depth", "deep"],
            ["run", "--temp", "-1", "x"], ["run", "--tokens", "2", "text as well"], ["run", "two", "texts"],
        ):
            with self.subTest(arguments=arguments):
                outcome = self.bad(2, *arguments)
                self.assertRegex(outcome.err, "^lamina: ")

    def check_value(self, command, flag, value):
        """A value that is refused: the line names the flag, what was expected and what was found."""
        with self.subTest(command=command[0], flag=flag, value=value):
            outcome = self.bad(2, *command, flag, value)
            first = outcome.err.split("\n")[0]
            self.assertIn(flag.lstrip("-"), first)
            self.assertIn(": expected ", first)
            self.assertTrue(first.endswith(", found " + (value.strip() and value or "nothing")), first)
            self.assertEqual(outcome.out, "")

    def test_numbers(self):
        odd = ["nan", "-nan", "inf", "-inf", "infinity", "1e400", "-1e400", "-1", "0x10", "1,5", " 1", "1 ", "+1", "1x", "one", "--"]
        for flag in ("--temp", "--top-p", "--min-p", "--repeat-penalty"):
            for value in odd[:-1]:
                self.check_value(["run", "x"], flag, value)
        whole = ["1.0", "1e3", "010x", "18446744073709551616", "4294967296", "-9223372036854775809"]
        for command, flags in ((["run", "x"], ("--max-tokens", "--top-k", "--threads", "--context", "--image-tokens")),
                               (["logits", "--tokens", "2"], ("--chunk",)), (["bench"], ("--prompt", "--generate", "--repeat"))):
            for flag in flags:
                for value in odd[:-1] + whole:
                    self.check_value(command, flag, value)
        for value in odd[:7] + odd[8:-1] + ["-2", "1.0", "1e3", "18446744073709551616"]:
            self.check_value(["run", "x"], "--seed", value)
        for value in ("nan", "inf", "-1", "1e400", "1e30GiB", "GiB", "1 stone", "1GiB2"):
            self.bad(2, "plan", "--budget", value)
        for value in ("nan", "-1", "4294967296", "1.5", "0x10"):
            self.bad(2, "run", "--tokens", value)
            self.bad(2, "logits", "--tokens", value)
            self.bad(2, "bench", "--depth", value)

    def test_limits_of_numbers(self):
        for flag, values in {"--temp": ("0", "1e-45", "100", ".5"), "--top-p": ("1e-6", "1"), "--min-p": ("0", "1"),
                             "--repeat-penalty": ("0.01", "100"), "--top-k": ("0", "1073741824"), "-n": ("1",),
                             "--seed": ("-1", "0", "18446744073709551615"), "-c": ("64", "8192"), "-t": ("1", "010")}.items():
            for value in values:
                self.good("run", "Hi", "-n", "1", flag, value) if flag != "-n" else self.good("run", "Hi", flag, value)

    def test_words(self):
        for command, flag in ((["run", "x"], "--cache"), (["run", "x"], "--precision"), (["prompt"], "--template")):
            for value in ("", "q4", "BF16 "):
                self.check_value(command, flag, value)
        for value in ("local=q4", "global=", "bf16,int8", "global=int8,global=bf16", "local=bf16;global=int8"):
            self.check_value(["run", "x"], "--cache", value)

    def test_empty_values(self):
        for command, flags in (
            (["run", "x"], ("-m", "--model", "--mmproj", "--system", "--image", "--audio", "--video", "--cache", "--seed", "-t")),
            (["run"], ("--tokens",)), (["chat"], ("-m", "--system")), (["plan"], ("-m", "--budget", "--variant")),
            (["plan", "--variant", "e2b"], ("--format",)), (["tokenize"], ("-m",)), (["prompt"], ("-m", "--template")),
            (["logits", "--tokens", "2"], ("--out", "-m")), (["logits"], ("--prompt", "--tokens")), (["bench"], ("--depth", "-m")),
            (["pack", "-o", "x.lguf"], ("-m",)), (["pack", "-m", str(program.DEMO)], ("-o",)), (["media", "x"], ("-m",)),
        ):
            for flag in flags:
                with self.subTest(command=command, flag=flag):
                    outcome = self.bad(2, *command, flag, "")
                    self.assertRegex(outcome.err, r"^lamina: --?[a-z]+: expected .*, found nothing\n")
                    if flag.startswith("--"):
                        self.assertIn(flag, outcome.err)
                        # "--flag=" must not take the next argument for its value.
                        self.assertIn(flag, self.bad(2, *command, flag + "=", "2").err)
        for command in (["run", ""], ["run", " \n"], ["run"], ["plan", ""]):
            self.assertIn("found nothing", self.bad(2, *command).err)

    def test_values_given_twice(self):
        for command, flag, values in ((["run", "x"], "--model", ("a", "b")), (["run", "x"], "--temp", ("1", "1")),
                                      (["run", "x"], "--seed", ("1", "2")), (["run", "x"], "--cache", ("bf16", "f32")),
                                      (["logits"], "--tokens", ("2", "3")), (["run", "x"], "--system", ("a", "b"))):
            outcome = self.bad(2, *command, flag, values[0], flag, values[1])
            self.assertIn(flag + ": expected one value, found 2", outcome.err)
        self.good("run", "Hi", "--json", "--json", "-q", "-q")

    def test_values_that_are_missing(self):
        for flag in ("--temp", "--model", "--seed", "--tokens"):
            self.assertRegex(self.bad(2, "run", flag).err, f"^lamina: {flag}: expected .*, found nothing\n")

    def test_json_errors_are_documents(self):
        outcome = self.bad(2, "logits", "--json", "--no-such-flag")
        self.assertEqual(outcome.json()["error"]["code"], "usage")
        outcome = self.bad(1, "logits", "--json", "--tokens", "2", "-m", self.folder / "absent.gguf")
        error = outcome.json()["error"]
        self.assertEqual(list(error), ["code", "message", "where", "hint"])
        self.assertEqual(error["code"], "io")
        self.assertIn("absent.gguf", error["where"])

    def test_help_and_version(self):
        for command in ("run", "chat", "logits", "tokenize", "prompt", "plan", "bench", "pack", "media", "verify", "serve"):
            outcome = self.good(command, "--help")
            for flag in ("--model", "--mmproj", "--threads", "--context", "--cache", "--precision", "--json", "--quiet"):
                self.assertIn(flag, outcome.out, command)
        self.assertRegex(self.good("--version").out, r"^\d+\.\d+\.\d+\ntarget [A-Z0-9_]+\n(warning: .+\n)?$")


class Later(Case):
    def test_later_sub_commands(self):
        for command in (["verify"],):
            outcome = self.bad(1, *command, "--json")
            self.assertEqual(outcome.json()["error"]["code"], "unsupported")
            self.assertIn("not in this version", outcome.err)


class Media(Case):
    def check_error(self, code, name, *command, **options):
        outcome = self.bad(1, *command, "--json", **options)
        self.assertEqual(outcome.json()["error"]["code"], code, outcome.err)
        self.assertIn(name, outcome.err)

    def test_files_that_cannot_be_read(self):
        empty = self.folder / "empty.png"
        empty.write_bytes(b"")
        words = self.folder / "words.wav"
        words.write_text("no sound")
        short = self.folder / "short.png"
        short.write_bytes((program.MEDIA / "digits.png").read_bytes()[:200])
        for command in (["run", "What?"], ["logits", "--prompt", "<|image|><|audio|><|video|>"]):
            for flag in ("--image", "--audio", "--video"):
                if command[0] == "logits":
                    command[2] = {"--image": "<|image|>", "--audio": "<|audio|>", "--video": "<|video|>"}[flag]
                self.check_error("io", "absent", *command, flag, self.folder / "absent.png")
            command[-1] = "<|image|>" if command[0] == "logits" else "What?"
            self.check_error("bad_file", "empty.png", *command, "--image", empty)
            self.check_error("bad_file", "short.png", *command, "--image", short)
            self.check_error("bad_file", "words.wav", *command, "--image", words)
            command[-1] = "<|audio|>" if command[0] == "logits" else "What?"
            self.check_error("bad_file", "words.wav", *command, "--audio", words)
        self.check_error("bad_file", "empty.png", "media", empty)
        self.check_error("io", "absent", "media", self.folder / "absent.png")

    def test_models_without_towers(self):
        model = program.GOLDEN / "text/tiny-e2b"  # a directory
        image = program.MEDIA / "digits.png"
        for where in (["-m", model], ["-m", program.GOLDEN / "text/tiny-26b-a4b/model.gguf"]):
            self.check_error("unsupported", "tower", "logits", *where, "--prompt", "<|image|>", "--image", image)
            self.check_error("unsupported", "tower", "media", *where, image)
        self.bad(1, "run", "x", "--image", image, "--mmproj", self.folder / "absent.gguf")

    def test_places_and_files_that_do_not_agree(self):
        image = program.MEDIA / "digits.png"
        self.check_error("unsupported", "place", "logits", "--prompt", "a", "--image", image)
        self.check_error("unsupported", "nothing is given", "logits", "--prompt", "<|image|><|image|>", "--image", image)
        self.check_error("unsupported", "<|audio|>", "logits", "--prompt", "<|audio|>", "--image", image)
        for command in (["run", "--tokens", "2"], ["logits", "--tokens", "2"]):
            self.bad(2, *command, "--image", image)

    def test_conversations_with_media(self):
        path = self.folder / "talk.json"
        parts = (({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}, "bad_file"),
                 ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, "unsupported"),
                 ({"type": "image"}, "unsupported"), ({"type": "audio"}, "unsupported"), ({"type": "video"}, "unsupported"),
                 ({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}, "bad_file"))
        for part, code in parts:
            for messages in ([{"role": "user", "content": [part, {"type": "text", "text": "What?"}]}],
                             [{"role": "user", "content": "a"}, {"role": "assistant", "content": [part]}],
                             [{"role": "user", "content": "a"},
                              {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {}}}]},
                              {"role": "tool", "tool_call_id": "1", "content": [part]}]):
                with self.subTest(part=part["type"], messages=len(messages)):
                    conversation = json.dumps({"messages": messages})
                    path.write_text(conversation, "utf-8")
                    rows = self.good("chat", "--json", "-n", "8", stdin=f"Reverse lamina.\n/load {path}\n").lines()
                    self.assertEqual([next(iter(row)) for row in rows], ["text", "error"])
                    self.assertEqual(rows[1]["error"]["code"], code)
                    outcome = self.bad(1, "prompt", "--ids", "--json", stdin=conversation)
                    self.assertEqual(outcome.json()["error"]["code"], code)
                    # The text, and ids of a tokenizer alone, are what the template says.
                    self.good("prompt", stdin=conversation)
                    self.good("prompt", "--ids", "-m", program.GOLDEN / "tokenizer/small.tokenizer.json", stdin=conversation)

    def test_places_for_media_in_raw_text(self):
        for place in ("<|image|>", "<|audio|>", "<|video|>"):
            for command in (["run", "--raw", place + " What?", "-n", "4"], ["logits", "--prompt", "a " + place]):
                outcome = self.bad(1, *command, "--json")
                self.assertEqual(outcome.json()["error"]["code"], "unsupported")
                self.assertIn(place, outcome.err)
            # What a person types is data.
            self.good("run", place + " What?", "-n", "4")
            self.good("tokenize", "--special", stdin=place + "\n")


class Files(Case):
    def check_bad(self, name, content, code):
        path = self.folder / name
        path.write_bytes(content)
        for command in (["run", "x"], ["logits", "--tokens", "2"], ["plan"], ["tokenize"], ["bench"]):
            with self.subTest(name=name, command=command[0]):
                outcome = self.bad(1, *command, "-m", path, "--json")
                self.assertIn(outcome.json()["error"]["code"], code)
                self.assertIn(name, outcome.err)

    def test_absent(self):
        outcome = self.bad(1, "run", "x", "-m", self.folder / "absent")
        self.assertIn("absent", outcome.err)
        self.assertEqual(outcome.out, "")

    def test_no_model(self):
        self.check_bad("empty.gguf", b"", {"bad_file"})
        self.check_bad("text.gguf", b"This is no model at all. " * 10, {"bad_file"})

    def test_directory_without_model(self):
        self.bad(1, "run", "x", "-m", self.folder)

    def test_truncated(self):
        whole = program.DEMO.read_bytes()
        for size in (3, 24, 1000, 40_000):
            self.check_bad(f"cut{size}.gguf", whole[:size], {"bad_file"})
        path = self.folder / "cut-data.gguf"
        path.write_bytes(whole[:-1000])
        self.bad(1, "run", "x", "-m", path)

    def test_vocabulary_only(self):
        path = program.GOLDEN / "tokenizer/small.gguf"
        outcome = self.bad(1, "run", "x", "-m", path)
        self.assertIn("vocabulary", outcome.err)


class Limits(Case):
    def test_prompt_longer_than_context(self):
        for command in (["run", "--tokens"], ["logits", "--tokens"]):
            outcome = self.bad(1, *command, ",".join(["2"] * 33), "-c", "32", "--json")
            self.assertEqual(outcome.json()["error"]["code"], "context_full")
            self.assertIn("32", outcome.err)
            self.assertIn("33", outcome.err)
            self.assertIn("-c", outcome.json()["error"]["hint"])
        self.good("logits", "--tokens", ",".join(["2"] * 32), "-c", "32", "--json")

    def test_context_beyond_the_model(self):
        for command in (["run", "x"], ["logits", "--tokens", "2"], ["plan"]):
            outcome = self.bad(1, *command, "-c", "9000")
            self.assertIn("8192", outcome.err)
            self.assertIn("9000", outcome.err)

    def test_token_outside_vocabulary(self):
        for command in ("run", "logits"):
            outcome = self.bad(1, command, "--tokens", "2,768")
            self.assertIn("768", outcome.err)

    def test_text_that_is_no_utf8(self):
        self.good("run", b"Reverse \xff\xfe lamina.".decode("utf-8", "surrogateescape"), "-n", "8", "--json")


if __name__ == "__main__":
    program.main()
