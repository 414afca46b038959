import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = runpy.run_path(str(DOCS / "reference" / "make.py"))["PAGES"]


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_is_what_the_code_says(page):
    """After a change: python docs/reference/make.py"""
    assert (DOCS / "reference" / page).read_text(encoding="utf-8") == PAGES[page]()


def test_every_configuration_key_is_explained():
    text = PAGES["configuration.md"]().partition("## [axis.options]")[0]
    silent = [row for row in re.findall(r"^\| `.+$", text, re.MULTILINE) if row.endswith("|  |")]
    assert silent == []
