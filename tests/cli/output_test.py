# SPDX-License-Identifier: Apache-2.0
"""Output that cannot be delivered: full devices, closed descriptors, readers that went away, limits of file sizes."""

import fcntl
import json
import os
import pathlib
import resource
import signal
import struct
import subprocess
import termios
import time

import program
from program import Case

CONVERSATION = json.dumps({"messages": [{"role": "user", "content": "x"}]})
PIPE_BYTES = 4096
F_SETPIPE_SZ = 1031  # named in Python 3.10 and newer only

# Every sub-command that writes to stdout, with what it reads.
COMMANDS = (
    (["run", "Reverse lamina."], ""), (["run", "Reverse lamina.", "--json"], ""), (["chat"], "Reverse lamina.\n"),
    (["chat", "--json"], "Reverse lamina.\n"), (["tokenize"], "a\nb\n"), (["tokenize", "--decode"], "2 5\n"),
    (["tokenize", "--jsonl"], '{"text":"a"}\n'), (["prompt"], CONVERSATION), (["prompt", "--ids"], CONVERSATION),
    (["prompt", "--jsonl"], CONVERSATION), (["logits", "--tokens", "2,5"], ""), (["plan"], ""), (["plan", "--json"], ""),
    (["plan", "--as-header"], ""), (["plan", "--variant", "e2b", "--as-header"], ""),
    (["--help"], ""), (["run", "--help"], ""),
    (["--version"], ""),
)


# These measure the machine first, for seconds.
SLOW_COMMANDS = tuple((["bench", "--prompt", "8", "--generate", "8", "--repeat", "1", *more], "") for more in ([], ["--json"]))


def start(*arguments, **options):
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([program.PROGRAM, *map(str, arguments)], **options)


class Lost(Case):
    def check_lost(self, process, stdin, reason, arguments):
        with process:
            _, errors = process.communicate(stdin.encode("utf-8"), timeout=60)
        with self.subTest(arguments=arguments):
            self.assertEqual(process.returncode, 1, errors)
            self.assertIn(b"lamina: standard output: cannot be written: expected ", errors)
            self.assertIn(reason, errors)

    def test_full_device(self):
        for arguments, stdin in COMMANDS + SLOW_COMMANDS:
            with open("/dev/full", "wb") as full:
                self.check_lost(start(*arguments, stdin=subprocess.PIPE, stdout=full), stdin, b"No space left", arguments)

    def test_closed(self):
        for arguments, stdin in COMMANDS:
            process = start(*arguments, stdin=subprocess.PIPE, preexec_fn=lambda: os.close(1))
            self.check_lost(process, stdin, b"Bad file descriptor", arguments)

    def test_reader_that_went_away(self):
        for arguments, stdin in COMMANDS:
            read, write = os.pipe()
            os.close(read)
            # Python ignores SIGPIPE; programs started by a shell do not.
            process = start(*arguments, stdin=subprocess.PIPE, stdout=write,
                            preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
            os.close(write)
            self.check_lost(process, stdin, b"Broken pipe", arguments)

    def test_limit_of_file_sizes(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

        for arguments, stdin in COMMANDS:
            with open(self.folder / "out", "wb") as out:
                process = start(*arguments, stdin=subprocess.PIPE, stdout=out, preexec_fn=limit)
                self.check_lost(process, stdin, b"File too large", arguments)
        for arguments in (["logits", "--tokens", "2", "--out", self.folder / "o"],
                          ["pack", "-m", program.DEMO, "-o", self.folder / "p.lguf"]):
            with start(*arguments, stdout=subprocess.PIPE, preexec_fn=limit) as process:
                _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1)
            self.assertIn(b"File too large", errors)

    def test_a_reader_that_leaves_ends_the_work(self):
        # Without end: only the reader can stop it before the context is full.
        with start("run", "--ignore-eos", "--tokens", "2", "--temp", "2", stdout=subprocess.PIPE) as process:
            process.stdout.read(1)
            process.stdout.close()
            errors = process.stderr.read()
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"Broken pipe", errors)

    def test_a_loss_is_told_beside_another_failure(self):
        with open("/dev/full", "wb") as full:
            process = start("tokenize", "--jsonl", stdin=subprocess.PIPE, stdout=full)
            self.check_lost(process, '{"text":"a"}\nnonsense\n', b"No space left", "a bad line")

    def test_files(self):
        outcome = self.bad(1, "logits", "--tokens", "2", "--out", "/dev/full")
        self.assertIn("/dev/full: cannot be written", outcome.err)
        outcome = program.lamina("chat", stdin="Reverse lamina.\n/save /dev/full\nReverse abc.\n")
        self.assertIn("/dev/full: cannot be written", outcome.err)
        self.assertEqual((outcome.code, outcome.out), (1, "animal\ncba\n"))

    def test_nothing_to_say_loses_nothing(self):
        with start("logits", "--tokens", "2", "--out", self.folder / "o", preexec_fn=lambda: os.close(1)) as process:
            process.stderr.read()
        self.assertEqual(process.returncode, 0)


class Closed(Case):
    """A file must never be opened on a descriptor that stands for a stream."""

    def run_without(self, descriptors, *arguments, stdin=None):
        def close():
            for descriptor in descriptors:
                os.close(descriptor)

        streams = {name: subprocess.PIPE for number, name in enumerate(("stdin", "stdout", "stderr"))
                   if number not in descriptors}
        with start(*arguments, **{"stderr": None, **streams}, preexec_fn=close) as process:
            process.communicate(stdin, timeout=60)
        return process.returncode

    def test_logits_file(self):
        path = self.folder / "logits.f32"
        before = program.DEMO.read_bytes()
        for descriptors in ([0], [1], [2], [0, 1], [1, 2], [0, 1, 2]):
            with self.subTest(descriptors=descriptors):
                code = self.run_without(descriptors, "logits", "--tokens", "2,5", "--out", path, "--json", "-m", program.DEMO)
                self.assertEqual(path.stat().st_size, 2 * 768 * 4)
                self.assertEqual(code, 1 if 1 in descriptors else 0)
        self.assertTrue(program.DEMO.read_bytes() == before)

    def test_saved_conversation(self):
        path = self.folder / "talk.json"
        for descriptors in ([1], [2], [1, 2]):
            with self.subTest(descriptors=descriptors):
                self.run_without(descriptors, "chat", stdin=f"/nonsense\n/save {path}\n/nonsense\nHi\n".encode())
                self.assertEqual(json.loads(path.read_text("utf-8"))["messages"], [])

    def test_packed_file(self):
        path = self.folder / "demo.lguf"
        for descriptors in ([0], [1], [2], [0, 1, 2]):
            self.run_without(descriptors, "pack", "-m", program.DEMO, "-o", path)
            self.good("run", "Reverse lamina.", "-m", path)

    def test_stdin(self):
        for command in (["run"], ["chat"], ["tokenize"], ["tokenize", "--jsonl"], ["prompt"], ["prompt", "--jsonl"]):
            with self.subTest(command=command):
                with start(*command, stdout=subprocess.PIPE, preexec_fn=lambda: os.close(0)) as process:
                    _, errors = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 1)
                self.assertIn(b"lamina: standard input: cannot be read", errors)
        self.assertEqual(self.run_without([0], "run", "Reverse lamina."), 0)

    def test_stdin_that_is_a_folder(self):
        folder = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        with start("tokenize", stdin=folder, stdout=subprocess.PIPE) as process:
            _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"standard input: cannot be read", errors)


class Interrupted(Case):
    def test_a_write_that_ctrl_c_breaks_off_loses_nothing(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        fcntl.fcntl(write, F_SETPIPE_SZ, PIPE_BYTES)
        # The pipe is full and nobody reads: the program's first write waits, and none of it is done when the signal comes.
        os.write(write, b" " * PIPE_BYTES)
        process = start("run", "--ignore-eos", "--tokens", "2", "-t", "1", "-n", "4000", "--json", stdout=write)
        os.close(write)
        with process:
            asleep = 0
            while asleep < 5:
                time.sleep(0.05)
                state = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
                asleep = asleep + 1 if state == "S" else 0
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)  # room in the pipe would let the write end well, signal or not
            out = b""
            while piece := os.read(read, 1 << 16):
                out += piece
            errors = process.stderr.read()
        self.assertEqual((process.returncode, errors), (0, b""))
        self.assertEqual(len(json.loads(out)["tokens"]), 4000)

    def test_while_waiting_for_stdin(self):
        for command in ("tokenize", "prompt", "run"):
            with start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                self.addCleanup(process.kill)
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(timeout=30), 130, command)


if __name__ == "__main__":
    program.main()
