"""camlite: class activation maps, one readable function per method.

`grad_cam(model, "layer4", images)` -> raw maps; `heatmap(maps, size)` -> heat in [0, 1];
`show(images, heat)` -> a figure. Start at `camlite.methods`.
"""

from camlite import boxes, data, metrics, nets, sanity
from camlite.cutting.tokens import tokens_to_map
from camlite.errors import ArchitectureError, DataNotFound, LayerNotFound
from camlite.figures.plot import show
from camlite.maps import gap, heatmap, minmax, up, weighted_sum
from camlite.methods import *  # noqa: F403
from camlite.methods import __all__ as _methods
from camlite.methods.cards import METHODS
from camlite.split import LayerChosen, SplitByHook, split

__all__ = [
    "METHODS",
    "ArchitectureError",
    "DataNotFound",
    "LayerChosen",
    "LayerNotFound",
    "SplitByHook",
    "boxes",
    "data",
    "gap",
    "heatmap",
    "metrics",
    "minmax",
    "nets",
    "sanity",
    "show",
    "split",
    "tokens_to_map",
    "up",
    "weighted_sum",
    *_methods,
]
