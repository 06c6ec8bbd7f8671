# SPDX-License-Identifier: Apache-2.0
"""Exit codes and error messages: wrong usage, bad files, too long prompts, things of later versions."""

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
            ["run", "--temp", "-1", "x"], ["run", "--tokens", "2", "text as well"],
        ):
            with self.subTest(arguments=arguments):
                self.bad(2, *arguments)

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
        for command in (["media", "a.png", "--dump", "x"], ["verify"], ["serve", "--port", "80"]):
            outcome = self.bad(1, *command, "--json")
            self.assertEqual(outcome.json()["error"]["code"], "unsupported")
            self.assertIn("not in this version", outcome.err)

    def test_media_flags(self):
        for flags in (["--image", "a.png"], ["--audio", "a.wav"], ["--video", "a.mp4"], ["--image-tokens", "70"],
                      ["--mmproj", "a.gguf"]):
            for command in (["run", "text"], ["logits", "--tokens", "2"], ["chat"]):
                outcome = self.bad(1, *command, *flags, "--json")
                self.assertEqual(outcome.json()["error"]["code"], "unsupported")


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
