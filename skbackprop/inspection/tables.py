"""Tables: rows of strings, as text of a given width and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import zip_longest
from textwrap import wrap
from typing import Self

__all__ = ["Section", "as_html", "as_text"]

WIDTH = 100  # columns of a terminal

Row = tuple[str, ...]


@dataclass(kw_only=True)
class Section:
    """A heading, lines of prose below it, and a table, whose columns may have names.

    A cell that is too long goes on in the next line.
    """

    heading: str
    prose: Sequence[str] = ()
    names: Row = ()
    rows: Sequence[Row] = ()
    flush_right: bool = False  # all columns but the first

    def shortened(self, max_rows: int | None) -> Self:
        """Return the section with the first rows of its table, and the number of others."""
        if max_rows is None or len(self.rows) <= max_rows:
            return self
        left_out = len(self.rows) - max_rows
        lines = "line" if left_out == 1 else "lines"
        more = ("...", f"({left_out} more {lines})", *[""] * (len(self.rows[0]) - 2))
        return replace(self, rows=[*self.rows[:max_rows], more])


def as_text(sections: Sequence[Section], width: int = WIDTH) -> str:
    """Return the sections as lines of at most `width` characters."""
    return "\n\n".join("\n".join(_section_lines(section, width)) for section in sections)


def _section_lines(section, width):
    yield from wrap(section.heading, width)
    for sentence in section.prose:
        yield from wrap(sentence, width, initial_indent="  ", subsequent_indent="    ")
    rows = [section.names, *section.rows] if section.names else section.rows
    if not rows:
        return
    sizes = _column_widths(rows, width)
    for row in rows:
        cells = [wrap(cell, size or 1) for cell, size in zip(row, sizes, strict=True)]
        for line in zip_longest(*cells, fillvalue=""):
            first, *others = line
            texts = [first.ljust(sizes[0])]
            for text, size in zip(others, sizes[1:], strict=True):
                texts.append(text.rjust(size) if section.flush_right else text.ljust(size))
            yield f"  {'  '.join(texts)}".rstrip()


def _column_widths(rows, width):
    """Return the widths of the columns; the widest gives way where they do not fit."""
    sizes = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    excess = sum(sizes) + 2 * len(sizes) - width
    if excess > 0:
        widest = sizes.index(max(sizes))
        sizes[widest] -= excess
    return sizes


def as_html(sections: Sequence[Section]) -> str:
    """Return the sections as HTML, for notebooks."""
    return f"<div>{''.join(map(_section_html, sections))}</div>"


def _section_html(section):
    lines = [f"<p><b>{escape(section.heading)}</b>"]
    lines += [f"<br>{escape(sentence)}" for sentence in section.prose]
    lines.append("</p><table>")
    if section.names:
        lines.append(_row_html("th", section.names, section.flush_right))
    lines += [_row_html("td", row, section.flush_right) for row in section.rows]
    return "".join([*lines, "</table>"])


def _row_html(tag, cells, flush_right):
    sides = ["left", *(["right" if flush_right else "left"] * (len(cells) - 1))]
    content = (
        f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(content)}</tr>"
