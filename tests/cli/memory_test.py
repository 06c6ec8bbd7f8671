# SPDX-License-Identifier: Apache-2.0
"""Budgets, weights shared by processes, and rows of per-layer embeddings that stay on disk."""

import pathlib
import re
import subprocess

import program
from program import DEMO, GOLDEN, Case

PER_LAYER = GOLDEN / "quant/q-e2b-q4_0.gguf"
EXPERTS = GOLDEN / "text/tiny-26b-a4b/model.gguf"
TOKENS = "2,60,61,62,63,5,9,61"


def mappings(process):
    """Per mapped file of a process the sums of what the kernel says, in KiB."""
    found, current = {}, None
    for line in pathlib.Path(f"/proc/{process.pid}/smaps").read_text("utf-8").splitlines():
        head = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)", line)
        if head:
            current = found.setdefault(head[1], {})
        else:
            name, value = line.split(":", 1)
            if value.endswith("kB"):
                current[name] = current.get(name, 0) + int(value.split()[0])
    return found


class Talking:
    """A chat that has answered once and waits."""

    def __init__(self, *flags):
        self.process = subprocess.Popen([program.PROGRAM, "chat", "-t", "1", *map(str, flags)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.process.stdin.write(b"Reverse lamina.\n")
        self.process.stdin.flush()
        self.answer = self.process.stdout.readline().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


class Memory(Case):
    def logits(self, model, *flags):
        path = self.folder / "logits.bin"
        self.good("logits", "-m", model, "--tokens", TOKENS, "--out", path, *flags)
        return path.read_bytes()

    def test_what_is_over_the_budget_is_refused_with_numbers_and_a_way_out(self):
        for command in (["run", "x"], ["chat"], ["logits", "--tokens", "2,5"],
                        ["bench", "--prompt", "4", "--generate", "2", "--repeat", "1"],
                        ["bench", "--parallel", "2", "--prompt", "4", "--generate", "2", "--repeat", "1"], ["plan"]):
            with self.subTest(command=command):
                self.assertIn("expected at most 1.00 MiB, found ", self.bad(1, *command, "--budget", "1MiB").err)
                self.good(*command, "--budget", "1GiB")
                if command[0] == "bench":
                    continue  # its context is what the tests need
                refused = self.bad(1, *command, "--budget", "1MiB", "-c", "8000").err
                needed = float(re.search(r", found ([0-9.]+) MiB\n", refused)[1])
                budget = int((needed - 1) * 2**20)
                refused = self.bad(1, *command, "--budget", budget, "-c", "8000").err
                context = int(re.search(r"hint: a context of (\d+) tokens would fit: -c \1\n", refused)[1])
                self.assertTrue(1000 < context < 8000, context)
                # The hint is exact.
                self.good(*command, "--budget", budget, "-c", context)
                self.bad(1, *command, "--budget", budget, "-c", context + 1)
        document = program.lamina("run", "x", "--json", "--budget", "1MiB").json()
        self.assertEqual(document["error"]["code"], "out_of_memory")

    def test_a_budget_leaves_no_room_for_branches_but_for_the_chat(self):
        total = self.good("plan", "--json", "-c", "4096").json()["total_bytes"]
        self.good("chat", "-c", "4096", "--budget", total + 60_000)
        self.bad(1, "chat", "-c", "4096", "--budget", total // 2)

    def test_a_budget_keeps_the_turns_that_it_has_room_for(self):
        total = self.good("plan", "--json", "-c", "4096").json()["total_bytes"]
        talk = [f"Reverse word{i}." for i in range(80)] + 40 * ["/undo"] + ["Reverse abc."]

        def last_answer(*flags):
            outcome = self.good("chat", "--json", "-c", "4096", *flags, stdin="".join(line + "\n" for line in talk))
            answer = outcome.lines()[-1]
            return answer["tokens"], answer["timing"]["prompt_tokens_read"]
        tokens, read = last_answer()
        self.assertLess(read, 20)
        tight = last_answer("--budget", total + 60_000)
        self.assertEqual(tight[0], tokens)
        self.assertGreater(tight[1], 300)  # one snapshot has room, of the last turn
        self.assertEqual(last_answer("--budget", total + 16_000_000), (tokens, read))

    def test_budgets_are_sizes(self):
        for text in ("much", "", "-1", "1 furlong"):
            for command in (["run", "x"], ["plan"]):
                self.bad(2, *command, "--budget", text)

    def test_processes_share_a_packed_file(self):
        packed = self.folder / "demo.lguf"
        self.good("pack", "-m", DEMO, "-o", packed)
        with Talking("-m", packed) as first, Talking("-m", packed) as second:
            self.assertEqual(first.answer, second.answer)
            for talking in (first, second):
                file = mappings(talking.process)[str(packed)]
                self.assertGreater(file["Rss"], 1000)
                self.assertEqual(file["Anonymous"] + file["Private_Dirty"], 0)
                self.assertLess(file["Pss"], 0.7 * file["Rss"])

    def test_a_packed_file_costs_what_the_plan_says(self):
        packed = self.folder / "demo.lguf"
        self.good("pack", "-m", DEMO, "-o", packed)
        plan = self.good("plan", "-m", packed, "--json", "-t", "1").json()
        session = plan["cache_bytes"] + plan["workspace_bytes"]
        with Talking("-m", packed) as talking:
            every = mappings(talking.process).values()
            anonymous = 1024 * sum(each.get("Anonymous", 0) for each in every)
        self.assertLess(anonymous, session + 8 * 2**20)

    def test_rows_from_disk_have_the_bits_of_mapped_ones(self):
        mapped = self.logits(PER_LAYER, "--per-layer-rows", "mapped")
        self.assertEqual(self.logits(PER_LAYER), mapped)
        for flags in ([], ["--row-cache", "4KB"], ["-t", "2"], ["--chunk", "3"], ["--no-pack"]):
            self.assertEqual(self.logits(PER_LAYER, "--per-layer-rows", "disk", *flags), mapped, flags)
        # A model inside the program is on no disk.
        self.assertEqual(self.good("run", "Reverse lamina.", "--per-layer-rows", "disk").out, "animal\n")

    def test_the_plan_counts_rows_from_disk(self):
        def plan(*flags):
            return self.good("plan", "-m", PER_LAYER, "--json", *flags).json()

        mapped, disk = plan("--per-layer-rows", "mapped"), plan("--per-layer-rows", "disk", "--row-cache", "1MiB")
        rows = disk["workspace"]["row_cache_bytes"]
        self.assertEqual(mapped["workspace"]["row_cache_bytes"], 0)
        self.assertTrue(2**20 <= rows < 2**20 + 8192, rows)
        self.assertEqual(disk["total_bytes"] - mapped["total_bytes"], rows)
        # Large tables stay on disk unless somebody says otherwise.
        for flags, kept in (([], True), (["--per-layer-rows", "mapped"], False)):
            document = self.good("plan", "--variant", "e2b", "--json", *flags).json()
            self.assertEqual(document["workspace"]["row_cache_bytes"] > 0, kept)
        self.assertEqual(self.good("plan", "--variant", "12b", "--json").json()["workspace"]["row_cache_bytes"], 0)

    def test_no_room_for_a_row(self):
        outcome = self.bad(1, "logits", "-m", PER_LAYER, "--tokens", "2", "--per-layer-rows", "disk", "--row-cache", "9")
        self.assertIn("no room for a row", outcome.err)
        self.bad(2, "logits", "-m", PER_LAYER, "--tokens", "2", "--per-layer-rows", "flash")

    def test_the_plan_counts_the_tokenizer_of_plain_files(self):
        packed = self.folder / "demo.lguf"
        self.good("pack", "-m", DEMO, "-o", packed)
        plain, mapped = (self.good("plan", "-m", path, "--json").json() for path in (DEMO, packed))
        self.assertGreater(plain["tokenizer_bytes"], 0)
        self.assertEqual(mapped["tokenizer_bytes"], 0)
        self.assertEqual(plain["total_bytes"] - mapped["total_bytes"], plain["tokenizer_bytes"])

    def test_a_budget_counts_the_towers(self):
        picture = GOLDEN / "demo/images/000.png"
        total = self.good("plan", "--json").json()["total_bytes"]
        question = ["run", "What is this?", "--image", picture, "-n", "4", "--budget"]
        self.assertIn("model does not fit", self.bad(1, *question, total).err)
        self.good(*question, 2 * total)
        self.assertIn("the towers for pictures and sounds do not fit", self.bad(1, *question, 10_000).err)
        said = program.lamina("chat", "-c", "4096", "--budget", self.good("plan", "--json", "-c", "4096").json()["total_bytes"],
                              stdin=f"/image {picture}\n".encode())
        self.assertIn("the towers for pictures and sounds do not fit", said.err)

    def test_experts_from_disk_have_the_bits_of_mapped_ones(self):
        mapped = self.logits(EXPERTS)
        packed = self.folder / "experts.lguf"
        quantised = GOLDEN / "quant/q-moe-q4_k_m.gguf"
        self.good("pack", "-m", quantised, "-o", packed)
        for slots in range(2, 9):
            self.assertEqual(self.logits(EXPERTS, "--expert-slots", slots), mapped, slots)
        for flags in (["-t", "2"], ["--chunk", "3"]):
            self.assertEqual(self.logits(EXPERTS, "--expert-slots", 2, *flags), mapped, flags)
        for file in (quantised, packed):
            self.assertEqual(self.logits(file, "--expert-slots", 2), self.logits(file), file)
        # Models without experts, and models on no disk, run as always.
        self.assertEqual(self.good("run", "Reverse lamina.", "--expert-slots", 4).out, "animal\n")

    def test_a_budget_chooses_how_many_experts_are_in_memory(self):
        def plan(*flags):
            return self.good("plan", "-m", EXPERTS, "-c", "64", "--json", *flags).json()

        held, four = plan(), plan("--expert-slots", 4)
        self.assertEqual((held["experts"], held["expert_slots"], held["weights_on_disk_bytes"]), (8, 0, 0))
        self.assertEqual((four["experts"], four["expert_slots"]), (8, 4))
        self.assertEqual(held["workspace"]["expert_cache_bytes"], 0)
        self.assertEqual(held["total_bytes"] - four["total_bytes"],
                         four["weights_on_disk_bytes"] - four["workspace"]["expert_cache_bytes"])
        self.assertLess(four["total_bytes"], held["total_bytes"])
        for budget, slots in ((held["total_bytes"], 0), (four["total_bytes"], 4), (four["total_bytes"] - 1, 3)):
            chosen = plan("--budget", budget)
            self.assertEqual((chosen["expert_slots"], chosen["budget"]["fits"]), (slots, True), budget)
            self.assertLessEqual(chosen["total_bytes"], budget)
        least = plan("--expert-slots", 2)["total_bytes"]
        refused = self.bad(1, "plan", "-m", EXPERTS, "-c", "64", "--budget", least - 1)
        self.assertIn("model does not fit", refused.err)
        # So do those who load.
        flags = ["-m", EXPERTS, "-c", "64", "--prompt", 32, "--generate", 32, "--repeat", 1, "--json"]
        rows = self.good("bench", *flags, "--budget", four["total_bytes"]).json()["rows"]
        for row in rows[:2]:
            self.assertTrue(0 < row["expert_hit_rate"] < 1 and row["expert_bytes_read"] > 0, row)
        self.bad(1, "bench", *flags, "--budget", least - 1)
        row = self.good("bench", *flags).json()["rows"][0]
        self.assertEqual((row["expert_hit_rate"], row["expert_bytes_read"]), (None, None))

    def test_slots_for_experts_are_those_of_a_token_at_least(self):
        for slots in (1, 9):
            outcome = self.bad(1, "logits", "-m", EXPERTS, "--tokens", "2", "--expert-slots", slots)
            self.assertIn(f"expected 2, which one token needs, to 8, found {slots}", outcome.err)
        self.bad(2, "plan", "-m", EXPERTS, "--expert-slots", "some")


if __name__ == "__main__":
    program.main()
