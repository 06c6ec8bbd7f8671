#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Characters per second of free text and of JSON under a schema, in turns, as `lamina run` writes them.

What must come is not drawn but read together with the next token: `passes` counts the tokens that were drawn, `forced` those
that were not. White space between the values of the JSON counts as no characters.

Example: speed.py build/release/bin/lamina -m e2b.gguf -t 2 --rounds 3
"""

import argparse
import json
import statistics
import subprocess
import sys

TEXT = {"type": "string", "minLength": 4, "maxLength": 24}
SCHEMA = {
    "type": "object",
    "properties": {
        "customer_name": TEXT,
        "delivery_address": {
            "type": "object",
            "properties": {"street_and_number": TEXT, "postal_code": {"type": "string", "pattern": "^[0-9]{5}$"},
                           "country": {"enum": ["Germany", "France", "Netherlands", "United Kingdom"]}},
            "required": ["street_and_number", "postal_code", "country"],
            "additionalProperties": False},
        "payment_method": {"enum": ["credit_card", "bank_transfer", "cash_on_delivery"]},
        "quantity_ordered": {"type": "integer", "minimum": 1, "maximum": 999},
        "is_express_delivery": {"type": "boolean"}},
    "required": ["customer_name", "delivery_address", "payment_method", "quantity_ordered", "is_express_delivery"],
    "additionalProperties": False}


def answer(flags, seed, *more):
    """What one run made: characters, tokens drawn and forced, seconds of decoding."""
    command = [flags.lamina, "run", "-q", "--json", "--temp", "1", "--seed", str(seed), *more, "Describe an order."]
    for name, value in (("-m", flags.model), ("-t", flags.threads)):
        command += [name, value] if value else []
    done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    text = done["text"]
    if "--json-schema" in more:
        text = json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    return {"characters": len(text), "passes": len(done["tokens"]) - done["forced_tokens"], "forced": done["forced_tokens"],
            "seconds": done["timing"]["decode_s"]}


def total(rows):
    """All answers of one kind together."""
    row = {key: sum(row[key] for row in rows) for key in rows[0]}
    speeds = [row["characters"] / row["seconds"] for row in rows]
    return {**row, "characters_per_s": row["characters"] / row["seconds"], "characters_per_pass": row["characters"] / row["passes"],
            "median_of_rounds": statistics.median(speeds), "rounds": [min(speeds), max(speeds)]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lamina", help="the program")
    parser.add_argument("-m", "--model", help="any model that it opens (default: the demo model)")
    parser.add_argument("-t", "--threads")
    parser.add_argument("--schema", help="file with a schema of objects that end (default: an order)")
    parser.add_argument("--tokens", type=int, default=96, help="of a free text")
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    schema = flags.schema or json.dumps(SCHEMA)
    free, kept = [], []
    for seed in range(flags.rounds):
        free.append(answer(flags, seed, "--ignore-eos", "-n", str(flags.tokens)))
        kept.append(answer(flags, seed, "--json-schema", schema))
    document = {"free": total(free), "json": total(kept)}
    document["json_to_free"] = document["json"]["characters_per_s"] / document["free"]["characters_per_s"]
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    sys.exit(main())
