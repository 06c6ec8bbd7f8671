#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many clients against one `lamina serve`: errors, tokens/s of all, time to the first token, longest gap, memory.

    python3 bench/serve/load.py build/release/bin/lamina --clients 64 --seconds 60
    python3 bench/serve/load.py build/release/bin/lamina -m E2B.gguf --clients 8 --tokens 32 --long 16384 -c 17408
"""

import argparse
import http.client
import json
import re
import statistics
import subprocess
import threading
import time


def memory(process):
    text = open(f"/proc/{process.pid}/status", encoding="ascii").read()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024


class Client(threading.Thread):
    """Asks again and again until the time is over."""

    def __init__(self, port, until, options, number):
        super().__init__(daemon=True)
        self.port, self.until, self.options, self.number = port, until, options, number
        self.errors, self.answers, self.tokens = [], 0, 0
        self.first, self.gaps = [], []

    def run(self):
        while time.monotonic() < self.until:
            try:
                self.ask()
                self.answers += 1
            except Exception as error:  # whatever it is, it counts
                self.errors.append(repr(error))

    def ask(self):
        words = f"Write {100 + (self.number * 37 + self.answers * 11) % 900} in words."
        body = {"messages": [{"role": "user", "content": words}], "stream": True, "max_tokens": self.options.tokens,
                "stream_options": {"include_usage": True}, "temperature": 1.0, "seed": self.answers}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        begin = last = time.monotonic()
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(answer.status)
        seen = 0
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise RuntimeError(chunk["error"])
            if chunk.get("usage"):
                self.tokens += chunk["usage"]["completion_tokens"]
            if not chunk["choices"] or not chunk["choices"][0]["delta"].get("content"):
                continue
            now = time.monotonic()
            (self.gaps if seen else self.first).append(now - (last if seen else begin))
            last, seen = now, seen + 1
        connection.close()


def read_long(port, tokens):
    """One client sends a prompt of about so many tokens; returns seconds until its first token."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
    ids = [5 + i * 7919 % 200 for i in range(tokens)]
    begin = time.monotonic()
    connection.request("POST", "/v1/completions", json.dumps({"prompt": ids, "max_tokens": 1}),
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(text[:200])
    return time.monotonic() - begin


def run(server, port, clients, options, long=0):
    begin = time.monotonic()
    threads = [Client(port, begin + options.seconds, options, i) for i in range(clients)]
    for thread in threads:
        thread.start()
    document = {}
    if long:
        time.sleep(1)
        document["long_prompt_s"] = read_long(port, long)
    sizes = []
    for part in range(1, 7):  # what leaks grows from each to the next
        time.sleep(max(begin + options.seconds * part / 6 - time.monotonic(), 0))
        sizes.append(memory(server))
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin
    gaps = [gap for thread in threads for gap in thread.gaps] or [0]
    first = [one for thread in threads for one in thread.first] or [0]
    errors = [error for thread in threads for error in thread.errors]
    document.update({
        "clients": clients, "seconds": seconds, "answers": sum(thread.answers for thread in threads),
        "errors": len(errors), "some_errors": errors[:3],
        "tokens_per_s": sum(thread.tokens for thread in threads) / seconds,
        "first_token_s": {"median": statistics.median(first), "max": max(first)},
        "gap_s": {"median": statistics.median(gaps), "max": max(gaps)}, "memory_over_time": sizes})
    return document


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lamina")
    parser.add_argument("-m", "--model")
    parser.add_argument("-c", "--context", default="2048")
    parser.add_argument("-t", "--threads")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--alone", action="store_true", help="one client first, for comparison")
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--long", type=int, default=0, help="tokens of a prompt that one more client sends meanwhile")
    parser.add_argument("--prompt-rows", default="64")
    options = parser.parse_args()
    command = [options.lamina, "serve", "--port", "0", "-c", options.context, "--parallel", str(options.parallel),
               "--queue", "256", "--prompt-rows", options.prompt_rows, "-q"]
    if options.model:
        command += ["-m", options.model]
    if options.threads:
        command += ["-t", options.threads]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        warm = run(server, port, 1, argparse.Namespace(**{**vars(options), "seconds": 1}))
        document = {"warm": warm["answers"], "memory_before": memory(server)}
        if options.alone:
            document["alone"] = run(server, port, 1, options)
        document["together"] = run(server, port, options.clients, options, options.long)
        if options.alone:
            document["speedup"] = document["together"]["tokens_per_s"] / document["alone"]["tokens_per_s"]
        document["memory_after"] = memory(server)
        print(json.dumps(document, indent=1))
    finally:
        server.terminate()
        print("exit code", server.wait())


if __name__ == "__main__":
    main()
