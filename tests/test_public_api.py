"""Nothing public moves unseen."""

from __future__ import annotations

from tests.public_api import SNAPSHOT, api


def test_the_public_names_and_signatures_are_those_written_down() -> None:
    written, now = (set(text.splitlines()) for text in (SNAPSHOT.read_text("utf-8"), api()))
    assert written == now, (
        f"gone: {sorted(written - now)}\nnew: {sorted(now - written)}\n"
        "If this is meant: python -m tests.public_api, and a line in CHANGELOG.md"
    )
