"""Tables of the commands as plain aligned lines: ids, codes and digests are never cut, whatever the width."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: object) -> str:
    """Names come from files and people: none may steer the terminal."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """None is an empty cell; without rows nothing is printed."""
    if not rows:
        return
    lines = [list(heads), *(["" if cell is None else printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(heads))]
    if title:
        print(title)
    for line in lines:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
