#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chart.py < RESULTS > CHART.svg: a picture of what run.sh has printed.

Each table "### TITLE" with columns "| name | x BASE | median | least to most | unit | |" becomes a group of
bars as long as its medians, each group on a scale of its own, with the ratio first. What is no such table is
passed over.
"""
import html
import re
import sys

WIDTH, LABEL, BAR, ROW, GAP = 860, 170, 430, 18, 46


def tables(lines):
    """Yields (title, base, [(name, ratio, median, spread, unit)])."""
    title, base, rows = None, None, []
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if line.startswith("### "):
            if rows:
                yield title, base, rows
            title, base, rows = line[4:].strip(), None, []
        elif title and len(cells) == 6 and cells[1].startswith("x "):
            base = cells[1][2:]
        elif base and len(cells) == 6 and re.fullmatch(r"[0-9.]+", cells[2]):
            rows.append((cells[0], cells[1], float(cells[2]), cells[3], cells[4]))
    if rows:
        yield title, base, rows


def text(x, y, words, style=""):
    return '<text x="%d" y="%d"%s>%s</text>' % (x, y, style and ' class="%s"' % style, html.escape(words))


def group(y, title, base, rows):
    """The lines of one table, and where the next one begins."""
    longest = max(row[2] for row in rows) or 1
    out = [text(8, y + 12, title, "title")]
    y += 22
    for name, ratio, median, spread, unit in rows:
        style = "ours" if name.startswith(("kata", "bare")) else "other"
        length = max(1, BAR * median / longest)
        words = "%g %s" % (median, unit)
        if ratio not in ("", "-") and base != "-":
            words = "%s x %s, %s" % (ratio, base, words)
        out.append(text(8, y + 12, name))
        out.append('<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"><title>%s</title></rect>'
                   % (style, LABEL, y + 2, length, ROW - 5, html.escape(spread)))
        out.append(text(LABEL + int(length) + 6, y + 12, words))
        y += ROW
    return out, y + GAP - 22


def main():
    body, y = [], 8
    for title, base, rows in tables(sys.stdin.read().splitlines()):
        lines, y = group(y, title, base, rows)
        body += lines
    if not body:
        sys.exit("chart.py: no tables on standard input")
    print('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">'
          % (WIDTH, y))
    print("<style>.title{font-weight:bold;font-size:12px}.ours{fill:#2a6fbb}.other{fill:#9aa5b1}</style>")
    print('<rect width="100%" height="100%" fill="#fff"/>')
    print("\n".join(body))
    print("</svg>")


main()
