"""Paste every block of code of the pages, as the copy button gives it, and run it.

    pip install ".[integration,plot]" ipython ipykernel nbclient
    python .ci/paste_snippets.py                      # all pages, in all three places
    python .ci/paste_snippets.py --into ipython docs/recipes.md

The blocks of a page are pasted one after the other into plain Python (3.13 and later take
a block at once), into IPython and into the cells of a notebook. A block that shows a
traceback has to raise. Shell commands and quotations of the package are not pasted; a block
that needs a package which is not installed is named.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = [file.read_text() for file in (ROOT / "skbackprop").rglob("*.py")]
BLOCK = re.compile(r"^```(pycon|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"(?:>>>|\.\.\.) ?(.*)")
MISSING = re.compile(r"(?:ModuleNotFoundError|ImportError): (.*)")


def blocks(page):
    """Yield (number of the line, code, whether it raises) for the blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        kind, code = found.groups()
        line = text.count("\n", 0, found.start()) + 1
        if kind == "pycon":
            prompted = map(PROMPT.fullmatch, code.splitlines())
            yield line, "\n".join(m[1] for m in prompted if m), "Traceback" in code
        elif not any(code in source for source in SOURCES):
            yield line, code, False


# -- three places ----------------------------------------------------------------------


def plain():
    """Return a function that runs code in plain Python, and returns what it raised."""
    names = {"__name__": "__main__"}

    def run(code):
        try:
            for statement in ast.parse(code).body:
                exec(compile(ast.Interactive([statement]), "<stdin>", "single"), names)
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    return run


def ipython():
    """Return a function that runs code in IPython, and returns what it raised."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.user_ns["__name__"] = "__main__"

    def run(code):
        result = shell.run_cell(code)
        error = result.error_before_exec or result.error_in_exec
        return error and f"{type(error).__name__}: {error}"

    return run


def notebook():
    """Return a function that runs code in a notebook, and returns what it raised."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    book = nbformat.v4.new_notebook()
    client = NotebookClient(book, timeout=300, kernel_name="python3")
    client.create_kernel_manager()
    client.start_new_kernel()
    client.start_new_kernel_client()

    def run(code):
        book.cells.append(nbformat.v4.new_code_cell(code))
        try:
            client.execute_cell(book.cells[-1], len(book.cells) - 1)
        except CellExecutionError as error:
            return f"{error.ename}: {error.evalue}"

    return run


PLACES = {"plain": plain, "ipython": ipython, "notebook": notebook}


# -- pages -----------------------------------------------------------------------------


def paste(page, into):
    """Paste the blocks of a page; print and return what did not run."""
    run, wrong = PLACES[into](), []
    for line, code, raises in blocks(page):
        error = run(code)
        missing = error and MISSING.match(error)
        where = f"{page.relative_to(ROOT)}:{line}, {into}"
        if missing:
            print(f"{where}: left out, {missing[1]}", file=sys.stderr)
        elif bool(error) != raises:
            wrong.append(f"{where}: {error or 'should have raised'}")
    print(*wrong, sep="\n", file=sys.stderr, end="\n" * bool(wrong))
    return wrong


def main():
    """Paste each page into each place, in a process of its own; end with 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES)
    parser.add_argument("--into", choices=PLACES, help="one place, and in this process")
    chosen = parser.parse_args()
    if chosen.into:
        wrong = [paste(page.resolve(), chosen.into) for page in chosen.pages]
        return int(any(wrong))
    failed = 0
    os.environ |= {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    for page in map(Path.resolve, chosen.pages):
        for into in PLACES:
            command = [sys.executable, __file__, "--into", into, str(page)]
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(command, stdout=subprocess.DEVNULL, cwd=folder)
            failed += done.returncode != 0
    print(f"{len(chosen.pages)} pages in {len(PLACES)} places: {failed} failed.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
