"""One explicit function per method, grouped by where the channel weights come from."""

from camlite.methods.gradient import cam, grad_cam
from camlite.methods.score import score_cam

__all__ = ["cam", "grad_cam", "score_cam"]
