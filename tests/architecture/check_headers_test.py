#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of check_headers.py fires on a header that breaks it, and a good header passes."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check_headers  # noqa: E402
import headers_alone  # noqa: E402

FIRST = check_headers.SPDX + "\n// A header that the tests of the checker made up.\n#pragma once\n"
HEAD = FIRST + "#include <lamina/core/config.hpp>\n"


class CheckHeaders(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.project = Path(self.folder.name)
        self.write("core/config.hpp", FIRST)
        self.write("core/good.hpp", HEAD + "// throw, abort(), printf(: words in comments do not count\n")
        self.write("layers/layer.hpp", HEAD)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = self.project / "include" / "lamina" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def errors_of(self, name, text):
        self.write(name, text)
        errors, warnings, _ = check_headers.check(self.project)
        return "\n".join(errors), "\n".join(warnings)

    def test_a_good_tree_passes(self):
        errors, warnings = self.errors_of("layers/a.hpp", HEAD + "#include <lamina/core/good.hpp>\n#include <span>\n")
        self.assertEqual((errors, warnings), ("", ""))

    def test_own_folder_and_lower_ranks_pass_higher_and_equal_ranks_fail(self):
        for name, included, good in [
            ("layers/a.hpp", "lamina/layers/layer.hpp", True),
            ("forward/a.hpp", "lamina/layers/layer.hpp", True),
            ("core/a.hpp", "lamina/layers/layer.hpp", False),
            ("rows/a.hpp", "lamina/layers/layer.hpp", False),
        ]:
            with self.subTest(name=name):
                errors, _ = self.errors_of(name, HEAD + f"#include <{included}>\n")
                self.assertEqual("only lower ranks" in errors, not good, errors)
                (self.project / "include" / "lamina" / name).unlink()

    def test_equal_rank_of_another_folder_fails(self):
        self.write("weights/w.hpp", HEAD)
        errors, _ = self.errors_of("linear/a.hpp", HEAD + "#include <lamina/weights/w.hpp>\n")
        self.assertIn("only lower ranks", errors)

    def test_cited_pages_and_sections_must_be_there(self):
        page = self.project / "docs" / "spec" / "files.md"
        page.parent.mkdir(parents=True)
        page.write_text("# 1. Files\n## 1.2 Headers\n# Appendix A. Tables\n", encoding="utf-8")
        for comment, missing in [
            ("// Source: files.md §1.2, §1 and Appendix A.", ""),
            ("// Source: files.md §1.3.", "files.md §1.3"),
            ("// Source: files.md §1 item 2, §4 (why).", "files.md §4"),
            ("// Source: files.md §1 to\n// §1.9 rule 3.", "files.md §1.9"),
            ("// Source: files.md Appendix B.", "files.md §Appendix B"),
            ("// Source: other.md §1.", "other.md"),
        ]:
            with self.subTest(comment=comment):
                errors, _ = self.errors_of("layers/a.hpp", HEAD + comment + "\n")
                if missing:
                    self.assertIn("cites " + missing, errors)
                else:
                    self.assertEqual(errors, "")

    def test_folders_of_the_contributing_page_must_be_there(self):
        table = "| 0 | `core/` | words |\n| `include/` | headers |\n"
        (self.project / "CONTRIBUTING.md").write_text(table, encoding="utf-8")
        self.assertEqual(self.errors_of("layers/a.hpp", HEAD)[0], "")
        gone = "| 5 | `gone/` | nothing |\n| `lost/`, `include/` | nothing |\n"
        (self.project / "CONTRIBUTING.md").write_text(table + gone, encoding="utf-8")
        errors, _ = self.errors_of("layers/a.hpp", HEAD)
        self.assertIn("the folder gone/", errors)
        self.assertIn("the folder lost/", errors)

    def test_broken_rules(self):
        for name, text, expected in [
            ("core/a.hpp", "// nothing\n", "first line must be"),
            ("core/a.hpp", FIRST, "reaches core/config.hpp by no include"),
            ("core/a.hpp", check_headers.SPDX + "\n#pragma once\n", "second line must say"),
            ("core/a.hpp", HEAD.replace("#pragma once\n", ""), "neither #pragma once"),
            ("core/a.hpp", HEAD + "\n" * 500, "hard limit"),
            ("core/a.hpp", HEAD + "#include <iostream>\n", "which no header may"),
            ("core/a.hpp", HEAD + "#include <functional>\n", "which no header may"),
            ("core/a.hpp", HEAD + "#include <Eigen/Core>\n", "only interop, media/sound may"),
            ("rows/a.hpp", HEAD + "#include <hwy/highway.h>\n", "only simd/prelude.hpp may"),
            ("layers/a.hpp", HEAD + "#include <hwy/contrib/math/math-inl.h>\n", "only rows, attention may"),
            ("weights/a.hpp", HEAD + "#include <nlohmann/json.hpp>\n", "only json, huggingface may"),
            ("core/a.hpp", HEAD + '#include "good.hpp"\n', "write <lamina/...>"),
            ("core/a.hpp", HEAD + "#include <lamina/core/gone.hpp>\n", "does not exist"),
            ("new_folder/a.hpp", HEAD + "#include <lamina/core/good.hpp>\n", "has no rank"),
            ("other.hpp", HEAD + "#include <lamina/core/good.hpp>\n", "may lie directly in lamina/"),
            ("core/a.hpp", HEAD + "// TODO: later\n", "belongs in an issue"),
            ("core/a.hpp", HEAD + "void f() { throw 1; }\n", "return an Error"),
            ("core/a.hpp", HEAD + "void f() { std::abort(); }\n", "return an Error"),
            ("core/a.hpp", HEAD + "auto g(A* a) { return dynamic_cast<B*>(a); }\n", "-fno-rtti"),
            ("core/a.hpp", HEAD + 'void f() { std::printf("x"); }\n', "prints nothing"),
            ("rows/a.hpp", HEAD + "auto f() { return _mm256_setzero_ps(); }\n", "through Highway"),
        ]:
            with self.subTest(expected=expected, text=text[-60:]):
                errors, _ = self.errors_of(name, text)
                self.assertIn(expected, errors)
                (self.project / "include" / "lamina" / name).unlink()

    def test_text_formatting_without_output_passes(self):
        errors, _ = self.errors_of("core/a.hpp", HEAD + "void f() { std::snprintf(b, 3, \"printf(\"); }\n")
        self.assertEqual(errors, "")

    def test_long_headers_warn(self):
        errors, warnings = self.errors_of("core/a.hpp", HEAD + "\n" * 300)
        self.assertEqual(errors, "")
        self.assertIn("aim at", warnings)

    def test_a_folder_of_too_many_files_fails(self):
        for i in range(check_headers.MOST_FILES + 1):
            self.write(f"rows/a{i}.hpp", HEAD)
        errors, _, _ = check_headers.check(self.project)
        self.assertIn("include/lamina/rows: 13 files, at most 12", errors)

    def test_missing_licence_line_outside_the_library(self):
        (self.project / "tests").mkdir()
        (self.project / "tests" / "a.cpp").write_text("int main() {}\n", encoding="utf-8")
        errors, _, _ = check_headers.check(self.project)
        self.assertIn("tests/a.cpp:1: no SPDX", "\n".join(errors))

    def test_what_npm_fetched_needs_no_licence_line(self):
        (self.project / "tests" / "page" / "node_modules" / "b").mkdir(parents=True)
        (self.project / "tests" / "page" / "node_modules" / "b" / "c.js").write_text("let x;\n", encoding="utf-8")
        (self.project / "tests" / "page" / "d.mjs").write_text("let x;\n", encoding="utf-8")
        errors, _, _ = check_headers.check(self.project)
        self.assertEqual([error for error in errors if "no SPDX" in error], ["tests/page/d.mjs:1: no SPDX licence line"])

    def test_one_function_name_in_two_files_of_a_test_program(self):
        folder = self.project / "tests" / "unit" / "core"
        folder.mkdir(parents=True)
        source = "// SPDX-License-Identifier: Apache-2.0\nnamespace {\n"
        (folder / "a_test.cpp").write_text(source + "template <class V>\nResult<int> read(V v) {}\n", encoding="utf-8")
        (folder / "b_test.cpp").write_text(source + "const std::string& read(int i) {}\n", encoding="utf-8")
        errors, _, _ = check_headers.check(self.project)
        self.assertIn("b_test.cpp:1: read is a function of a_test.cpp, too", "\n".join(errors))

    def test_no_headers_is_an_error(self):
        with tempfile.TemporaryDirectory() as empty:
            errors, _, headers = check_headers.check(Path(empty))
        self.assertEqual(headers, 0)
        self.assertTrue(errors)


class HeadersAlone(unittest.TestCase):
    def test_what_stands_before_a_header_is_included_by_it(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, lines in {
                "a": [], "b": ["#include <lamina/a.hpp>"], "c": ["#include <lamina/b.hpp>"], "d": ["#include <vector>"],
                "e": ["#if defined(X)", "#include <lamina/d.hpp>", "#endif"],  # d only if somebody says so
                "f-inl": ["#if defined(F) == defined(G)", "#include <lamina/c.hpp>", "#endif"],
            }.items():
                path = root / "lamina" / f"{name}.hpp"
                path.parent.mkdir(exist_ok=True)
                path.write_text("\n".join(lines), encoding="utf-8")
            names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.hpp"))
            lists = headers_alone.chains(headers_alone.closures(root, names))
        self.assertEqual(sorted(sum(lists, [])), names)
        short = sorted([Path(name).stem for name in chain] for chain in lists)
        self.assertEqual(short, [["a", "b", "c", "f-inl"], ["d"], ["e"]])


if __name__ == "__main__":
    unittest.main()
