"""The code of the pages that needs more than the default test run has: it runs."""

import re
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # other packages warn of themselves
]
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["at_home.md", "interchange.md"])
def test_the_python_blocks_of_a_page_run_one_after_the_other(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) >= 3
    exec(compile("\n".join(blocks), page, "exec"), {"__name__": page})
