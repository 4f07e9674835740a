"""What can go wrong, by name. Everything else is a ValueError that shows the value."""

from __future__ import annotations

import sys
import warnings


class ArchitectureError(ValueError):
    """The network has not the shape that the method needs (CAM: GAP, then one linear layer)."""


class LayerNotFound(ValueError):
    """No layer of that name; the message lists the nearest ones."""


class DataNotFound(RuntimeError):
    """A data set or weight file is neither at hand nor downloadable; the message says more."""


def warn_user(message: str, category: type[Warning]) -> None:
    """A warning that points at the line outside of camlite that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "camlite":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
