"""Figures: `plot` (images with heat), `demo`, `explain` and `gallery` (what the commands draw)."""

from camlite.figures.plot import grid, picture, show

__all__ = ["grid", "picture", "show"]
