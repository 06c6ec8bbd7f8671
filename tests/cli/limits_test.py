# SPDX-License-Identifier: Apache-2.0
"""Too little of everything: memory, stack, descriptors, threads. An error line and exit code 1, or a slower way."""

import os
import resource
import struct
import subprocess

import program
from program import Case, Outcome

KIB = 1024


def loaded_bytes(path):
    """Address space that the segments of an ELF file of 64 bits take: its code and data, not its debug information."""
    with open(path, "rb") as file:
        content = file.read()
    first, = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    ends = [0]
    for header in range(first, first + size * count, size):
        kind, = struct.unpack_from("<I", content, header)
        address, _, _, in_memory = struct.unpack_from("<4Q", content, header + 16)
        if kind == 1:  # PT_LOAD
            ends.append(address + in_memory)
    return max(ends)


def limited(limits, *arguments, stdin=b"", cpus=None):
    """Runs the program under {resource: bytes or count}, on the CPUs named."""
    def apply():
        for name, most in limits.items():
            resource.setrlimit(name, (most, most))
        if cpus is not None:
            os.sched_setaffinity(0, cpus)

    return Outcome(subprocess.run([program.PROGRAM, *map(str, arguments)], input=stdin, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=120, check=False, preexec_fn=apply))


class Limits(Case):
    def check_ends_well(self, outcome):
        """Done, or one error line; the notes before it say what went on with less."""
        lines = [line for line in outcome.err.split("\n") if line and not line.startswith("note: ")]
        if outcome.code == 0:
            self.assertEqual(lines, [])
            return True
        self.assertEqual(outcome.code, 1, outcome.err)
        self.assertTrue(lines[0].startswith("lamina: "), outcome.err)
        self.assertTrue(all(line.startswith("hint: ") for line in lines[1:]), outcome.err)
        return False

    def test_memory(self):
        answered, refused, unpacked = 0, 0, 0
        # Finely around where the program itself begins to run, and where packing stops to fit. With less than its
        # own size the system ends it before it begins.
        first = loaded_bytes(program.PROGRAM) // KIB + 500
        for limit in [*range(first, first + 10_000, 250), *range(first + 10_000, first + 25_000, 1000)]:
            outcome = limited({resource.RLIMIT_AS: limit * KIB}, "run", "-t", "1", "Reverse lamina.")
            if outcome.code == 127 or "error while loading shared libraries" in outcome.err:
                continue  # not even the system's loader ran to its end
            with self.subTest(limit=limit):
                if self.check_ends_well(outcome):
                    self.assertEqual(outcome.out, "animal\n")
                    answered += 1
                    unpacked += "computing from the mapped file" in outcome.err
                else:
                    refused += 1
        self.assertGreater(answered, 3)
        self.assertGreater(refused, 3)
        self.assertGreater(unpacked, 0)

    def test_memory_of_each_sub_command(self):
        conversation = b'{"messages":[{"role":"user","content":"' + b"x" * 20_000_000 + b'"}]}'
        for arguments, stdin in (
            (["tokenize"], b"a" * 20_000_000), (["tokenize", "--jsonl"], b'{"text":"' + b"a" * 20_000_000 + b'"}'),
            (["prompt"], conversation), (["prompt", "--ids"], conversation), (["run", "-t", "1"], b"a" * 20_000_000),
            (["chat", "-t", "1"], b"a" * 20_000_000 + b"\n"),
        ):
            with self.subTest(arguments=arguments):
                outcome = limited({resource.RLIMIT_AS: 40_000 * KIB}, *arguments, stdin=stdin)
                self.assertFalse(self.check_ends_well(outcome))
        outcome = limited({resource.RLIMIT_AS: 40_000 * KIB}, "tokenize", "--json", stdin=b"a" * 20_000_000)
        self.assertEqual(outcome.json()["error"]["code"], "out_of_memory")

    def test_data(self):
        for limit in range(1000, 16_000, 1000):
            outcome = limited({resource.RLIMIT_DATA: limit * KIB}, "run", "-t", "1", "Reverse lamina.")
            if "error while loading shared libraries" not in outcome.err:
                self.check_ends_well(outcome)

    def test_quiet_says_nothing_of_a_slower_way(self):
        for limit in range(19_000, 26_000, 500):
            outcome = limited({resource.RLIMIT_AS: limit * KIB}, "run", "-t", "1", "-q", "Reverse lamina.")
            if outcome.code == 0:
                self.assertEqual(outcome.err, "")

    def test_stack(self):
        for limit in (64, 96, 128, 200):
            outcome = limited({resource.RLIMIT_STACK: limit * KIB}, "run", "-t", "1", "Reverse lamina.")
            self.assertFalse(self.check_ends_well(outcome))
            self.assertIn("ulimit -s", outcome.err)
        for threads in ("1", "4"):
            outcome = limited({resource.RLIMIT_STACK: 256 * KIB}, "run", "-t", threads, "Reverse lamina.")
            self.assertEqual((outcome.code, outcome.out), (0, "animal\n"))

    def test_descriptors(self):
        # Three are the streams; the system's loader needs one more.
        results = [limited({resource.RLIMIT_NOFILE: count}, "run", "-t", "2", "Reverse lamina.", "-m", program.DEMO)
                   for count in (4, 5, 6, 8)]
        for outcome in results:
            self.check_ends_well(outcome)
        self.assertEqual(results[-1].out, "animal\n")

    def test_threads(self):
        # A stack of 256 MiB each: 8 do not fit, fewer do.
        limits = {resource.RLIMIT_AS: 1_500_000 * KIB, resource.RLIMIT_STACK: 256 * 1024 * KIB}
        outcome = limited(limits, "run", "-t", "8", "Reverse lamina.")
        self.assertEqual((outcome.code, outcome.out), (0, "animal\n"), outcome.err)
        self.assertRegex(outcome.err, r"note: the system refused 8 threads: using [1-4]\n")
        row = limited(limits, "bench", "-t", "8", "--prompt", "4", "--generate", "2", "--repeat", "1", "--json").json()["rows"][0]
        self.assertLess(row["threads"], 8)

    def test_default_threads_follow_affinity(self):
        one = {min(os.sched_getaffinity(0))}
        outcome = limited({}, "bench", "--prompt", "4", "--generate", "2", "--repeat", "1", "--json", cpus=one)
        self.assertEqual({row["threads"] for row in outcome.json()["rows"]}, {1})


if __name__ == "__main__":
    program.main()
