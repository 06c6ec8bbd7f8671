# SPDX-License-Identifier: Apache-2.0
"""`lamina serve` on the demo model: shapes of answers, errors, streams, who leaves, who waits, limits, the end."""

import base64
import contextlib
import http.client
import json
import pathlib
import re
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import program

REVERSE = [{"role": "user", "content": "Reverse lamina."}]
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "unit": {"enum": ["C", "F"]}}, "required": ["city", "unit"]}}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {
    "type": "object", "properties": {"zone": {"type": "array", "items": {"type": "number", "minimum": -12, "maximum": 14},
                                              "minItems": 1, "maxItems": 2}}, "required": ["zone"]}}}


class Server:
    """One running server."""

    def __init__(self, *flags):
        self.process = subprocess.Popen([program.PROGRAM, "serve", "--port", "0", "-t", "1", *flags],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
        if found is None:
            raise AssertionError(line + self.process.stderr.read())
        self.port = int(found[1])

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer, text

    def post(self, path, body, **headers):
        answer, text = self.ask("POST", path, body, headers)
        return answer.status, json.loads(text)

    def chat(self, messages=None, **fields):
        return self.post("/v1/chat/completions",
                         {"model": "demo", "messages": messages or REVERSE, "temperature": 0, **fields})

    def stream(self, path, body):
        """The events of a stream: (name, data) each; comments with the name ":"."""
        answer, text = self.ask("POST", path, {"stream": True, **body})
        if answer.status != 200:
            raise AssertionError(text)
        events = []
        for block in text.decode().split("\n\n"):
            name, data = "", None
            for line in block.split("\n"):
                if line.startswith(":"):
                    events.append((":", line))
                elif line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    data = line[6:]
            if data is not None:
                events.append((name, data if data == "[DONE]" else json.loads(data)))
        return events

    def raw(self, data, pieces=1, pause=0.0, read=True):
        """Sends bytes, then returns all that comes until the other side closes or is silent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=2)
        try:
            size = max(1, -(-len(data) // pieces))
            for at in range(0, len(data), size):
                connection.sendall(data[at:at + size])
                time.sleep(pause)
            got = b""
            while read and (piece := connection.recv(65536)):
                got += piece
                if b"\r\n\r\n" in got and b"Connection: close" not in got and got.count(b"HTTP/1.1") >= 1:
                    connection.settimeout(0.5)
            return got
        except OSError:
            return got if read else b""
        finally:
            connection.close()

    def metric(self, name):
        text = self.ask("GET", "/metrics")[1].decode()
        return float(re.search(rf"^lamina_{re.escape(name)} (\S+)$", text, re.M)[1])

    def wait_for(self, name, value, seconds=10):
        until = time.monotonic() + seconds
        while self.metric(name) != value:
            if time.monotonic() > until:
                raise AssertionError(f"{name} is {self.metric(name)}, not {value}")
            time.sleep(0.01)


def request(body, **headers):
    """A chat request as bytes."""
    text = json.dumps(body).encode()
    head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}"
            f"Content-Length: {len(text)}\r\n\r\n").encode() + text


class Serving(unittest.TestCase):
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.flags)
        cls.addClassCleanup(cls.server.end)


class Answers(Serving):
    def test_what_it_is(self):
        answer, text = self.server.ask("GET", "/health")
        self.assertEqual((answer.status, json.loads(text)), (200, {"status": "ok"}))
        models = json.loads(self.server.ask("GET", "/v1/models")[1])
        self.assertEqual(models["data"][0]["id"], "demo")
        properties = json.loads(self.server.ask("GET", "/props")[1])
        self.assertEqual(len(properties["layers"]), 10)
        schedule = json.loads(self.server.ask("GET", "/schedule")[1])
        self.assertEqual(sum(kind["layers"] for kind in schedule["kinds"]), 10)
        self.assertTrue(all(layer["milliseconds"] > 0 for layer in schedule["layers"]))
        answer, text = self.server.ask("GET", "/")
        self.assertIn(b"<html", text)
        self.assertTrue(answer.getheader("Content-Type").startswith("text/html"))

    def test_a_chat(self):
        status, answer = self.server.chat()
        self.assertEqual(status, 200)
        self.assertEqual(answer["object"], "chat.completion")
        choice = answer["choices"][0]
        self.assertEqual(choice["message"]["content"], "animal")
        self.assertEqual(choice["message"]["role"], "assistant")
        self.assertEqual(choice["finish_reason"], "stop")
        self.assertIsNone(choice["logprobs"])
        usage = answer["usage"]
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])
        # What was read once is not read again.
        again = self.server.chat()[1]["usage"]
        self.assertGreaterEqual(again["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"] - 1)

    def test_a_stream(self):
        events = self.server.stream("/v1/chat/completions", {
            "messages": REVERSE, "temperature": 0, "stream_options": {"include_usage": True}, "return_progress": True})
        self.assertEqual(events[-1][1], "[DONE]")
        chunks = [data for name, data in events[:-1] if name == ""]
        self.assertEqual({chunk["object"] for chunk in chunks}, {"chat.completion.chunk"})
        self.assertEqual(len({chunk["id"] for chunk in chunks}), 1)
        progress = [chunk["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk]
        self.assertEqual(progress[-1]["processed"], progress[-1]["total"])
        choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
        self.assertEqual(choices[0]["delta"]["role"], "assistant")
        self.assertEqual("".join(choice["delta"].get("content") or "" for choice in choices), "animal")
        self.assertEqual([choice["finish_reason"] for choice in choices if choice["finish_reason"]], ["stop"])
        self.assertEqual(chunks[-1]["choices"], [])
        self.assertGreater(chunks[-1]["usage"]["completion_tokens"], 0)

    def test_length_stop_seed_and_many(self):
        self.assertEqual(self.server.chat(max_tokens=1)[1]["choices"][0]["finish_reason"], "length")
        stopped = self.server.chat(stop=["ma"])[1]["choices"][0]
        self.assertEqual((stopped["message"]["content"], stopped["finish_reason"]), ("ani", "stop"))
        wild = {"temperature": 2, "top_k": 0, "top_p": 1, "max_tokens": 20}
        same = [self.server.chat(seed=4, **wild)[1]["choices"][0]["message"]["content"] for _ in range(2)]
        self.assertEqual(same[0], same[1])
        many = self.server.chat(seed=4, n=3, **wild)[1]
        self.assertEqual([choice["index"] for choice in many["choices"]], [0, 1, 2])
        contents = [choice["message"]["content"] for choice in many["choices"]]
        self.assertEqual(contents[0], same[0])
        self.assertGreaterEqual(len(set(contents)), 2)

    def test_probabilities_and_bias(self):
        choice = self.server.chat(logprobs=True, top_logprobs=3)[1]["choices"][0]
        content = choice["logprobs"]["content"]
        self.assertEqual("".join(token["token"] for token in content), "animal")
        for token in content:
            self.assertLessEqual(token["logprob"], 0)
            self.assertEqual(bytes(token["bytes"]).decode(), token["token"])
            self.assertEqual(len(token["top_logprobs"]), 3)
        first = content[0]["id"]
        other = self.server.chat(logit_bias={str(first): -100}, max_tokens=3)[1]
        self.assertFalse(other["choices"][0]["message"]["content"].startswith("animal"))
        events = self.server.stream("/v1/chat/completions",
                                    {"messages": REVERSE, "temperature": 0, "logprobs": True, "top_logprobs": 0})
        tokens = [token["token"] for _, data in events[:-1] for chosen in data["choices"]
                  for token in (chosen["logprobs"] or {"content": []})["content"]]
        self.assertEqual("".join(tokens), "animal")

    def test_a_schema(self):
        schema = {"type": "object", "properties": {"word": {"type": "string", "maxLength": 12},
                                                   "n": {"type": "integer", "minimum": 1, "maximum": 9}},
                  "required": ["word", "n"], "additionalProperties": False}
        for seed in range(4):
            choice = self.server.chat(temperature=1, seed=seed, response_format={
                "type": "json_schema", "json_schema": {"name": "x", "schema": schema}})[1]["choices"][0]
            value = json.loads(choice["message"]["content"])
            self.assertEqual(set(value), {"word", "n"})
            self.assertTrue(1 <= value["n"] <= 9 and len(value["word"]) <= 12)

    def test_white_space_of_a_schema(self):
        schema = {"type": "object", "properties": {"is_word": {"type": "boolean"}, "kinds": {
            "type": "array", "items": {"enum": ["animal", "lamina"]}, "minItems": 2, "maxItems": 2}},
            "required": ["is_word", "kinds"], "additionalProperties": False}
        seen = set()
        for space in ({}, {"json_space": "none"}, {"json_space": None}, {"json_space": "any"}):
            for seed in range(4):
                text = self.server.chat(temperature=2, seed=seed, response_format={
                    "type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
                    **space)[1]["choices"][0]["message"]["content"]
                is_compact = text == json.dumps(json.loads(text), separators=(",", ":"))
                self.assertTrue(is_compact or space.get("json_space") == "any", text)
                if space.get("json_space") == "any":
                    seen.add(is_compact)
        self.assertIn(False, seen)
        text = self.server.chat(temperature=2, seed=1, max_tokens=200, response_format={"type": "json_object"})[1]["choices"][0][
            "message"]["content"]
        self.assertTrue(text.startswith('{"') or text == "{}", text)
        code, answer = self.server.post("/v1/responses", {"input": "Reverse lamina.", "temperature": 2, "seed": 2, "text": {"format": {
            "type": "json_schema", "name": "x", "schema": schema}}})
        self.assertEqual(code, 200)
        text = answer["output"][-1]["content"][0]["text"]
        self.assertEqual(text, json.dumps(json.loads(text), separators=(",", ":")))

    def check_call(self, call):
        arguments = json.loads(call["function"]["arguments"])
        if call["function"]["name"] == "clock":
            self.assertEqual(set(arguments), {"zone"})
            self.assertTrue(1 <= len(arguments["zone"]) <= 2)
            self.assertTrue(all(-12 <= zone <= 14 for zone in arguments["zone"]))
        else:
            self.assertEqual(call["function"]["name"], "get_weather")
            self.assertLessEqual(set(arguments), {"city", "days", "unit"})
            self.assertLessEqual(len(arguments["city"]), 20)
            self.assertIn(arguments["unit"], ("C", "F"))
            self.assertTrue(1 <= arguments.get("days", 1) <= 9)

    def test_calls_fit_their_tools(self):
        for seed in range(6):
            for choice in ("required", {"type": "function", "function": {"name": "clock"}}):
                status, answer = self.server.chat(tools=[WEATHER, CLOCK], tool_choice=choice, temperature=1.5,
                                                  seed=seed, top_k=0, top_p=1)
                self.assertEqual(status, 200, answer)
                chosen = answer["choices"][0]
                self.assertEqual(chosen["finish_reason"], "tool_calls")
                self.assertGreaterEqual(len(chosen["message"]["tool_calls"]), 1)
                self.assertEqual(len({call["id"] for call in chosen["message"]["tool_calls"]}),
                                 len(chosen["message"]["tool_calls"]))
                for call in chosen["message"]["tool_calls"]:
                    self.check_call(call)
                    if isinstance(choice, dict):
                        self.assertEqual(call["function"]["name"], "clock")
        one = self.server.chat(tools=[CLOCK], tool_choice="required", parallel_tool_calls=False, temperature=2,
                               seed=1)[1]["choices"][0]["message"]
        self.assertEqual(len(one["tool_calls"]), 1)
        events = self.server.stream("/v1/chat/completions", {
            "messages": REVERSE, "tools": [CLOCK], "tool_choice": "required", "parallel_tool_calls": False})
        calls = [call for _, data in events[:-1] for choice in data["choices"]
                 for call in choice["delta"].get("tool_calls", [])]
        self.assertEqual([call["index"] for call in calls], [0])
        self.check_call(calls[0])
        none = self.server.chat(tools=[CLOCK], tool_choice="none")[1]["choices"][0]
        self.assertNotIn("tool_calls", none["message"])

    def test_results_of_calls_are_read(self):
        messages = [*REVERSE,
                    {"role": "assistant", "content": None, "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{\"zone\": [1]}"}}]},
                    {"role": "tool", "tool_call_id": "c1", "content": "12:00"}]
        status, answer = self.server.chat(messages, tools=[CLOCK], max_tokens=8)
        self.assertEqual(status, 200, answer)

    def test_thoughts_have_a_field(self):
        for extra in ({"reasoning_effort": "low"}, {"chat_template_kwargs": {"enable_thinking": True}}):
            status, answer = self.server.chat(max_tokens=30, **extra)
            self.assertEqual(status, 200)
            message = answer["choices"][0]["message"]
            self.assertNotIn("<|channel>", message["content"] or "")

    def test_pictures_and_sounds(self):
        media = program.MEDIA
        picture = base64.b64encode((media / "digits.png").read_bytes()).decode()
        status, answer = self.server.chat([{"role": "user", "content": [
            {"type": "text", "text": "Which digits do you see?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64," + picture}}]}])
        self.assertEqual((status, answer["choices"][0]["message"]["content"]), (200, "86287"))
        sound = base64.b64encode((media / "keys.wav").read_bytes()).decode()
        status, answer = self.server.chat([{"role": "user", "content": [
            {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}},
            {"type": "text", "text": "Which keys were pressed?"}]}])
        self.assertEqual((status, answer["choices"][0]["message"]["content"]), (200, "*942"))

    def test_completions(self):
        status, answer = self.server.post("/v1/completions", {
            "prompt": "<bos><|turn>user\nReverse lamina.<turn|>\n<|turn>model\n", "temperature": 0, "logprobs": 2})
        self.assertEqual(status, 200)
        self.assertEqual(answer["choices"][0]["text"], "animal")
        self.assertEqual("".join(answer["choices"][0]["logprobs"]["tokens"]), "animal")
        many = self.server.post("/v1/completions", {"prompt": ["a", "b"], "n": 2, "max_tokens": 3, "echo": True})[1]
        self.assertEqual([choice["text"][0] for choice in many["choices"]], ["a", "a", "b", "b"])
        events = self.server.stream("/v1/completions", {"prompt": [2, 5, 7], "max_tokens": 3})
        self.assertEqual(events[-1][1], "[DONE]")

    def test_responses(self):
        status, answer = self.server.post("/v1/responses", {"input": "Reverse lamina.", "temperature": 0})
        self.assertEqual((status, answer["status"]), (200, "completed"))
        self.assertEqual(answer["output"][0]["content"][0]["text"], "animal")
        self.assertGreater(answer["usage"]["output_tokens"], 0)
        tool = {"type": "function", **CLOCK["function"]}
        called = self.server.post("/v1/responses", {"input": "x", "tools": [tool], "tool_choice": "required",
                                                    "parallel_tool_calls": False})[1]
        self.assertEqual([item["type"] for item in called["output"]], ["function_call"])
        self.check_call({"function": called["output"][0]})
        events = self.server.stream("/v1/responses", {"input": "Reverse lamina.", "temperature": 0})
        self.assertEqual([name for name, data in events], [data["type"] for name, data in events])
        self.assertEqual([data["sequence_number"] for _, data in events], list(range(len(events))))
        self.assertEqual("".join(data["delta"] for name, data in events if name == "response.output_text.delta"),
                         "animal")
        self.assertEqual(events[-1][0], "response.completed")
        self.assertEqual(events[-1][1]["response"]["output"][0]["content"][0]["text"], "animal")
        cut = self.server.post("/v1/responses", {"input": "Reverse lamina.", "max_output_tokens": 1})[1]
        self.assertEqual(cut["status"], "incomplete")

    def test_log_probabilities_of_responses(self):
        request = {"input": "Reverse lamina.", "temperature": 0, "top_logprobs": 2}
        answer = self.server.post("/v1/responses", request)[1]
        told = answer["output"][0]["content"][0]["logprobs"]
        self.assertEqual("".join(token["token"] for token in told), "animal")
        self.assertEqual([len(token["top_logprobs"]) for token in told], [2] * len(told))
        events = self.server.stream("/v1/responses", request)
        deltas = [token for name, data in events if name == "response.output_text.delta" for token in data["logprobs"]]
        self.assertEqual([token["token"] for token in deltas], [token["token"] for token in told])
        self.assertEqual(events[-1][1]["response"]["output"][0]["content"][0]["logprobs"], told)
        named = self.server.post("/v1/responses", {"input": "Reverse lamina.", "temperature": 0,
                                                   "include": ["message.output_text.logprobs"]})[1]
        named = named["output"][0]["content"][0]["logprobs"]
        self.assertEqual([token["top_logprobs"] for token in named], [[]] * len(told))
        plain = self.server.post("/v1/responses", {"input": "Reverse lamina.", "temperature": 0})[1]
        self.assertEqual(plain["output"][0]["content"][0]["logprobs"], [])

    def test_tokens(self):
        ids = self.server.post("/tokenize", {"content": "Reverse lamina."})[1]["tokens"]
        self.assertEqual(self.server.post("/detokenize", {"tokens": ids})[1]["content"], "Reverse lamina.")
        pieces = self.server.post("/tokenize", {"content": "ab", "with_pieces": True})[1]["tokens"]
        self.assertEqual("".join(piece["piece"] for piece in pieces), "ab")
        trusted = self.server.post("/tokenize", {"content": "<|turn>", "parse_special": True})[1]["tokens"]
        self.assertEqual(len(trusted), 1)
        self.assertGreater(len(self.server.post("/tokenize", {"content": "<|turn>"})[1]["tokens"]), 1)


class Bodies(Serving):
    flags = ("--max-request", "100000", "--max-bodies", "150000", "-c", "256")

    def test_bodies_of_all_have_a_bound(self):
        body = json.dumps({"messages": REVERSE, "metadata": {"padding": "x" * 90000}}).encode()
        head = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body))
        deadline = time.monotonic() + 20
        with contextlib.ExitStack() as connections:
            def begin():
                slow = connections.enter_context(socket.create_connection(("127.0.0.1", self.server.port), timeout=30))
                slow.sendall(head + body[:1000])
                return slow
            slow, refused = begin(), 0
            # Until the server has begun to read that body: two in a row are refused, for the room of one that was
            # answered is free only soon after its answer, and may be what the next one lacks, or `slow` itself.
            while refused < 2 and time.monotonic() < deadline:
                answer, text = self.server.ask("POST", "/v1/chat/completions", body)
                refused = refused + 1 if answer.status == 503 else 0
                if select.select([slow], [], [], 0)[0]:
                    slow, refused = begin(), 0
            self.assertEqual(answer.status, 503, text)
            self.assertEqual(answer.getheader("Retry-After"), "1")
            self.assertEqual(json.loads(text)["error"]["code"], "bodies_full")
            self.assertEqual(self.server.chat()[0], 200)  # a short one has room
            slow.sendall(body[1000:])
            self.assertEqual(slow.recv(12), b"HTTP/1.1 200")
        while True:  # its room is free soon after its answer
            answer, text = self.server.ask("POST", "/v1/chat/completions", body)
            if answer.status == 200 or time.monotonic() > deadline:
                break
        self.assertEqual(answer.status, 200, text)

    def test_bodies_without_a_length_count(self):
        body = b"[" + b" " * 99000
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as one, \
                socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as other:
            for client in (one, other):
                client.sendall(b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body))
                client.sendall(body)
                time.sleep(0.3)
            self.assertIn(other.recv(12), (b"HTTP/1.1 400", b""))
        self.assertEqual(self.server.chat()[0], 200)


class Refusals(Serving):
    flags = ("--max-request", "100000", "-c", "512")

    def refused(self, body, status=400, param=None, path="/v1/chat/completions"):
        answer, text = self.server.ask("POST", path, body)
        document = json.loads(text)
        self.assertEqual(answer.status, status, document)
        self.assertEqual(set(document["error"]), {"message", "type", "param", "code"})
        self.assertTrue(document["error"]["message"])
        if param is not None:
            self.assertEqual(document["error"]["param"], param)

    def test_bodies(self):
        user = {"role": "user", "content": "x"}
        for body in (b"", b"{", b"[]", b"\xff", b"{\"messages\":" + b"[" * 5000, {"model": "demo"}):
            self.refused(body)
        self.refused({"messages": [{"role": 5, "content": "x"}]}, param="messages[0].role")
        self.refused({"messages": [user], "temperature": -1}, param="temperature")
        self.refused({"messages": [{"role": "user", "content": "abc " * 2000}]}, param="messages")
        self.refused({"messages": [user], "response_format": {"type": "json_schema", "json_schema": {
            "schema": {"type": "frog"}}}}, param="response_format.json_schema.schema#/type")
        self.refused({"messages": [user], "response_format": {"type": "json_schema", "json_schema": {
            "schema": {"unevaluatedItems": False}}}})
        for space in ("some", 1):
            self.refused({"messages": [user], "response_format": {"type": "json_object"}, "json_space": space}, param="json_space")
        self.refused({"messages": [user], "tools": [{"type": "function", "function": {
            "name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "frog"}}}}}],
            "tool_choice": "required"}, param="tools[0].function.parameters#/properties/x/type")
        self.refused({"messages": [user], "stop": ["x" * 2000]}, param="stop")
        self.refused({"messages": [user], "tools": [{"type": "function", "function": {"name": f"f{i}"}}
                                                    for i in range(1025)]}, param="tools")
        self.refused({"tokens": [10**9]}, path="/detokenize", param="tokens")
        self.refused({}, path="/tokenize", param="content")

    def test_no_path_or_address_is_opened(self):
        for url in ("http://127.0.0.1:1/x.png", "file:///etc/passwd", "/etc/passwd", "examples/media/digits.png",
                    "", "data:image/png;base64,", "data:image/png;base64,!!!!", "data:text/html;base64,AAAA"):
            self.refused({"messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": url}}]}]})
        self.refused({"messages": [{"role": "user", "content": [{"type": "video", "video": "/dev/zero"}]}]})
        self.refused({"filename": "../x"}, path="/slots/0?action=save")

    def test_paths_and_methods(self):
        for path in ("/nothing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/index.html/..", "/" + "a" * 5000):
            answer, text = self.server.ask("GET", path)
            self.assertEqual(answer.status, 404, path)
            self.assertIn("error", json.loads(text))
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            self.assertEqual(self.server.ask(method, "/v1/chat/completions")[0].status, 405)
        self.assertEqual(self.server.ask("POST", "/health", {})[0].status, 405)

    def test_sizes_and_types(self):
        self.refused({"messages": [{"role": "user", "content": "x" * 200000}]}, status=413)
        answer, _ = self.server.ask("POST", "/v1/chat/completions", b"a=b", {"Content-Type": "text/plain"})
        self.assertEqual(answer.status, 415)
        answer, _ = self.server.ask("POST", "/v1/chat/completions", b"x", {"Content-Encoding": "gzip"})
        self.assertEqual(answer.status, 415)
        for length in (b"99999999999", b"99999999999999999999999", b"-1", b"x"):
            got = self.server.raw(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + length +
                                  b"\r\n\r\n")
            self.assertIn(got[:12], (b"HTTP/1.1 413", b"HTTP/1.1 400"), got)

    def test_malformed_http(self):
        for data in (b"\r\n\r\n", b"GET\r\n\r\n", b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 9000 + b" HTTP/1.1\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01",
                     b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
                     b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" +
                     b"4000\r\n" + b"x" * 0x4000 + b"\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n"):
            got = self.server.raw(data)
            self.assertTrue(got == b"" or got.startswith(b"HTTP/1.1 4"), got[:80])
        self.assertEqual(self.server.chat()[1]["choices"][0]["message"]["content"], "animal")

    def test_a_body_is_never_the_next_request(self):
        inner = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
        head = b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(inner)
        self.assertEqual(self.server.raw(head + inner).count(b"HTTP/1.1"), 1)
        twice = request({"messages": REVERSE, "temperature": 0}, **{"Content-Length": "5"})
        self.assertEqual(self.server.raw(twice + inner).count(b"HTTP/1.1"), 1)

    def test_pages_of_other_sites(self):
        for headers in ({"Origin": "http://example.com"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            answer, text = self.server.ask("POST", "/v1/chat/completions", {"messages": REVERSE}, headers)
            self.assertEqual((answer.status, json.loads(text)["error"]["code"]), (403, "forbidden_origin"), headers)
        own = {"Origin": f"http://127.0.0.1:{self.server.port}", "Sec-Fetch-Site": "same-origin"}
        self.assertEqual(self.server.ask("POST", "/tokenize", {"content": "x"}, own)[0].status, 200)

    def test_pipelined_and_piecemeal(self):
        body = request({"messages": REVERSE, "temperature": 0})
        got = self.server.raw(body * 3)
        self.assertEqual(got.count(b"HTTP/1.1 200"), 3)
        self.assertEqual(got.count(b"animal"), 3)
        self.assertIn(b"animal", self.server.raw(body, pieces=20, pause=0.01))


class Crowds(Serving):
    flags = ("--parallel", "2", "--queue", "2", "-c", "4096", "--keep-alive-ms", "20", "--prompt-rows", "8")
    endless = {"messages": REVERSE, "temperature": 0, "logit_bias": {"1": -100, "106": -100, "50": -100},
               "stop": ["\0"], "stream": True}

    def open(self, body):
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=10)
        connection.sendall(request(body))
        return connection

    def test_a_full_queue_and_who_leaves_it(self):
        stops = self.server.post("/tokenize", {"content": "<turn|><eos><|tool_response>", "parse_special": True})[1]["tokens"]
        endless = {**self.endless, "logit_bias": {str(stop): -100 for stop in stops}}
        there = [self.open(endless) for _ in range(4)]
        self.server.wait_for("answers_running", 2)
        self.server.wait_for("answers_waiting", 2)
        answer, text = self.server.ask("POST", "/v1/chat/completions", {"messages": REVERSE})
        self.assertEqual((answer.status, json.loads(text)["error"]["code"]), (429, "queue_full"))
        self.assertEqual(answer.getheader("Retry-After"), "1")
        for one in there:
            one.close()
        self.server.wait_for("answers_running", 0, 2)
        self.server.wait_for("answers_waiting", 0, 2)
        self.assertEqual(self.server.chat()[1]["choices"][0]["message"]["content"], "animal")

    def test_twenty_that_go_away(self):
        for _ in range(20):
            self.open({**self.endless, "max_tokens": 3000}).close()
        self.server.wait_for("answers_running", 0, 5)
        self.assertEqual(self.server.chat()[0], 200)

    def test_a_long_prompt_stops_nobody(self):
        done = []
        long_one = threading.Thread(target=lambda: done.append(self.server.stream("/v1/chat/completions", {
            "messages": [{"role": "user", "content": "lamina " * 700}], "max_tokens": 1, "return_progress": True})))
        long_one.start()
        begin = time.monotonic()
        self.assertEqual(self.server.chat()[1]["choices"][0]["message"]["content"], "animal")
        short = time.monotonic() - begin
        long_one.join()
        self.assertLess(short, 5)
        progress = [data["prompt_progress"]["processed"] for _, data in done[0]
                    if isinstance(data, dict) and "prompt_progress" in data]
        self.assertEqual(progress, sorted(progress))
        self.assertGreater(len(progress), 2)

    def test_slow_clients_cost_nobody_else(self):
        slow = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(40)]
        for one in slow:
            one.sendall(b"POST /v1/chat")
        begin = time.monotonic()
        for _ in range(3):
            self.assertEqual(self.server.chat()[1]["choices"][0]["message"]["content"], "animal")
        self.assertLess(time.monotonic() - begin, 5)
        for one in slow:
            one.close()


class Drafts(unittest.TestCase):
    """With a drafter that nobody trained (`synth demo-drafter q8_0 FILE --seed 3`): its guesses are hardly ever right,
    and answers are the same."""

    drafter = program.GOLDEN / "demo/drafter.gguf"

    def ask_all(self, *flags):
        server = Server("--parallel", "3", "--queue", "100", *flags)
        self.addCleanup(server.end)
        answers = {}

        def ask(number):
            fields = [{}, {"temperature": 1.3, "seed": number, "max_tokens": 60}, {"n": 2, "temperature": 1, "seed": 3},
                      {"temperature": 1, "seed": number, "max_tokens": 60, "response_format": {"type": "json_schema", "json_schema": {
                          "name": "x", "schema": {"type": "object", "properties": {"word": {
                              "type": "string", "maxLength": 12}}, "required": ["word"]}}}}][number % 4]
            words = ["Reverse lamina.", "Write 612 in words.", "Sort 5 3 9 1."][number % 3]
            answers[number] = server.chat([{"role": "user", "content": words}], **fields)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({status for status, _ in answers.values()}, {200})
        return server, [answers[number][1] for number in range(24)]

    def test_answers_are_the_same_and_drafts_are_counted(self):
        plain, want = self.ask_all()
        server, got = self.ask_all("--draft", str(self.drafter), "--draft-max", "4")
        drafted = accepted = 0
        for answer, other in zip(got, want):
            self.assertEqual([choice["message"]["content"] for choice in answer["choices"]],
                             [choice["message"]["content"] for choice in other["choices"]])
            details = answer["usage"]["completion_tokens_details"]
            accepted += details["accepted_prediction_tokens"]
            drafted += details["accepted_prediction_tokens"] + details["rejected_prediction_tokens"]
            self.assertLessEqual(answer["timings"]["draft_n_accepted"], answer["timings"]["draft_n"])
            self.assertNotIn("accepted_prediction_tokens", other["usage"]["completion_tokens_details"])
            self.assertNotIn("draft_n", other["timings"])
        self.assertEqual(server.metric("draft_tokens_total"), drafted)
        self.assertEqual(server.metric("draft_accepted_total"), accepted)
        self.assertEqual(plain.metric("draft_tokens_total"), 0)

    def test_found_beside_the_model(self):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "demo.gguf"
            model.write_bytes(program.DEMO.read_bytes())
            (pathlib.Path(folder) / "mtp-demo.gguf").write_bytes(self.drafter.read_bytes())
            for flags, drafts in (([], True), (["--no-draft"], False), (["--draft-max", "0"], False)):
                with self.subTest(flags=flags):
                    server = Server("-m", str(model), *flags)
                    details = server.chat()[1]["usage"]["completion_tokens_details"]
                    server.end()
                    self.assertEqual("accepted_prediction_tokens" in details, drafts)

    def test_the_plan_counts_it(self):
        flags = ["-m", str(program.DEMO), "-c", "512", "--parallel", "4"]
        plan = [json.loads(program.lamina("plan", *flags, "--json", *more).out)
                for more in ([], ["--draft", self.drafter])]
        self.assertGreater(plan[1]["total_bytes"], plan[0]["total_bytes"] + plan[1]["drafter_bytes"])
        outcome = program.lamina("serve", *flags, "--port", "0", "--cache-bytes", "0", "--draft", self.drafter,
                                 "--budget", str(plan[1]["drafter_bytes"] + 100))
        self.assertEqual(outcome.code, 1)
        self.assertIn("model does not fit", outcome.err)
        outcome = program.lamina("serve", "--port", "0", "--draft", program.GOLDEN / "assistant/e2b/drafter.gguf")
        self.assertEqual(outcome.code, 1)
        self.assertIn("drafter belongs to another model", outcome.err)


class Keys(Serving):
    flags = ("--api-key", "secret", "--no-page")

    def test_who_may_ask(self):
        for headers in ({}, {"Authorization": "Bearer secre"}, {"Authorization": "Bearer secret2"},
                        {"Authorization": "Basic secret"}, {"Authorization": "Bearer "}):
            answer, text = self.server.ask("POST", "/v1/chat/completions", {"messages": REVERSE}, headers)
            self.assertEqual((answer.status, json.loads(text)["error"]["code"]), (401, "invalid_api_key"))
        key = {"Authorization": "Bearer secret"}
        self.assertEqual(self.server.ask("POST", "/v1/chat/completions", {"messages": REVERSE}, key)[0].status, 200)
        self.assertEqual(self.server.ask("GET", "/metrics")[0].status, 401)
        self.assertEqual(self.server.ask("GET", "/health")[0].status, 200)
        self.assertEqual(self.server.ask("GET", "/")[0].status, 404)


class Slots(unittest.TestCase):
    def test_save_and_restore(self):
        with tempfile.TemporaryDirectory() as folder:
            flags = ("--slot-save-path", folder, "--parallel", "1", "--cache-bytes", "0")
            first = Server(*flags)
            self.addCleanup(first.end)
            first.chat()
            slot = json.loads(first.ask("GET", "/slots")[1])[0]
            self.assertFalse(slot["is_processing"])
            status, saved = first.post("/slots/0?action=save", {"filename": "talk.bin"})
            self.assertEqual((status, saved["n_saved"]), (200, slot["n_past"]), saved)
            for name in ("../talk.bin", "/tmp/talk.bin", ".hidden", "", "a/b", 5):
                self.assertEqual(first.post("/slots/0?action=save", {"filename": name})[0], 400)
            (pathlib.Path(folder) / "link").symlink_to("/etc/passwd")
            self.assertEqual(first.post("/slots/0?action=restore", {"filename": "link"})[0], 400)
            self.assertEqual(first.post("/slots/0?action=restore", {"filename": "none"})[0] // 100, 5)
            self.assertEqual(first.post("/slots/1?action=erase", {})[0], 400)
            self.assertEqual(first.post("/slots/0?action=burn", {})[0], 400)
            self.assertEqual(first.post("/slots/0?action=erase", {})[1]["n_erased"], slot["n_past"])
            first.end()
            second = Server(*flags)
            self.addCleanup(second.end)
            self.assertEqual(second.post("/slots/0?action=restore", {"filename": "talk.bin"})[1]["n_restored"],
                             slot["n_past"])
            answer = second.chat([*REVERSE, {"role": "assistant", "content": "animal"},
                                  {"role": "user", "content": "12 * 10"}])[1]
            self.assertGreater(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 0)


class Ends(unittest.TestCase):
    def test_answers_that_come_are_ended(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            server = Server("--stop-seconds", "0")
            self.addCleanup(server.end)
            stops = server.post("/tokenize", {"content": "<turn|><eos><|tool_response>", "parse_special": True})[1]["tokens"]
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            self.addCleanup(connection.close)
            connection.sendall(request({**Crowds.endless, "logit_bias": {str(stop): -100 for stop in stops}}))
            got = b""
            while got.count(b"data: ") < 3:
                got += connection.recv(65536)
            server.process.send_signal(how)
            while piece := connection.recv(65536):
                got += piece
            self.assertTrue(got.endswith(b"0\r\n\r\n"))
            self.assertTrue(b'"code":"stopping"' in got or b'"finish_reason":"length"' in got)
            self.assertEqual(server.process.wait(10), 0)

    def test_who_waits_is_told_that_the_server_stops(self):
        server = Server("--stop-seconds", "2", "--parallel", "1", "-c", "8192")
        self.addCleanup(server.end)
        stops = server.post("/tokenize", {"content": "<turn|><eos><|tool_response>", "parse_special": True})[1]["tokens"]
        endless = {**Crowds.endless, "max_tokens": 8000, "logit_bias": {str(stop): -100 for stop in stops}}
        connections = []
        for body in (endless, {"messages": REVERSE}):
            connections.append(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            self.addCleanup(connections[-1].close)
            connections[-1].sendall(request(body))
            server.wait_for("answers_running", 1)
        server.wait_for("answers_waiting", 1)
        server.process.send_signal(signal.SIGTERM)
        got = b""
        while piece := connections[1].recv(65536):
            got += piece
        self.assertIn(b" 503 ", got[:20])
        self.assertIn(b'"code":"stopping"', got)
        self.assertEqual(server.process.wait(10), 0)

    def test_a_port_that_is_taken(self):
        server = Server()
        self.addCleanup(server.end)
        outcome = program.lamina("serve", "--port", server.port)
        self.assertEqual(outcome.code, 1)
        self.assertIn("cannot listen there", outcome.err)
        self.assertEqual(program.lamina("serve", "--parallel", "0").code, 2)
        self.assertEqual(program.lamina("serve", "--cache-bytes", "much").code, 2)


if __name__ == "__main__":
    program.main()
