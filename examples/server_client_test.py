#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Example 10 against a server on the demo model: an answer, and errors.

    server_client_test.py PROGRAM CLIENT
"""

import subprocess
import sys
import unittest

PROGRAM, CLIENT = sys.argv[1:3]


class ServerClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen([PROGRAM, "serve", "--port", "0", "-t", "1", "-c", "256"],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.address = cls.server.stdout.readline().split()[-1]

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()
        cls.server.stdout.close()

    def ask(self, address, words):
        return subprocess.run([CLIENT, address, words], capture_output=True, text=True, timeout=120)

    def test_the_answer_comes(self):
        done = self.ask(self.address, "Reverse lamina.")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "animal\n", ""))

    def test_quotes_arrive(self):
        self.assertEqual(self.ask(self.address, 'Say "\\".').returncode, 0)

    def test_refusals_are_shown(self):
        done = self.ask(self.address, "a" * 4000)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"status 400: .*context")

    def test_nobody_listens(self):
        done = self.ask("http://127.0.0.1:1", "Hello")
        self.assertEqual(done.returncode, 1)
        self.assertIn("127.0.0.1:1", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
