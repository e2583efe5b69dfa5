"""Tables as text of a given width and as HTML."""

import pytest

from skbackprop.inspection.tables import Section, as_html, as_text

NAMES = ("layer", "weights", "note")
ROWS = [("1", "3 x 4", "input"), ("2 (out)", "4 x 1", "")]


def table(**params):
    return Section(heading="A network", names=NAMES, rows=ROWS, **params)


def test_columns_are_flush_left():
    assert as_text([table()]).splitlines() == [
        "A network",
        "  layer    weights  note",
        "  1        3 x 4    input",
        "  2 (out)  4 x 1",
    ]


def test_columns_but_the_first_are_flush_right_where_asked():
    assert as_text([table(flush_right=True)]).splitlines() == [
        "A network",
        "  layer    weights   note",
        "  1          3 x 4  input",
        "  2 (out)    4 x 1",
    ]
    html = as_html([table(flush_right=True)])
    assert '<td style="text-align: left">1</td><td style="text-align: right">3 x 4' in html
    assert '<td style="text-align: left">3 x 4</td>' in as_html([table()])


@pytest.mark.parametrize("excess", [0, 1, 7])
def test_widest_column_gives_way_where_the_width_is_too_small(excess):
    """Two columns of 5 and 20, and two blanks before each."""
    section = Section(heading="", rows=[("12345", "abcd efgh ijkl mnopq")])
    lines = as_text([section], width=29 - excess).splitlines()
    assert max(map(len, lines)) <= 29 - excess
    assert lines[0].startswith("  12345  abcd")
    assert len(lines) == (1 if excess == 0 else 2)
    assert " ".join(" ".join(lines).split()) == "12345 abcd efgh ijkl mnopq"


def test_default_width_is_that_of_a_terminal():
    words = "word " * 60
    lines = as_text([Section(heading=words, prose=[words])]).splitlines()
    assert max(map(len, lines)) in range(96, 101)
    assert len(as_text([Section(heading="x" * 100)]).splitlines()) == 1
    assert len(as_text([Section(heading="x" * 101)]).splitlines()) == 2


def test_html_escapes_what_it_shows():
    html = as_html([Section(heading="a < b", prose=["c & d"], rows=[("<td>",)])])
    assert "a &lt; b" in html
    assert "c &amp; d" in html
    assert "&lt;td&gt;</td>" in html
