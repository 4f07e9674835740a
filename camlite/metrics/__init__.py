"""Numbers for maps: each has one stated definition, a direction, and known weaknesses.

Two rules hold in all of them, so that no mean ever contains NaN:

1. **A question without an answer raises `Undefined`** (a ValueError): an empty mask, an image
   without annotated box, a score that is not positive where one divides by it. The error names
   the images. `where_defined` leaves them out and tells which.
2. **A map without an answer gets the worst value**: a constant map points nowhere and has no
   energy, so it misses. Such maps are marked in `blank`. They stay in the mean: otherwise a
   method could gain by giving empty maps, and methods would be compared on different images.

Averages (`average_drop`, `increase_in_confidence`, `average_gain`, `win_rate`,
`localization_error`) are numbers in percent. The others return objects with one value per image
and `protocol`, the choices made: print it beside the number. Always put the floors beside the
methods: a random map, the centre, `fake_cam`, `sobel_edges`.
"""

from camlite.metrics.curves import PROTOCOLS, Curve, area_under, deletion, insertion
from camlite.metrics.floors import fake_cam, sobel_edges
from camlite.metrics.imputation import Road, imputed, road
from camlite.metrics.localization import (
    BoxAccuracy,
    box_accuracy,
    localization_error,
    max_box_acc_v2,
)
from camlite.metrics.masking import (
    Confidences,
    adcc,
    average_drop,
    average_gain,
    coherency,
    complexity,
    increase_in_confidence,
    masked_confidence,
    relative_drop,
    relative_gain,
    win_rate,
)
from camlite.metrics.pointing import (
    energy_pointing_game,
    object_recall,
    objects_found,
    pointing_game,
)
from camlite.metrics.shared import Measure, Undefined, class_mean, confidence, where_defined

__all__ = [
    "PROTOCOLS",
    "BoxAccuracy",
    "Confidences",
    "Curve",
    "Measure",
    "Road",
    "Undefined",
    "adcc",
    "area_under",
    "average_drop",
    "average_gain",
    "box_accuracy",
    "class_mean",
    "coherency",
    "complexity",
    "confidence",
    "deletion",
    "energy_pointing_game",
    "fake_cam",
    "imputed",
    "increase_in_confidence",
    "insertion",
    "localization_error",
    "masked_confidence",
    "max_box_acc_v2",
    "object_recall",
    "objects_found",
    "pointing_game",
    "relative_drop",
    "relative_gain",
    "road",
    "sobel_edges",
    "where_defined",
    "win_rate",
]
