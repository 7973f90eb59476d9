#!/usr/bin/python3
"""Writes bench/chart.svg from bench/results.json: what noroshi takes of what Fluent Bit takes, as bars."""

import html
import pathlib

import comparison
import results

OUT = pathlib.Path(__file__).resolve().parent / "chart.svg"
WIDTH, LEFT, BAR, ROW, TOP = 1000, 350, 400, 34, 74
OURS, THEIRS, INK, FAINT = "#d1495b", "#d8dce2", "#1d2733", "#5d6b7a"


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def text(x, y, words, size=13, fill=INK, anchor="start", weight="normal"):
    return (f'<text x="{x}" y="{y}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{html.escape(words)}</text>')


def svg(kept):
    rows = comparison.rows(kept)
    longest = max(max(ours / theirs for _, _, ours, theirs, _ in rows), 1)
    height = TOP + ROW * len(rows) + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Arial">',
           f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
           text(20, 30, "What noroshi takes of what Fluent Bit takes", 18, weight="bold"),
           f'<rect x="20" y="44" width="12" height="12" fill="{OURS}"/>', text(38, 55, "noroshi"),
           f'<rect x="120" y="44" width="12" height="12" fill="{THEIRS}"/>',
           text(138, 55, "Fluent Bit 5.1.1 = full bar"),
           text(LEFT + BAR + 16, 55, "noroshi : Fluent Bit", 12, FAINT)]
    for index, (what, unit, ours, theirs, _) in enumerate(rows):
        y, scale = TOP + index * ROW, BAR / longest
        out += [text(LEFT - 12, y + 15, what, anchor="end"),
                f'<rect x="{LEFT}" y="{y}" width="{scale:.1f}" height="22" fill="{THEIRS}"/>',
                f'<rect x="{LEFT}" y="{y + 5}" width="{ours / theirs * scale:.1f}" height="12" fill="{OURS}"/>',
                text(LEFT + BAR + 16, y + 15, f"{number(ours)} : {number(theirs)} {unit}"),
                text(WIDTH - 20, y + 15, f"{ours / theirs:.0%}", weight="bold", anchor="end")]
    dates = sorted(row["date"] for name in ("e2e", "latency") for row in kept.get(name, []))
    out.append(text(20, height - 14, f"{kept['machine']}; {dates[-1]}. Fluent Bit's numbers are of the same run "
                    "where it was measured beside (RESULTS.md).", 11, FAINT))
    return "\n".join([*out, "</svg>\n"])


def main():
    OUT.write_text(svg(results.load()))
    print(OUT)


if __name__ == "__main__":
    main()
