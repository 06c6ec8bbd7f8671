#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Characters per second of free text and of JSON under schemas, in turns, as `lamina run` writes them.

What must come is not drawn but read together with the next token: `passes` counts the tokens that were drawn, `forced` those
that were not. White space between the values of the JSON counts as no characters. A model with random weights draws tokens
of all lengths alike: its free text has two to three times as many characters a token as what a trained model writes.

Example: speed.py build/release/bin/lamina -m e2b.gguf -t 2 --rounds 3
"""

import argparse
import json
import statistics
import subprocess
import sys


def one_of(*values):
    return {"enum": list(values)}


def closed(**properties):
    """An object with all of these members and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


TEXT = {"type": "string", "minLength": 4, "maxLength": 24}
# Free strings, short choices, and choices among whole sentences: ever more is forced.
SCHEMAS = {
    "order": closed(
        customer_name=TEXT,
        delivery_address=closed(street_and_number=TEXT, postal_code={"type": "string", "pattern": "^[0-9]{5}$"},
                                country=one_of("Germany", "France", "Netherlands", "United Kingdom")),
        payment_method=one_of("credit_card", "bank_transfer", "cash_on_delivery"),
        quantity_ordered={"type": "integer", "minimum": 1, "maximum": 999},
        is_express_delivery={"type": "boolean"}),
    "judgement": closed(
        sentiment_of_the_author=one_of("positive", "neutral", "negative", "undecided"),
        department_responsible=one_of("customer_support", "accounting", "shipping_and_returns", "product_development"),
        is_urgent={"type": "boolean"},
        language_of_the_message=one_of("English", "German", "French", "Spanish", "Portuguese"),
        mentions_competitors={"type": "boolean"},
        requested_resolution=one_of("refund_of_the_full_price", "replacement_by_a_new_one", "explanation_of_the_bill"),
        confidence_in_percent={"type": "integer", "minimum": 10, "maximum": 99}),
    "letter": closed(
        opening_sentence=one_of("Thank you very much for your message, which has reached the right department today.",
                                "We are sorry to hear that something went wrong with the delivery of your order."),
        answer_to_the_request=one_of("The full price has been sent back to the account from which it was paid to us.",
                                     "A replacement leaves our warehouse tomorrow and will arrive within three days.",
                                     "Please send us a picture of the damaged part, so that we can find its number."),
        closing_sentence=one_of("Do not hesitate to write again if there is anything else that we can do for you.",
                                "With kind regards from all of us, and with our apologies for the trouble caused."))}


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
    parser.add_argument("--schema", action="append", help="file with a schema, for the built-in ones (repeatable)")
    parser.add_argument("--json-space", choices=("any", "none"), default="any", help="white space between values")
    parser.add_argument("--tokens", type=int, default=96, help="of a free text")
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    schemas = {name: name for name in flags.schema} if flags.schema else {
        name: json.dumps(schema) for name, schema in SCHEMAS.items()}
    rows = {name: [] for name in ("free", *schemas)}
    for seed in range(flags.rounds):
        rows["free"].append(answer(flags, seed, "--ignore-eos", "-n", str(flags.tokens)))
        for name, schema in schemas.items():
            rows[name].append(answer(flags, seed, "--json-schema", schema, "--json-space", flags.json_space))
    document = {name: total(answers) for name, answers in rows.items()}
    for name in schemas:
        document[name]["to_free"] = document[name]["characters_per_s"] / document["free"]["characters_per_s"]
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    sys.exit(main())
