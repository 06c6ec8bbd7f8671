#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules that every header of lamina follows: include ranks, who may include what, length, first lines,
and that the specifications they cite and the folders that CONTRIBUTING.md lists are there.

Usage: check_headers.py PROJECT
Prints one line per broken rule and ends with 1 if there is any; long headers only get a warning.
"""

import re
import sys
from collections import Counter
from pathlib import Path

# A header may include only lower ranks or its own folder.
RANKS = {
    "core": 0,
    "formats": 1, "simd": 1, "tokenizer": 1, "sampling": 1,
    "blocks": 2, "schedule": 2, "rows": 2, "media": 2, "masks": 2,
    "weights": 3, "linear": 3, "attention": 3, "variants": 3,
    "packing": 4, "pass": 4, "state": 4,
    "layers": 5, "engine": 5, "encoders": 5,
    "forward": 6, "towers": 6, "chat": 6, "multimodal": 6,
    "json": 7, "dispatch": 7, "testing": 7, "interop": 7,
    "huggingface": 8,
}
# Files of one folder that a newcomer takes in at a glance.
MOST_FILES = 12
# Headers directly in lamina/ collect others and have no rank.
UMBRELLAS = {"lamina.hpp", "schedule.hpp", "session.hpp"}

FORBIDDEN_EVERYWHERE = {"iostream", "regex", "functional"}
# prefix of an include -> the places (folders or files) that may have it
ONLY_IN = {
    "hwy/highway.h": ("simd/prelude.hpp",),
    "hwy/contrib/math/": ("rows", "attention"),
    "hwy/foreach_target.h": ("dispatch", "testing"),
    "hwy/": ("simd/prelude.hpp", "dispatch", "testing", "rows", "attention"),
    "Eigen/": ("interop", "media/sound"),
    "unsupported/Eigen/": ("interop", "media/sound"),
    "sndfile": ("media/sound/sndfile.hpp",),
    "stb/": ("media/picture/define_stb.hpp",),
    "libav": ("media/video/ffmpeg.hpp",),
    "libsw": ("media/video/ffmpeg.hpp",),
    "nlohmann/": ("json", "huggingface"),
    "boost/hana": ("schedule",),
}
# Intrinsics bridge what the oldest Highway lacks, in one header.
INTRINSIC = r"\b_mm(256|512)?_\w+\s*\("
INTRINSICS_IN = "simd/compat-inl.hpp"
# The one place where exceptions of standard containers become errors.
TRY = r"\btry\s*\{"
TRY_IN = "core/guard.hpp"
# words that must not occur in code (comments and strings aside), and what to do instead
FORBIDDEN_WORDS = {
    r"\bthrow\b": "return an Error",
    TRY: "return an Error: refused memory becomes one through core/guard.hpp",
    r"\b(dynamic_cast|typeid)\b": "the library builds with -fno-rtti",
    r"\b(std::)?(abort|exit|terminate|_Exit|quick_exit)\s*\(": "return an Error",
    r"(?<![A-Za-z_])(std::)?(printf|puts|fprintf|fputs|perror)\s*\(": "the library prints nothing",
    INTRINSIC: "vector code goes through Highway",
}

# The header that refuses older languages in one line: every other one reaches it before its own code.
FIRST_OF_ALL = "core/config.hpp"

SPDX = "// SPDX-License-Identifier: Apache-2.0"
SOFT_LENGTH, HARD_LENGTH = 300, 500
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def code_only(text):
    """The text with comments and the contents of strings and character constants removed, lines kept."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'', re.S)
    return token.sub(lambda m: "\n" * m.group().count("\n") if m.group().startswith("/") else '""', text)


def rank_errors(name, included):
    """Errors of one `#include <lamina/...>` in the header `name` (both relative to include/lamina)."""
    if "/" not in name:
        return [] if name in UMBRELLAS else [f"only {', '.join(sorted(UMBRELLAS))} may lie directly in lamina/"]
    folder, target = name.split("/")[0], included.split("/")[0]
    if folder not in RANKS:
        return [f"folder {folder}/ has no rank: add it to RANKS"]
    if "/" not in included:
        return [f"includes the umbrella <lamina/{included}>"]
    if target not in RANKS:
        return [f"includes the unknown folder {target}/"]
    if target != folder and RANKS[target] >= RANKS[folder]:
        return [f"rank {RANKS[folder]} ({folder}/) includes rank {RANKS[target]} <lamina/{included}>: "
                "only lower ranks or its own folder"]
    return []


def include_errors(root, name, style, included):
    """Errors of one #include line."""
    errors = []
    if included.startswith("lamina/"):
        if not (root / included).is_file():
            errors.append(f"includes <{included}>, which does not exist")
        if style == '"':
            errors.append(f'write <{included}>, not "{included}"')
        errors += rank_errors(name, included[len("lamina/"):])
    elif style == '"':
        errors.append(f'includes "{included}": write <lamina/...>')
    if included in FORBIDDEN_EVERYWHERE:
        errors.append(f"includes <{included}>, which no header may")
    for prefix, places in ONLY_IN.items():
        if included.startswith(prefix):
            if not any(name == place or name.startswith(place + "/") for place in places):
                errors.append(f"includes <{included}>, which only {', '.join(places)} may")
            break
    return errors


def header_errors(root, path):
    """(errors, warnings) of one header, as (line number, text)."""
    name = path.relative_to(root / "lamina").as_posix()
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    errors, warnings = [], []
    if lines[0] != SPDX:
        errors.append((1, f"the first line must be {SPDX}"))
    if len(lines) < 2 or not lines[1].startswith("// ") or len(lines[1]) < 20:
        errors.append((2, "the second line must say in a sentence what the header is for"))
    guard = "#pragma once" in lines
    toggled = "HWY_TARGET_TOGGLE" in text and "#undef" in text
    if not guard and not toggled:
        errors.append((1, "neither #pragma once nor a guard toggled by HWY_TARGET_TOGGLE"))
    if len(lines) - 1 > HARD_LENGTH:
        errors.append((HARD_LENGTH, f"{len(lines) - 1} lines: the hard limit is {HARD_LENGTH}"))
    elif len(lines) - 1 > SOFT_LENGTH:
        warnings.append((SOFT_LENGTH, f"{len(lines) - 1} lines: aim at {SOFT_LENGTH}"))
    if name != FIRST_OF_ALL and "#include <lamina/" not in text:
        errors.append((1, f"reaches {FIRST_OF_ALL} by no include: include it"))
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            errors += [(number, e) for e in include_errors(root, name, match.group(1), match.group(2))]
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            errors.append((number, "unfinished work belongs in an issue, not in a comment"))
    for number, line in enumerate(code_only(text).split("\n"), 1):
        for pattern, remedy in FORBIDDEN_WORDS.items():
            if (pattern, name) in ((INTRINSIC, INTRINSICS_IN), (TRY, TRY_IN)):
                continue
            match = re.search(pattern, line)
            if match and not line.lstrip().startswith("#"):
                errors.append((number, f"{match.group().strip()}: {remedy}"))
    return errors, warnings


def cited_sections(text):
    """(page, sections) of every specification that a text cites; pages without sections have an empty set."""
    comments = re.sub(r"\n[ \t]*(?:///?<?|#|\*)?[ \t]*", " ", text)
    for match in re.finditer(r"([\w-]+)\.md((?:[\s,;]|and |to |items? |rules? |steps? |\d+|\([^)]*\)|§[\d.]+|Appendix [A-Z]\b)*)", comments):
        sections = re.findall(r"§(\d+(?:\.\d+)*)", match.group(2))
        yield match.group(1), sections + re.findall(r"Appendix [A-Z]", match.group(2))


def citation_errors(project):
    """Citations of pages or sections of docs/spec that are not there, in headers, sources, tests and documents."""
    pages = {}
    for path in sorted((project / "docs" / "spec").glob("*.md")):
        headings = re.findall(r"^#+ (?:(\d+(?:\.\d+)*)\.? |(Appendix [A-Z])\b)", path.read_text(encoding="utf-8"), re.M)
        pages[path.stem] = {number or appendix for number, appendix in headings}
    errors = []
    for folder in ("include", "examples", "bench", "tests"):
        for path in sorted((project / folder).rglob("*.[ch]pp")):
            text = path.read_text(encoding="utf-8", errors="replace")
            for page, sections in cited_sections(text):
                if (project / "docs" / f"{page}.md").is_file() or page.isupper():
                    continue
                where = path.relative_to(project).as_posix()
                if page not in pages:
                    errors.append(f"{where}:1: cites {page}.md, which is not in docs/spec/")
                    continue
                errors += [f"{where}:1: cites {page}.md §{section}, which is not there"
                           for section in sections if section not in pages[page]]
    return errors


def folder_errors(project):
    """Folders that CONTRIBUTING.md lists and that are not there, in the two tables of folders."""
    text = (project / "CONTRIBUTING.md").read_text(encoding="utf-8") if (project / "CONTRIBUTING.md").is_file() else ""
    errors = []
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            continue
        is_rank = cells[0].isdigit()
        for name in re.findall(r"`([\w./-]+/)`", cells[1] if is_rank else cells[0]):
            if not (project / ("include/lamina" if is_rank else "") / name).is_dir():
                errors.append(f"CONTRIBUTING.md:1: lists the folder {name}, which is not there")
    return errors


def licence_errors(project):
    """Sources outside include/ that do not name the licence."""
    errors = []
    for folder in ("tests", "examples", "bench", "cmake"):
        for path in sorted((project / folder).rglob("*")):
            if "node_modules" in path.parts:  # what npm fetched for a test is not ours
                continue
            if path.suffix in {".hpp", ".cpp", ".cmake", ".py", ".S", ".js", ".mjs", ".css"} or path.name == "CMakeLists.txt":
                head = path.read_text(encoding="utf-8", errors="replace")[:400]
                if "SPDX-License-Identifier: Apache-2.0" not in head:
                    errors.append(f"{path.relative_to(project)}:1: no SPDX licence line")
    return errors


def shared_name_errors(project):
    """Functions of one name in several test files of a program, which are compiled together: one would hide the other."""
    function = re.compile(r"^(?!using|return|namespace|TEST_CASE|struct|class|enum)[A-Za-z_][\w:<>,.&*\[\] ]*[ &*>](\w+)\(", re.M)
    errors = []
    tests = project / "tests"
    for folder in sorted(path for path in [tests / "golden", *tests.glob("unit/*")] if path.is_dir()):
        seen = {}
        for path in sorted(folder.glob("*.cpp")):
            text = path.read_text(encoding="utf-8")
            if "HWY_BEFORE_NAMESPACE" in text:  # compiled once per target, and alone
                continue
            for name in sorted(set(function.findall(text)) - {"main"}):
                if name in seen:
                    errors.append(f"{path.relative_to(project).as_posix()}:1: {name} is a function of {seen[name]}, too: "
                                  "the files of a test program are compiled together, name it differently")
                seen.setdefault(name, path.name)
    return errors


def check(project):
    """(errors, warnings, number of headers) of a whole project."""
    root = project / "include"
    errors, warnings = licence_errors(project) + citation_errors(project) + folder_errors(project), []
    errors += shared_name_errors(project)
    headers = sorted(root.rglob("*.hpp"))
    for folder, files in sorted(Counter(path.parent for path in headers).items()):
        if files > MOST_FILES:
            errors.append(f"{folder.relative_to(project).as_posix()}: {files} files, at most {MOST_FILES}")
    for path in headers:
        found, noted = header_errors(root, path)
        place = path.relative_to(project).as_posix()
        errors += [f"{place}:{line}: {text}" for line, text in found]
        warnings += [f"{place}:{line}: {text}" for line, text in noted]
    if not headers:
        errors.append("no headers found under include/")
    return errors, warnings, len(headers)


def main():
    errors, warnings, headers = check(Path(sys.argv[1]).resolve())
    for text in warnings:
        print("warning:", text)
    for text in errors:
        print("error:", text)
    print(f"{headers} headers checked, {len(errors)} errors, {len(warnings)} warnings")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
