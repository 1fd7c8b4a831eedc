#!/usr/bin/python3
"""A terminal's picture as SVG: `tmux capture-pane -p -e | tools/terminal_svg.py > docs/images/migrate.svg`."""
import re
import sys
from html import escape

COLOURS = {"32": "#7ec699", "36": "#67b7d1", "33": "#e2c08d", "31": "#e06c75", "2": "#5c6370", "1": "#ffffff"}
PLAIN, BACKGROUND = "#d7dae0", "#1e2127"
COLUMN, LINE, MARGIN = 8.4, 19, 14


def runs(line):
    """(colour, text) pairs of a line with SGR sequences."""
    colour = PLAIN
    for code, text in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b]+)", line):
        if text:
            yield colour, text
        else:
            chosen = [COLOURS[part] for part in code.split(";") if part in COLOURS]
            colour = chosen[-1] if chosen else PLAIN


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    width = max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines) * COLUMN + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}">')
    print(f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>')
    print('<g font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14" xml:space="preserve">')
    for number, line in enumerate(lines):
        column = 0
        for colour, text in runs(line):
            if text.strip():
                x, y = MARGIN + column * COLUMN, MARGIN + (number + 0.75) * LINE
                print(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" textLength="{len(text) * COLUMN:.1f}">{escape(text)}</text>')
            column += len(text)
    print("</g></svg>")


main()
