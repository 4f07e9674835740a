"""Writes docs/differences.md from what the tests of the peers declare.

python tests/peers/write_differences.py
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "differences.md"
HEAD = """# Where the libraries differ

This page is written by `python tests/peers/write_differences.py` from the tests in `tests/peers`:
each row names the test that shows it. Letters: F feature maps, Y the score, G = ∂Y/∂F,
K channels. "–" means that the paper or library says or has nothing there. The libraries are
pytorch-grad-cam (package `grad-cam`) and torch-cam (package `torchcam`); the tests skip a row,
and say so, where the installed version does it right by now. The rows were seen with grad-cam
1.5.7 and torchcam 0.5.0.
"""


def cell(text: str) -> str:
    return text.replace("|", "\\|") or "–"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(c) for c in line) + " |" for line in lines)


def page() -> str:
    """The whole page as text."""
    sys.path.insert(0, str(HERE))
    import declared
    import test_agreement  # noqa: F401
    import test_findings  # noqa: F401

    differ = [
        [r.method, r.what, r.paper, r.authors, r.camlite, r.pgc, r.tc, f"`{r.tests[0]}`"]
        for r in sorted(declared.DIFFERENCES, key=lambda r: r.method.casefold())
    ]
    agree = [
        [r.method, r.what, r.paper, r.camlite, r.pgc, r.tc, f"`{r.tests[0]}`"]
        for r in sorted(declared.AGREEMENTS, key=lambda r: r.method.casefold())
    ]
    return "\n".join(
        [
            HEAD,
            "## They differ\n",
            table(
                [
                    "method",
                    "what",
                    "paper",
                    "authors' code",
                    "camlite",
                    "pytorch-grad-cam",
                    "torch-cam",
                    "test",
                ],
                differ,
            ),
            "\n## They agree, to 1e-5 of the largest value\n",
            "Raw maps are compared, before resizing and scaling. Eigen-CAM, EigenGrad-CAM and "
            "KPCA-CAM: 1e-4.\n",
            table(
                ["method", "with", "paper", "camlite", "pytorch-grad-cam", "torch-cam", "test"],
                agree,
            ),
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
