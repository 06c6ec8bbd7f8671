#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON-Schema-Test-Suite through masks: a valid instance must pass as text, an invalid one must be stopped somewhere.

Schemas that are refused count as such, by the error. Keywords that lamina claims must have no failure. `format` is a rule for
lamina: tests that say that it is "only an annotation by default" are left out, those of optional/format hold. Valid texts of
formats that are stopped (names in Punycode, which is not checked) are listed by themselves.

With `--json-space none` texts are compact, and each that has a place for white space must be stopped with one there.

Example: suite.py build/release/bin/lamina JSON-Schema-Test-Suite/tests/draft2020-12
"""

import argparse
import collections
import json
import pathlib
import subprocess
import sys


def spaced_tests(tests):
    """Tests whose texts must be stopped where no white space may stand."""
    return [{**test, "valid": False, "spaced": True, "description": test["description"] + " (white space)"}
            for test in tests if isinstance(test["data"], (dict, list)) and test["data"]]


def text_of(test, space):
    separators = (",", ":") if space == "none" and "spaced" not in test else (", ", ": ")
    text = json.dumps(test["data"], ensure_ascii=False, separators=separators)
    return text[:-1] + " " + text[-1] if "spaced" in test else text


def check(lamina, group, space):
    """(error or None, the tests that disagree)"""
    rows = "".join(json.dumps({"text": text_of(test, space)}) + "\n" for test in group["tests"])
    done = subprocess.run([lamina, "fits", "--schema", json.dumps(group["schema"]), "--jsonl", "--json-space", space],
                          input=rows.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    answers = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
    if done.returncode != 0:
        return answers[0]["error"]["message"], []
    return None, [test for test, answer in zip(group["tests"], answers) if answer["fits"] != test["valid"]]


def groups(folder):
    """(name of the file, group) of all tests."""
    for path in sorted(folder.glob("*.json")) + sorted(folder.glob("optional/format/*.json")):
        for group in json.loads(path.read_text("utf-8")):
            group["tests"] = [test for test in group["tests"] if "only an annotation by default" not in test["description"]]
            yield ("format " if path.parent != folder else "") + path.stem, group


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lamina", help="the program")
    parser.add_argument("folder", type=pathlib.Path, help="a draft of the suite")
    parser.add_argument("--json-space", choices=("any", "none"), default="any", help="white space between values")
    flags = parser.parse_args()
    agree, failures, strict, refused = 0, [], [], collections.defaultdict(list)
    for name, group in groups(flags.folder):
        if flags.json_space == "none":
            group["tests"] += spaced_tests(group["tests"])
        error, wrong = check(flags.lamina, group, flags.json_space)
        if error is not None:
            refused[error].append(f"{name}: {group['description']}")
            continue
        agree += len(group["tests"]) - len(wrong)
        for test in wrong:
            is_strict = name.startswith("format ") and test["valid"]
            (strict if is_strict else failures).append(f"{name}: {group['description']}: {test['description']}")
    print(json.dumps({"agree": agree, "disagree": failures, "stopped_formats": strict, "refused": {key: len(places) for key, places in refused.items()},
                      "refused_places": refused}, indent=1))
    return 1 if failures or agree == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
