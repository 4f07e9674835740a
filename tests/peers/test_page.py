"""docs/differences.md says what the tests declare."""

from __future__ import annotations

from write_differences import PAGE, page


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "python tests/peers/write_differences.py"
