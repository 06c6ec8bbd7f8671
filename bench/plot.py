#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws results of the benches as SVG, without any plotting library.

    python3 bench/plot.py RESULTS.json [RESULTS.json ...] --out FOLDER

Results are what `bench_model --json` or `bench/peers/run.py --json` wrote. Writes depth.svg (decoded tokens per second
against depth), prefill.svg (prompt tokens per second against length), depth_time.svg and prefill_time.svg (the same in
milliseconds per token, where growth with the context is a straight line) and kinds.svg (time of each layer kind in
one pass, from `bench_model --explain`), each only if the results have something for it. Exit status 1 if none has.
"""

import argparse
import html
import json
import math
import pathlib
import sys

COLOURS = ("#0b6e4f", "#c44536", "#2f5d8a", "#b8860b", "#6a4c93", "#4a4a4a", "#2a9d8f", "#a05195")
WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 210, 58, 56


class Drawing:
    """An SVG picture with a title."""

    def __init__(self, title, height=HEIGHT):
        self.height = height
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            f'font-size="12" role="img"><title>{html.escape(title)}</title>'
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
        self.text(LEFT, 24, title, size=15)

    def text(self, x, y, words, anchor="start", size=12, colour="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
                          f'fill="{colour}">{html.escape(str(words))}</text>')

    def line(self, x1, y1, x2, y2, colour="#ddd"):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>')

    def curve(self, points, colour):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        self.parts.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)

    def box(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" '
                          f'fill="{colour}"/>')

    def write(self, path):
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n", encoding="utf-8")
        print(path)


def ticks(most):
    """Round numbers from 0 to at least `most`."""
    step = 10 ** math.floor(math.log10(most / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if most / (step * factor) <= 5)
    return [step * i for i in range(math.ceil(most / step) + 1)]


def short(number):
    return f"{number / 1024:g}k" if number >= 1024 and number % 1024 == 0 else f"{number:g}"


def draw_lines(title, series, x_title, y_title, path):
    """`series`: name -> [(x, y)]; both axes begin at 0."""
    drawing = Drawing(title)
    x_ticks = ticks(max(x for points in series.values() for x, _ in points) or 1)
    x_most = max(x for points in series.values() for x, _ in points)
    if x_most >= 2048:  # depths are powers of two; a measured one may be a little more
        x_ticks = [2 ** math.ceil(math.log2(0.95 * x_most)) * i / 4 for i in range(5)]
    x_most = max(x_most, x_ticks[-1])
    y_ticks = ticks(max(y for points in series.values() for _, y in points))

    def place(x, y):
        return (LEFT + (WIDTH - LEFT - RIGHT) * x / x_most, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / y_ticks[-1])

    for tick in y_ticks:
        _, y = place(0, tick)
        drawing.line(LEFT, y, WIDTH - RIGHT, y)
        drawing.text(LEFT - 8, y + 4, f"{tick:g}", "end")
    for tick in x_ticks:
        x, y = place(tick, 0)
        drawing.line(x, y, x, y + 5, "#222")
        drawing.text(x, y + 18, short(tick), "middle")
    drawing.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_title, "middle")
    drawing.text(LEFT, TOP - 14, y_title)
    for index, (name, points) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        drawing.curve([place(x, y) for x, y in sorted(points)], colour)
        drawing.box(WIDTH - RIGHT + 16, TOP + 20 * index, 12, 12, colour)
        drawing.text(WIDTH - RIGHT + 34, TOP + 10 + 20 * index, name)
    drawing.write(path)


def draw_kinds(bars, path):
    """`bars`: name -> [(kind, milliseconds)], one stacked bar each."""
    kinds = list(dict.fromkeys(kind for parts in bars.values() for kind, _ in parts))
    colours = {kind: COLOURS[index % len(COLOURS)] for index, kind in enumerate(kinds)}
    height = TOP + 44 * len(bars) + 24 * len(kinds) + 70
    drawing = Drawing("Time of each layer kind in one pass, all its layers together", height)
    for row, (name, parts) in enumerate(bars.items()):
        total = sum(milliseconds for _, milliseconds in parts)
        y = TOP + 44 * row
        drawing.text(LEFT, y + 12, f"{name}: {total:.2f} ms")
        x = LEFT
        for kind, milliseconds in parts:
            width = (WIDTH - 2 * LEFT) * milliseconds / total
            drawing.box(x, y + 17, width, 18, colours[kind])
            if width > 44:
                drawing.text(x + width / 2, y + 30, f"{100 * milliseconds / total:.0f} %", "middle", 11, "white")
            x += width
    for index, kind in enumerate(kinds):
        y = TOP + 44 * len(bars) + 22 + 24 * index
        drawing.box(LEFT, y, 12, 12, colours[kind])
        drawing.text(LEFT + 20, y + 10, kind)
    drawing.write(path)


def speeds_of(row):
    """Tokens per second of each engine in a row."""
    if "tokens_per_s" in row:
        return {"lamina": row["tokens_per_s"]["median"]}
    return {engine: row[engine]["median"] for engine in ("lamina", "llama.cpp")}


def collect(documents):
    decode, prefill, bars = {}, {}, {}
    for document in documents:
        file = document["bench"]["file"].removesuffix(".gguf")
        for row in document.get("rows", []):
            for engine, speed in speeds_of(row).items():
                name = f"{engine} {file} ({row['threads']} thr.)"
                if row["test"] == "decode":
                    decode.setdefault(name, {})[row.get("measured_depth", row["depth"])] = speed
                elif row["depth"] == 0:
                    prefill.setdefault(name, {})[row["tokens"]] = speed
        for row in document.get("kinds", []):
            what = f"{row['tokens']} tokens" if row["test"] == "prefill" else "1 token"
            name = f"{file}, {row['test']} of {what} after {row['depth']}, {row['threads']} threads"
            milliseconds = 1e3 * row["seconds_per_layer"]["median"] * row["layers"]
            layers = "1 layer" if row["layers"] == 1 else f"{row['layers']:g} layers"
            bars.setdefault(name, []).append((f"{row['kind']} ({layers})", milliseconds))
    return decode, prefill, bars


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    arguments = parser.parse_args()
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in arguments.results]
    decode, prefill, bars = collect(documents)
    arguments.out.mkdir(parents=True, exist_ok=True)
    drawn = 0
    for found, title, x_title, name in (
            (decode, "Decoding against depth", "tokens in the cache", "depth"),
            (prefill, "Prefill against length", "tokens of the prompt", "prefill")):
        if not found:
            continue
        speeds = {key: list(points.items()) for key, points in found.items()}
        times = {key: [(x, 1e3 / speed) for x, speed in points] for key, points in speeds.items()}
        draw_lines(title, speeds, x_title, "tokens per second", arguments.out / f"{name}.svg")
        draw_lines(title, times, x_title, "milliseconds per token", arguments.out / f"{name}_time.svg")
        drawn += 2
    if bars:
        draw_kinds(bars, arguments.out / "kinds.svg")
        drawn += 1
    return 0 if drawn else 1


if __name__ == "__main__":
    sys.exit(main())
