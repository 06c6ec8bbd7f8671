# SPDX-License-Identifier: Apache-2.0
"""`lamina plan` and `lamina bench`: the published figures, budgets, headers, and the keys of the JSON."""

import json
import shutil

import program
from program import GOLDEN, Case

BENCH_KEYS = {"test", "tokens", "depth", "threads", "target", "kernels", "tokens_per_s", "bytes_per_token", "bandwidth_probe_bytes_per_s",
              "share_of_bandwidth", "int8_peak_ops_per_s", "share_of_peak", "expert_hit_rate",
              "expert_bytes_read", "peak_rss_bytes"}


NAN_HALF = b"\x00\x7e"
INFINITE_HALF = b"\x00\x7c"


def damaged_gguf(content, tensor, at, data):
    """A GGUF file with `data` written `at` bytes into a tensor."""
    place = 0

    def number(size):
        nonlocal place
        place += size
        return int.from_bytes(content[place - size:place], "little")

    def skip_value(kind):
        nonlocal place
        if kind == 8:  # text
            size = number(8)
            place += size
        elif kind == 9:  # array
            item, count = number(4), number(8)
            for _ in range(count):
                skip_value(item)
        else:
            place += (1, 1, 2, 2, 4, 4, 4, 1, None, None, 8, 8, 8)[kind]

    place = 8
    tensors, values = number(8), number(8)
    for _ in range(values):
        size = number(8)
        place += size
        skip_value(number(4))
    offsets = {}
    for _ in range(tensors):
        size = number(8)
        name = content[place:place + size].decode()
        place += size
        dimensions = number(4)
        place += 8 * dimensions + 4
        offsets[name] = number(8)
    begin = (place + 31) // 32 * 32 + offsets[tensor] + at
    return content[:begin] + data + content[begin + len(data):]


class Plan(Case):
    def test_variants(self):
        # Layers, of them readers, and KV owners of some layers: text-decoder.md §1, §2.4.3.
        for name, layers, owners in (("e2b", 35, 15), ("e4b", 42, 24), ("12b", 48, 48), ("26b-a4b", 30, 30), ("31b", 60, 60)):
            document = self.good("plan", "--variant", name, "--json").json()
            self.assertEqual(len(document["layers"]), layers)
            self.assertEqual(document["first_reader"], owners)
            self.assertEqual(sum(kind["layers"] for kind in document["kinds"]), layers)
            for layer in document["layers"][:owners]:
                self.assertEqual(layer["kv_owner"], layer["layer"])
            for layer in document["layers"][owners:]:
                self.assertIn(layer["kv_owner"], (owners - 1, owners - 2))
            self.assertEqual(document["total_bytes"], document["weights_bytes"] - document["weights_on_disk_bytes"] +
                             document["tokenizer_bytes"] + document["cache_bytes"] + document["workspace_bytes"])
            self.assertEqual(document["cache_bytes"], sum(k["layers"] * k["cache_bytes"] for k in document["kinds"]))
            self.assertGreater(document["flops_per_token"], 0)
            self.assertEqual(self.good("plan", "--variant", "gemma4-" + name, "--json").json(), document)

    def test_cache_of_e2b(self):
        document = self.good("plan", "--variant", "e2b", "--context", "32768", "--json").json()
        self.assertEqual(document["cache_bytes"], 207_618_048)

    def test_cache_formats_by_class(self):
        def plan(cache):
            return self.good("plan", "--variant", "31b", "--context", "262144", "--cache", cache, "--json").json()
        mixed = plan("global=int8")
        # 10 global layers of 4 heads with 648 bytes a token in int8, and the windows of 50 local ones in bf16.
        self.assertEqual(mixed["cache_bytes"], 262_144 * 10 * 4 * 648 + (800 << 20))
        self.assertEqual(mixed["cache_format"], "local=bf16,global=int8")
        self.assertEqual(mixed["cache_bytes"] + plan("local=int8")["cache_bytes"],
                         plan("bf16")["cache_bytes"] + plan("int8")["cache_bytes"])
        self.assertEqual(mixed["cache_bytes_per_more_token"], plan("int8")["cache_bytes_per_more_token"])

    def test_formats(self):
        sizes = [self.good("plan", "--variant", "12b", "--format", name, "--json").json()["weights_bytes"]
                 for name in ("q4_0", "q8_0", "bf16")]
        self.assertEqual(sizes, sorted(sizes))
        self.assertEqual(len(set(sizes)), 3)

    def test_budget(self):
        flags = ["plan", "--variant", "e2b", "--json", "--budget"]
        roomy = self.good(*flags, "64GiB").json()
        self.assertTrue(roomy["budget"]["fits"])
        self.assertEqual(roomy["budget"]["largest_context"], 131_072)
        # Just too small for the default context: a smaller context is offered, and it fits.
        tight = self.bad(1, *flags, str(roomy["total_bytes"] - 1))
        document = tight.json()
        self.assertFalse(document["budget"]["fits"])
        context = document["budget"]["largest_context"]
        self.assertGreater(context, 0)
        self.assertLess(context, 8192)
        self.assertIn(str(context), tight.err)
        self.good(*flags, str(roomy["total_bytes"] - 1), "-c", context)
        self.bad(1, *flags, str(roomy["total_bytes"] - 1), "-c", context + 1)
        hopeless = self.bad(1, *flags, "1MiB")
        self.assertEqual(hopeless.json()["budget"]["largest_context"], 0)

    def test_files(self):
        demo = self.good("plan", "--json").json()
        self.assertEqual(demo["model"], "demo")
        self.assertEqual(self.good("plan", "-m", program.DEMO, "--json").json(), demo)
        self.assertEqual(self.good("plan", program.DEMO, "--json").json(), demo)
        self.assertIn("total", self.good("plan").out)

    def test_as_header(self):
        for arguments in (["--as-header"], ["--as-header", program.DEMO], ["--variant", "12b", "--as-header"],
                          ["--as-header", GOLDEN / "text/tiny-26b-a4b/model.gguf"]):
            header = self.good("plan", *arguments).out
            self.assertIn("#pragma once", header)
            self.assertIn("using Layers =", header)

    def test_model_that_is_not_compiled_in(self):
        original = GOLDEN / "text/tiny-e2b"
        for name in ("model.safetensors", "tokenizer.json"):
            shutil.copy(original / name, self.folder)
        config = json.loads((original / "config.json").read_text("utf-8"))
        config["text_config"]["sliding_window"] = 20
        (self.folder / "config.json").write_text(json.dumps(config), "utf-8")
        outcome = self.bad(1, "run", "--tokens", "2", "-m", self.folder, "--json")
        self.assertEqual(outcome.json()["error"]["code"], "mismatch")
        self.assertIn("window 16", outcome.err)
        self.assertIn("window 20", outcome.err)
        self.assertIn("--as-header", outcome.json()["error"]["hint"])
        document = self.good("plan", self.folder, "--json").json()
        self.assertIsNone(document["workspace_bytes"])
        self.assertGreater(document["weights_bytes"], 0)
        self.assertIn("unknown", self.good("plan", self.folder).out)
        self.assertIn(".window = 20", self.good("plan", "--as-header", self.folder).out)

    def test_unknown_variant(self):
        self.assertIn("e2b", self.bad(1, "plan", "--variant", "e3b").err)


class Weights(Case):
    """Damaged numbers in the weights: found by a scan, and an error wherever a pass meets them."""

    def damaged_gguf(self, name, at, data):
        content = damaged_gguf(program.DEMO.read_bytes(), name, at, data)
        path = self.folder / "damaged.gguf"
        path.write_bytes(content)
        return path

    def damaged_directory(self, name, at, data):
        original = GOLDEN / "text/tiny-e2b"
        folder = self.folder / "damaged"
        shutil.copytree(original, folder)
        content = bytearray((folder / "model.safetensors").read_bytes())
        size = int.from_bytes(content[:8], "little")
        begin = json.loads(content[8:8 + size])[name]["data_offsets"][0] + 8 + size + at
        content[begin:begin + len(data)] = data
        (folder / "model.safetensors").write_bytes(content)
        return folder

    def test_clean(self):
        for path in (program.DEMO, GOLDEN / "text/tiny-e2b", GOLDEN / "quant/q-moe-q4_k_m.gguf"):
            plain = self.good("plan", "-m", path, "--json").json()
            checked = self.good("plan", "-m", path, "--check-weights", "--json").json()
            self.assertTrue(checked["weights_check"]["finite"])
            self.assertGreater(checked["weights_check"]["tensors"], 10)
            self.assertGreater(checked["weights_check"]["bytes"], 100_000)
            del checked["weights_check"]
            self.assertEqual(checked, plain)
            self.assertIn("weights are clean", self.good("plan", path, "--check-weights").out)
        self.good("plan", "--check-weights")  # the demo model inside the program
        self.assertIn("using Layers =", self.good("plan", "--check-weights", "--as-header").out)
        self.assertIn("--check-weights", self.good("plan", "--help").out)
        self.bad(2, "plan", "--variant", "e2b", "--check-weights")

    def check_found(self, path, tensor, place):
        outcome = self.bad(1, "plan", path, "--check-weights", "--json")
        error = outcome.json()["error"]
        self.assertEqual(error["code"], "bad_file")
        self.assertIn(tensor, error["where"])
        self.assertIn(place, error["message"])
        self.assertIn(tensor, outcome.err)
        self.good("plan", path)  # only the scan reads them

    def test_scan_finds_damage(self):
        row = 34 * 256 // 32  # Q8_0 of the feed-forward block's width
        self.check_found(self.damaged_gguf("blk.2.ffn_down.weight", 3 * row + 34, NAN_HALF), "blk.2.ffn_down.weight", "row 3")
        packed = self.folder / "damaged.lguf"
        self.good("pack", "-m", self.folder / "damaged.gguf", "-o", packed)
        self.check_found(packed, "blk.2.ffn_down.weight", "rows 0 to")
        self.check_found(self.damaged_directory("model.language_model.layers.1.mlp.up_proj.weight", 0, b"\x80\x7f"),
                         "blk.1.ffn_up.weight", "row 0")

    def test_passes_end_in_an_error(self):
        for tensor, where in (("blk.0.ffn_down.weight", "layer 0: feed-forward"), ("blk.3.attn_q.weight", "layer 3: attention"),
                              ("token_embd.weight", "logits")):
            for data in (NAN_HALF, INFINITE_HALF):
                path = self.damaged_gguf(tensor, 0, data)
                for command in (["run", "-n", "4", "Hi."], ["logits", "--tokens", "2,5,7"], ["run", "--tokens", "2,5", "--precision", "exact"],
                                ["run", "-n", "4", "--no-pack", "--cache", "int8", "Hi."],
                                ["bench", "--prompt", "8", "--generate", "4", "--repeat", "1"]):
                    with self.subTest(tensor=tensor, data=data, command=command):
                        outcome = self.bad(1, *command, "-m", path, "--json")
                        error = outcome.lines()[-1]["error"]
                        self.assertEqual(error["code"], "not_finite")
                        self.assertEqual(error["where"], where)
                        self.assertIn("--check-weights", error["hint"])
                        self.assertIn("hint: look for the damaged tensor", outcome.err)


class Bench(Case):
    def test_rows(self):
        document = self.good("bench", "--prompt", "32", "--generate", "16", "--depth", "0,100", "--repeat", "2", "--json").json()
        rows = document["rows"]
        for row in rows:
            self.assertEqual(set(row), BENCH_KEYS)
        timed = [row for row in rows if row["tokens_per_s"] is not None]
        self.assertEqual([(row["test"], row["depth"], row["tokens"]) for row in timed],
                         [("prefill", 0, 32), ("decode", 0, 16), ("prefill", 100, 32), ("decode", 100, 16)])
        for row in timed:
            speed = row["tokens_per_s"]
            self.assertTrue(0 < speed["min"] <= speed["median"] <= speed["max"])
            self.assertGreater(row["share_of_bandwidth"], 0)
            self.assertGreater(row["share_of_peak"], 0)
            self.assertRegex(row["kernels"], r"^(vpdpbusd|vpmaddubsw|16-bit products|single products)(, vdpbf16ps)?$")
            if "VNNI" in row["target"] or "BF16" in row["target"]:  # a program for one machine has Highway's names
                self.assertTrue(row["kernels"].startswith("vpdpbusd"))
        self.assertGreater(timed[3]["bytes_per_token"], timed[1]["bytes_per_token"])
        self.assertEqual(sum(row["test"].startswith("layer") for row in rows), 8)  # 4 kinds at 2 depths

    def test_table(self):
        self.assertIn("decode", self.good("bench", "--prompt", "8", "--generate", "8", "--repeat", "1").out)

    def test_too_deep(self):
        self.bad(1, "bench", "--depth", "8192")


class Many(Case):
    def plan(self, *flags):
        return self.good("plan", "--variant", "e2b", "--json", *flags).json()

    def test_many_sequences_share_weights_and_scratch(self):
        one, eight = self.plan("-c", "1000"), self.plan("-c", "1000", "--parallel", "8")
        self.assertEqual((one["sequences"], eight["sequences"]), (1, 8))
        self.assertEqual(eight["cache_bytes"], 8 * one["cache_bytes"])
        self.assertEqual(eight["weights_bytes"], one["weights_bytes"])
        for part, times in (("scratch_bytes", 1), ("vectors_bytes", 1), ("ring_slack_bytes", 8), ("page_rounding_bytes", 8)):
            self.assertEqual(eight["workspace"][part], times * one["workspace"][part], part)
        self.assertEqual(eight["workspace_bytes"], sum(eight["workspace"].values()))
        self.assertIn("8 sequences", self.good("plan", "--variant", "e2b", "--parallel", "8").out)
        # A budget is met by shorter contexts of all of them, or refused with the numbers.
        budget = one["total_bytes"] + one["cache_bytes"]
        outcome = program.lamina("plan", "--variant", "e2b", "--json", "-c", "1000", "--parallel", "8", "--budget", budget)
        self.assertEqual(outcome.code, 1)
        self.assertIn("would fit: -c ", outcome.err)
        largest = outcome.json()["budget"]["largest_context"]
        self.assertLessEqual(self.plan("-c", largest, "--parallel", "8")["total_bytes"], budget)
        self.assertGreater(self.plan("-c", largest + 1, "--parallel", "8")["total_bytes"], budget)

    def test_many_sequences_decode_together(self):
        rows = self.good("bench", "--parallel", "1,3", "--generate", "4", "--repeat", "1", "--depth", "0,70",
                         "--json").json()["rows"]
        self.assertEqual([(row["depth"], row["sequences"]) for row in rows], [(0, 1), (0, 3), (70, 1), (70, 3)])
        for row in rows:
            self.assertGreater(row["tokens_per_s"]["median"], 0)
        mixed = self.good("bench", "--parallel", "2", "--mix", "--prompt", "100", "--generate", "8", "--repeat", "1",
                          "--json").json()["rows"][0]
        self.assertGreater(mixed["prompt_tokens_per_s"], 0)
        self.assertGreater(mixed["tokens_per_s_each"], 0)
        self.assertIn("decode together", self.good("bench", "--parallel", "2", "--generate", "3", "--repeat", "1").out)
        # Eight short sequences and one long one are no nine long ones.
        self.good("bench", "--parallel", "8", "--mix", "--prompt", "4000", "--generate", "2", "--repeat", "1",
                  "--budget", "12MiB")
        long = self.good("plan", "--parallel", "9", "-c", "4000", "--json").json()
        self.assertGreater(long["total_bytes"], 12 << 20)
        self.bad(2, "bench", "--mix")
        self.bad(2, "bench", "--parallel", "0")
        self.bad(2, "bench", "--parallel", "x")


if __name__ == "__main__":
    program.main()
