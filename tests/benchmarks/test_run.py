"""The benchmark runs from end to end. Its numbers are not tested: machines differ."""

from __future__ import annotations

import pytest

pytest.importorskip("pytorch_grad_cam", reason="pip install camlite[peers]")
pytest.importorskip("torchcam", reason="pip install camlite[peers]")


@pytest.mark.slow
def test_quick_run(capsys: pytest.CaptureFixture[str]) -> None:
    from run import main

    main(["--quick", "--threads", "1"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    full = [row for row in rows if row.startswith("| Grad-CAM |") and row.count("×") == 3]
    assert len(full) == 2, "one image, and a batch"
