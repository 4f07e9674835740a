"""docs/results.md says what the tables in docs/results say."""

from __future__ import annotations

from tests.benchmarks.results import plans
from tests.benchmarks.results_page import FOLDER, PAGE, page, rows


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.benchmarks.results --page"


def test_every_run_is_there_with_all_its_methods() -> None:
    for name, plan in plans().items():
        found = {row["method"] for row in rows(name)}
        without = {"cam"} if name != "difull" else {"cam", "full_grad"}  # their heads allow none
        assert set(plan.methods) - found <= without, name
        assert plan.model in (FOLDER / name / "card.md").read_text(encoding="utf-8")
