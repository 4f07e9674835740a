"""Lesson 5, checked: component, box, overlap, localization error, crop, segmentation seeds."""

from __future__ import annotations

from itertools import product
from operator import ge, gt, le, lt, truediv

import numpy as np
import torch
from scipy.ndimage import label
from torch.nn import functional

from camlite import boxes as library
from camlite.course import Case, Exercise

EIGHT, FOUR = np.ones((3, 3)), None  # SciPy's neighbours


def drawn(*rows):
    """A mask from text: # is inside."""
    return torch.tensor([[c == "#" for c in row] for row in rows])


def turned(rng, mask):
    """The mask, mirrored or not by chance."""
    axes = [a for a in (0, 1) if torch.rand(1, generator=rng) < 0.5]
    return mask.flip(axes)


def island(mask, structure=EIGHT, choose=np.argmax):
    """The island of the mask that `choose` finds by its size; nothing where there is none."""
    numbered, count = label(mask.numpy(), structure)
    if count == 0:
        return torch.zeros(mask.shape, dtype=torch.bool)
    return torch.from_numpy(numbered == 1 + int(choose(np.bincount(numbered.ravel())[1:])))


# ------------------------------------------------------------------ 5.1

largest_component = Exercise(
    "5.1",
    "largest_component",
    formula="the island with the most pixels; pixels that touch at a side or a corner belong together",
    hints=(
        "Take a place that is inside and not taken yet. Collect everything that hangs together with "
        "it. Then do the same from the next place that is still left, and keep the largest island.",
        "Keep a set `left` of places, and a list `island`. Go through the list while it grows: each "
        "neighbour that is in `left` moves from `left` to the end of the list.",
        "Three loops in one another: over all starts in reading order (only those in left), over the "
        "places of the growing island, over the neighbours of a place. Keep an island only if it is "
        "longer than the longest so far, and set its places to True in a mask of zeros.",
    ),
)

# together 10 pixels that touch only at corners; the largest piece without corners has 6
CORNERS = drawn(
    "##.......##",
    ".##......##",
    "...##....##",
    "...##......",
    ".....#.....",
    "......#....",
)
RING = drawn("#.....##", "#..#..##", "#..#..##", "####....", "........")
EDGES = drawn("#......#", "#..##..#", "...##...", "........", "...#...#")


@largest_component.cases
def _(rng):
    yield Case("islands that hang together at corners", turned(rng, CORNERS))
    noise = torch.rand(17, 23, generator=rng) < 0.33
    yield Case("a random mask of 17×23", noise)
    yield Case("an island with arms", turned(rng, RING))
    yield Case("pixels at opposite sides of the image do not touch", EDGES)
    line = drawn("#.......", ".#....##", "..#...##", "...#..##", "........")
    yield Case("a thin line of 4 pixels, a block of 6", line)
    yield Case("two islands of 3 pixels: the first stays", drawn("....#", "##..#", "#...#"))
    yield Case("an empty mask", torch.zeros(4, 6, dtype=torch.bool))
    large = torch.ones(64, 70, dtype=torch.bool)
    large[:, 62] = False
    yield Case("a large mask of 64×70 with an island of 3968 pixels", large)


@largest_component.reference
def _(mask):
    return island(mask)


@largest_component.wrong(
    "You looked only at the neighbours of the first pixel. Their neighbours belong to the island "
    "too, and so on, until nobody new is found."
)
def one_step(mask):
    best = torch.zeros_like(mask)
    for y, x in mask.nonzero().tolist():
        part = torch.zeros_like(mask)
        part[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
        best = max(best, part & mask, key=lambda each: int(each.sum()))
    return best


def walked(mask, at=lambda y, x, shape: (y, x)):
    """The largest island, pixel by pixel; `at` may move a neighbour."""
    left, best = {tuple(place) for place in mask.nonzero().tolist()}, []
    for start in mask.nonzero().tolist():
        found = [tuple(start)] if tuple(start) in left else []
        left -= set(found)
        for y, x in found:
            for dy, dx in product((-1, 0, 1), repeat=2):
                place = at(y + dy, x + dx, mask.shape)
                if place in left:
                    left.remove(place)
                    found.append(place)
        best = max(best, found, key=len)
    return on(mask, best)


def on(mask, places):
    """True at these places."""
    result = torch.zeros_like(mask)
    for place in places:
        result[place] = True
    return result


@largest_component.wrong(
    "A function that calls itself for every pixel is stopped by Python on a large island. Keep a "
    "list of places to look at, and a loop."
)
def recursive(mask):
    left, best = {tuple(p) for p in mask.nonzero().tolist()}, []

    def walk(place, found):
        if place in left:
            left.remove(place)
            found.append(place)
            for dy, dx in product((-1, 0, 1), repeat=2):
                walk((place[0] + dy, place[1] + dx), found)
        return found

    for start in mask.nonzero().tolist():
        best = max(best, walk(tuple(start), []), key=len)
    return on(mask, best)


def widest(mask):
    """The island with the largest box."""
    parts = [island(mask, choose=lambda sizes, k=k: k) for k in range(label(mask, EIGHT)[1])]
    areas = [np.prod(np.ptp(p.nonzero().numpy(), axis=0) + 1) for p in parts]
    return parts[int(np.argmax(areas))] if parts else mask


largest_component.wrongs(
    wraps_around=(
        lambda mask: walked(mask, lambda y, x, shape: (y % shape[0], x % shape[1])),
        "Your islands go on at the opposite side of the image. torch.roll and negative indices "
        "wrap around: check that a neighbour lies inside.",
    ),
    four_neighbours=(
        lambda mask: island(mask, FOUR),
        "You counted four neighbours. Pixels that touch at a corner belong together too: eight "
        "neighbours (in SciPy: structure=np.ones((3, 3))).",
    ),
    the_mask_itself=(
        lambda mask: mask,
        "This is the mask as it was: all islands, not the largest.",
    ),
    first_island=(
        lambda mask: island(mask, choose=lambda sizes: 0),
        "This is the first island in reading order, not the one with the most pixels.",
    ),
    smallest_island=(
        lambda mask: island(mask, choose=np.argmin),
        "This is the smallest island. The one with the most pixels is asked for.",
    ),
    last_of_equals=(
        lambda mask: island(mask, choose=lambda sizes: len(sizes) - 1 - sizes[::-1].argmax()),
        "Of two islands of the same size you took the later one. Replace the largest only where "
        "the new one is larger, with > and not with >=.",
    ),
    background_is_an_island=(
        lambda mask: torch.from_numpy(
            (n := label(mask, EIGHT)[0]) == np.bincount(n.ravel()).argmax()
        ),
        "You counted the background as an island: label 0 is everything outside. Leave it out "
        "before you look for the largest.",
    ),
    empty_mask_stops=(
        lambda mask: torch.from_numpy(
            (n := label(mask, EIGHT)[0]) == 1 + np.bincount(n.ravel())[1:].argmax()
        ),
        "An empty mask has no island, and your code stops there. Return an empty mask.",
    ),
    largest_box=(
        widest,
        "You chose the island with the largest box around it. Count its pixels.",
    ),
    places_of_the_largest=(
        lambda mask: island(mask).nonzero(),
        "These are the places of the island, one in each row. Return a mask as large as the given "
        "one.",
    ),
    pixels_of_the_largest=(
        lambda mask: int(island(mask).sum()),
        "This is the number of its pixels. Return a mask that is True on the island.",
    ),
)

largest_component.accepts_all(
    library_function=library.largest_component,
    numbers_instead_of_truth_values=lambda mask: island(mask).int(),
    numbers_with_a_point=lambda mask: island(mask).float(),
    scipy_in_numpy=lambda mask: island(mask).numpy(),
    walked=walked,
)


@largest_component.accepts
def number_by_number(mask):
    numbered, count = label(mask.numpy(), structure=EIGHT)
    largest = np.zeros(mask.shape, bool)
    for number in range(1, count + 1):
        one = numbered == number
        if one.sum() > largest.sum():
            largest = one
    return torch.from_numpy(largest)


@largest_component.accepts
def spread_the_smallest_number(mask):
    """Each pixel takes the smallest number of its neighbours, often enough for every case."""
    H, W = mask.shape
    n = torch.where(mask, torch.arange(H * W).reshape(H, W).float(), torch.inf)
    for _ in range(120):
        spread = -functional.max_pool2d(-n[None, None], 3, 1, 1)[0, 0]
        n = torch.where(mask, spread, torch.inf)
    if not mask.any():
        return mask.clone()
    values, sizes = n[mask].unique(return_counts=True)
    return n == values[sizes.argmax()]


# ------------------------------------------------------------------ 5.2

bounding_box = Exercise(
    "5.2",
    "bounding_box",
    formula="the box around the largest component of { M > threshold · max M }, half-open",
    hints=(
        "Three steps: a mask of the places above the threshold, its largest component, and the "
        "smallest and largest row and column of that component.",
        "mask = M > threshold · max M. The box begins at the smallest column and row and ends one "
        "after the largest: x1 = largest column + 1. First of all: is max M positive?",
        "If M.max() is not above 0, return four zeros. Else give M > threshold * M.max() to your "
        "largest_component, take rows and columns from nonzero(as_tuple=True), and return min of "
        "the columns, min of the rows, max of the columns + 1, max of the rows + 1.",
    ),
)

# 1: the largest island, weak, its parts touch at a corner; 2: stronger; 3: the maximum;
# 4: a little below zero, bright only after min-max
PLAN = (
    ".............",
    ".111.....3...",
    ".111.........",
    "....11.......",
    "....11..22...",
    "........22...",
    ".444....22...",
    ".444....22...",
    ".444.........",
    "....444......",
    "....444......",
    ".............",
)


def planned(rng, plan=PLAN, size=1.0):
    """A signed map with the maximum `size` and the islands of the plan."""
    kinds = torch.tensor([[int(c) if c.isdigit() else 0 for c in row] for row in plan])
    noise = torch.rand(kinds.shape, generator=rng)
    low = torch.tensor([-1.2, 0.35, 0.65, 1.0, -0.3])[kinds]
    high = torch.tensor([-0.9, 0.45, 0.75, 1.0, -0.2])[kinds]
    return (low + noise * (high - low)) * size


@bounding_box.cases
def _(rng):
    yield Case("a signed map of 12×13 with three islands", planned(rng))
    yield Case("threshold 0.5: only strong islands are left", planned(rng, size=3.0), 0.5)
    yield Case("small values", planned(rng, [row[::-1] for row in PLAN], 2e-3))
    yield Case("large values", planned(rng, PLAN[::-1], 400.0), 0.3)
    against = planned(rng)
    against[0] -= 4
    yield Case("the evidence against the class is stronger than that for it", against)
    yield Case("no value is positive", -planned(rng).abs() - 0.01)
    yield Case("all values are zero", torch.zeros(3, 5))
    yield Case(
        "one bright pixel in the last row and column", planned(rng, ("....", "....", "...3"))
    )
    yield Case("bright everywhere", 1 + torch.rand(4, 7, generator=rng))


@bounding_box.probe
def _(answer, *args, **kwargs):
    """Four numbers are right as ints and as tensors of one number."""
    found = answer(*args, **kwargs)
    if isinstance(found, (tuple, list)):
        found = [v.item() if getattr(v, "ndim", 1) == 0 else v for v in found]
    return {"result": found}


def box_of(region, plus_one=1):
    ys, xs = region.nonzero(as_tuple=True)
    return (
        *(int(xs.min()), int(ys.min())),
        *(int(xs.max()) + plus_one, int(ys.max()) + plus_one),
    )


def above(M, threshold):
    return M > threshold * M.max()


@bounding_box.reference
def _(M, threshold=0.2):
    return box_of(island(above(M, threshold))) if M.max() > 0 else (0, 0, 0, 0)


def minmax(M):
    return (M - M.min()) / (M.max() - M.min())


def box_after(region, component, box, guard):
    def answer(M, threshold=0.2):
        mask = component(region(M, threshold))
        return (0, 0, 0, 0) if guard and M.max() <= 0 else box(mask)

    return answer


bounding_box.products(
    box_after,
    region={
        "above": (above, ""),
        "min_max": (
            lambda M, t: minmax(M) > t,
            "You scaled the map to [0, 1] first. Where values are negative, zero moves up, and the "
            "threshold falls on other places: take threshold · max M.",
        ),
        "absolute_threshold": (
            lambda M, t: t < M,
            "You compared the map with the threshold itself. It is a share: of the largest value "
            "of the map.",
        ),
    },
    component={
        "largest": (island, ""),
        "all_islands": (
            lambda mask: mask,
            "Your box is around all islands. Only the largest component counts.",
        ),
        "corners_do_not_touch": (
            lambda mask: island(mask, FOUR),
            "Pixels that touch only at a corner belong together: is your component 8-connected?",
        ),
    },
    box={
        "half_open": (box_of, ""),
        "last_column_and_row_missing": (
            lambda mask: box_of(mask, 0),
            "The last column and the last row are missing. The box is half-open: x1 and y1 are one "
            "after the last.",
        ),
        "rows_first": (
            lambda mask: tuple(box_of(mask)[i] for i in (1, 0, 3, 2)),
            "Rows and columns are exchanged. x counts columns and comes first.",
        ),
        "width_and_height": (
            lambda mask: (*(b := box_of(mask))[:2], b[2] - b[0], b[3] - b[1]),
            "The last two numbers are width and height. Return the corner x1, y1.",
        ),
        "both_columns_first": (
            lambda mask: tuple(box_of(mask)[i] for i in (0, 2, 1, 3)),
            "The order is x0, y0, x1, y1: one corner, then the other.",
        ),
    },
    guard={
        "guarded": (True, ""),
        "empty_map_stops": (
            False,
            "A map without a positive value has no region, and your code stops there. Return "
            "(0, 0, 0, 0).",
        ),
    },
)


def brightest(mask, M):
    numbered = label(mask, EIGHT)[0]
    return torch.from_numpy(numbered == numbered.ravel()[int(M.argmax())])


def guarded(make):
    return lambda M, threshold=0.2: make(M, threshold) if M.max() > 0 else (0, 0, 0, 0)


bounding_box.wrongs(
    zeros_are_bright=(
        lambda M, threshold=0.2: (
            box_of(m) if (m := island(threshold * M.max() <= M)).any() else (0, 0, 0, 0)
        ),
        "A map of zeros got the box of the whole image. It has no evidence: test whether its "
        "largest value is above 0.",
    ),
    threshold_ignored=(
        guarded(lambda M, threshold: box_of(island(above(M, 0.2)))),
        "You used 0.2 although another threshold was given.",
    ),
    absolute_values=(
        lambda M, threshold=0.2: (
            box_of(m) if (m := island(above(M.abs(), threshold))).any() else (0,) * 4
        ),
        "You took absolute values: evidence against the class counts as if it spoke for it.",
    ),
    share_of_the_largest_size=(
        guarded(lambda M, threshold: box_of(island(threshold * M.abs().max() < M))),
        "You took the threshold from the largest absolute value. max M is the largest value: the "
        "strongest evidence for the class.",
    ),
    component_of_the_maximum=(
        guarded(lambda M, threshold: box_of(brightest(above(M, threshold), M))),
        "You took the component with the brightest place. The largest one is asked for, also where "
        "another is brighter.",
    ),
    brightest_share_of_the_pixels=(
        guarded(lambda M, threshold: box_of(island(torch.quantile(M, 1 - threshold) <= M))),
        "You took the brightest share of the pixels. The threshold is a share of the largest value.",
    ),
    whole_image_if_empty=(
        lambda M, threshold=0.2: (
            box_of(island(above(M, threshold))) if M.max() > 0 else (0, 0, M.shape[1], M.shape[0])
        ),
        "A map without a positive value gets the empty box (0, 0, 0, 0), not the whole image.",
    ),
    a_mask=(
        lambda M, threshold=0.2: island(above(M, threshold)),
        "This is the mask of the component. Return the four numbers of the box around it.",
    ),
)

bounding_box.teaches(
    {
        "minmax of M": "You scaled the map to [0, 1] first. Where values are negative, zero moves up, "
        "and the threshold falls on other places: take threshold · max M.",
    }
)
bounding_box.accepts_all(
    library_function=library.bounding_box,
    tensor_of_four=lambda M, threshold=0.2: torch.tensor(library.bounding_box(M, threshold)),
    list_of_tensors=lambda M, threshold=0.2: list(torch.tensor(library.bounding_box(M, threshold))),
)


@bounding_box.accepts
def axis_by_axis(M, threshold=0.2):
    if M.max() <= 0:
        return 0, 0, 0, 0
    region = island(M > threshold * M.max())
    ys, xs = region.nonzero(as_tuple=True)
    (x0, x1), (y0, y1) = ((int(v.min()), int(v.max()) + 1) for v in (xs, ys))
    return x0, y0, x1, y1


@bounding_box.accepts
def numpy_any(M, threshold=0.2):
    if not bool(M.max() > 0):
        return np.zeros(4, int)
    region = island(M / M.max() > threshold).numpy()
    columns, rows = (np.flatnonzero(region.any(axis)) for axis in (0, 1))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


# ------------------------------------------------------------------ 5.3

iou = Exercise(
    "5.3",
    "iou",
    formula="|a ∩ b| / (|a| + |b| − |a ∩ b|), 0 for empty boxes",
    hints=(
        "The intersection of two boxes is a box. How wide is it, how high? What if they lie apart?",
        "width = min(a x1, b x1) − max(a x0, b x0), and the same for the height; below 0 they count "
        "as 0. The union is area a + area b − intersection.",
        "Compute width and height, each with max(…, 0), and multiply them. Add the two areas and "
        "subtract the intersection. Divide, but return 0 where the union is 0.",
    ),
)


def a_box(rng, x, y):
    """A box near (x, y), 6 to 12 pixels wide and high."""
    dx, dy, w, h = torch.randint(0, 4, (4,), generator=rng).tolist()
    return x + dx, y + dy, x + dx + 6 + w, y + dy + 9 + h


@iou.cases
def _(rng):
    for dx, dy in ((2, 4), (-3, 1), (4, -2), (1, -4)):
        yield Case("two boxes that overlap", a_box(rng, 9, 9), a_box(rng, 9 + dx, 9 + dy))
    yield Case("one box inside the other", (2, 3, 7, 15), (1, 1, 12, 17))
    yield Case("rows of a tensor", *torch.tensor([[0, 0, 30, 33], a_box(rng, 1, 8)]))
    yield Case("apart in both directions", a_box(rng, 0, 0), a_box(rng, 30, 40))
    yield Case("a little apart in both directions", (0, 0, 10, 12), (12, 15, 22, 30))
    yield Case("one above the other", a_box(rng, 5, 0), a_box(rng, 4, 30))
    yield Case("they share an edge, no pixel", (0, 0, 4, 5), (4, 0, 9, 5))
    yield Case("the same box twice", (1, 2, 6, 4), (1, 2, 6, 4))
    yield Case("an empty box inside another", (3, 3, 3, 3), (0, 0, 9, 7))
    yield Case("two empty boxes", (0, 0, 0, 0), (0, 0, 0, 0))


def positive(sides):
    return np.maximum(sides, 0)


def parts(a, b, more=0, apart=positive):
    """Intersection and the two areas; `more` is added to every width and height."""
    a, b = (np.asarray([float(v) for v in box]) for box in (a, b))
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) + more
    return apart(sides).prod(), *((box[2:] - box[:2] + more).prod() for box in (a, b))


def ratio(part, whole):
    return part / whole if whole else 0.0


@iou.reference
def _(a, b):
    both, first, second = parts(a, b)
    return ratio(both, first + second - both)


def enclosing(a, b):
    a, b = (np.asarray([float(v) for v in box]) for box in (a, b))
    return (np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2])).prod()


def overlap_over(union, more, apart, empty=ratio):
    def answer(a, b):
        both, first, second = parts(a, b, more, apart)
        return empty(float(both), float(union(both, first, second)))

    return answer


iou.products(
    overlap_over,
    union={
        "union": (lambda both, a, b: a + b - both, ""),
        "intersection_counted_twice": (
            lambda both, a, b: a + b,
            "You divided by the sum of the areas. The intersection is in it twice: subtract it once.",
        ),
        "divided_by_the_smaller": (
            lambda both, a, b: min(a, b),
            "You divided by the smaller area. Then a small box inside a large one is perfect: "
            "divide by the union.",
        ),
        "divided_by_the_first": (
            lambda both, a, b: a,
            "You divided by the area of the first box. Divide by the union of both.",
        ),
        "divided_by_the_second": (
            lambda both, a, b: b,
            "You divided by the area of the second box. Divide by the union of both.",
        ),
        "dice": (
            lambda both, a, b: (a + b) / 2,
            "You divided twice the intersection by the sum of the areas. That is the Dice "
            "coefficient; IoU divides by the union.",
        ),
    },
    more={
        "half_open": (0, ""),
        "both_ends_inside": (
            1,
            "You added 1 to widths and heights. Our boxes are half-open: the width is x1 − x0.",
        ),
    },
    apart={
        "clamped": (positive, ""),
        "not_clamped": (
            np.array,
            "Boxes that lie apart have negative widths and heights, and the product of two "
            "negative numbers is positive. Take max(…, 0) of each of them.",
        ),
        "product_clamped": (
            lambda sides: np.array([max(sides.prod(), 0)]),
            "You cut off the product at 0, not the sides. Two negative sides have a positive "
            "product: take max(…, 0) of the width and of the height.",
        ),
        "absolute_sides": (
            np.abs,
            "You took absolute values of width and height. Then boxes that lie apart seem to "
            "overlap: take max(…, 0) of each of them.",
        ),
    },
)


def union(both, first, second):
    return first + second - both


EMPTY_STOPS = "Empty boxes stop your code, because you divide by 0. Their IoU is 0."

iou.wrongs(
    division_by_zero=(overlap_over(union, 0, positive, truediv), EMPTY_STOPS),
    not_clamped_and_division_by_zero=(
        overlap_over(union, 0, np.array, truediv),
        "Boxes that lie apart have negative widths and heights, and the product of two negative "
        f"numbers is positive. Take max(…, 0) of each of them. {EMPTY_STOPS}",
    ),
    enclosing_box=(
        lambda a, b: ratio(parts(a, b)[0], enclosing(a, b)),
        "You divided by the box around both. The union is not a box: it is the two areas minus the "
        "intersection.",
    ),
    intersection_only=(
        lambda a, b: parts(a, b)[0],
        "This is the area of the intersection. Divide it by the area of the union.",
    ),
    whole_numbers=(
        lambda a, b: int(library.iou(a, b)),
        "Everything below 1 became 0. Divide with /, for // rounds down, and do not take int of it.",
    ),
    rounded=(
        lambda a, b: round(library.iou(a, b), 2),
        "You rounded. Return the number as it is, and round only where you print it.",
    ),
    percent=(
        lambda a, b: 100 * library.iou(a, b),
        "This is in percent. IoU goes from 0 to 1.",
    ),
    width_and_height=(
        lambda a, b: library.iou(*((x, y, x + w, y + h) for x, y, w, h in (a, b))),
        "You read the last two numbers as width and height. They are the corner x1, y1.",
    ),
    two_empty_boxes_are_the_same=(
        lambda a, b: library.iou(a, b) if parts(a, b)[1] + parts(a, b)[2] else 1.0,
        "Two empty boxes have the IoU 0: where nothing was found, nothing fits.",
    ),
    empty_boxes_are_nan=(
        lambda a, b: (
            float(np.float64(parts(a, b)[0]) / (sum(parts(a, b)[1:]) - parts(a, b)[0]))
            if sum(parts(a, b)[1:])
            else float("nan")
        ),
        "Two empty boxes gave NaN: 0 divided by 0. Return 0 there.",
    ),
)

iou.accepts_all(
    library_function=library.iou,
    a_tensor=lambda a, b: torch.tensor(library.iou(a, b)),
)


@iou.accepts
def side_by_side(a, b):
    sides = [max(min(a[i + 2], b[i + 2]) - max(a[i], b[i]), 0) for i in (0, 1)]
    both = sides[0] * sides[1]
    first, second = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    either = first + second - both
    return both / either if either > 0 else 0.0


@iou.accepts
def counted_pixels(a, b):
    masks = [library.as_mask(torch.as_tensor(box)[None], (80, 80)) for box in (a, b)]
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum().clamp(min=1)


@iou.accepts
def small_number_below(a, b):
    both, first, second = parts(a, b)
    return both / (first + second - both + 1e-9)


# ------------------------------------------------------------------ 5.4

localization_error = Exercise(
    "5.4",
    "localization_error",
    formula="100/N · Σ_n 1[predicted_n ≠ label_n or IoU(b_n, t_n) < threshold]",
    hints=(
        "An image is right only if both are right: the word and the box. The error counts the others.",
        "right_n = (predicted_n == label_n) and (IoU of box n with truth n ≥ threshold). The error is "
        "100 · (1 − number of right images / N).",
        "Go through the four tensors together with zip, count the images where both conditions hold, "
        "divide by the number of images, take 1 minus it, times 100.",
    ),
)

TRUE = torch.tensor([[4, 4, 14, 14], [0, 2, 20, 8], [30, 5, 40, 25], [10, 10, 22, 30]])


def moved(truth, share):
    """The right part of the box, with that IoU with the whole."""
    x0, y0, x1, y1 = truth.tolist()
    return [x1 - round(share * (x1 - x0)), y0, x1, y1]


def images(rng, n, shares, truths=TRUE):
    """n images: the shares take turns, and of five words the first and the third are wrong."""
    order = torch.randperm(n, generator=rng)
    truths = truths.repeat(n, 1)[:n][order]
    shares = torch.tensor(shares).repeat(n)[:n][order]
    found = torch.tensor([moved(t, s) for t, s in zip(truths, shares.tolist(), strict=True)])
    labels = torch.randint(0, 5, (n,), generator=rng)
    wrong = torch.tensor([1, 0, 1, 0, 0]).repeat(n)[:n][order]
    return found, truths, (labels + wrong * 2) % 5, labels


@localization_error.cases
def _(rng):
    kinds = [1.0, 0.25, 0.25, 0.8, 0.9, 0.4, 0.6, 0.7]  # with the words, each kind of mistake
    yield Case("eleven images", *images(rng, 11, kinds))
    for n, border in ((13, 0.3), (17, 0.65), (19, 0.35), (23, 0.55), (14, 0.45)):
        yield Case(f"{n} images, threshold {border}", *images(rng, n, kinds), border)
    yield Case("threshold 0.75, given by name", *images(rng, 21, kinds), threshold=0.75)
    for n, border in ((13, 0.5), (11, 0.25), (17, 0.75)):  # of widths that give it exactly
        given = images(rng, n, [1.0, border], TRUE[1::2])
        yield Case("the IoU is exactly the threshold", *given, border)
    same = torch.tensor([1, 0, 2])
    apart = TRUE[:3].roll(1, 0)  # each box would fit another image
    yield Case("each box fits, but another image", apart, TRUE[:3], same, same)
    yield Case("one image, all right", TRUE[:1], TRUE[:1], same[:1], same[:1])
    mixed = torch.tensor([3, 0, 2])
    yield Case("perfect boxes, one wrong word", TRUE[:3], TRUE[:3], mixed, same)


def checked(boxes, truths, predicted, labels, threshold, at_least=True):
    """Which words are right, and which boxes."""
    IoU = library.iou_matrix(boxes, truths).diagonal()
    return predicted == labels, (IoU >= threshold) if at_least else (IoU > threshold)


@localization_error.reference
def right_error(boxes, truths, predicted, labels, threshold=0.5):
    word, box = checked(boxes, truths, predicted, labels, threshold)
    return float(100 * (~(word & box)).double().mean())


def counted(count, at_least=True):
    """An answer that counts by `count(word, box)`, which are right and wrong, image by image."""

    def answer(boxes, truths, predicted, labels, threshold=0.5):
        word, box = checked(boxes, truths, predicted, labels, threshold, at_least)
        return float(count(word, box))

    return answer


def error_of(join, scale, at_least):
    return counted(lambda word, box: scale(join(word, box).double()), at_least)


def share(truths):
    return truths.double().mean()


localization_error.products(
    error_of,
    join={
        "both": (lambda word, box: word & box, ""),
        "one_is_enough": (
            lambda word, box: word | box,
            "You called an image right where the word or the box is right. Both must be.",
        ),
        "word_ignored": (
            lambda word, box: box,
            "You looked only at the boxes. A wrong word makes a perfect box wrong.",
        ),
    },
    scale={
        "percent": (lambda right: 100 * (1 - right.mean()), ""),
        "accuracy": (
            lambda right: 100 * right.mean(),
            "This is the share of right images. The error is the share of the others.",
        ),
        "share": (lambda right: 1 - right.mean(), "This is a share. Return percent: times 100."),
        "share_of_right": (
            lambda right: right.mean(),
            "This is the share of right images. The error is the share of the others, in percent.",
        ),
        "count": (lambda right: (1 - right).sum(), "This is a number of images. Divide it by N."),
    },
    at_least={
        "at_least": (True, ""),
        "strictly_above": (
            False,
            "An IoU that is exactly the threshold is right: only below it is an error.",
        ),
    },
)
localization_error.wrongs(
    box_ignored=(
        counted(lambda word, box: 100 * share(~word)),
        "You looked only at the words. The IoU with the true box counts too.",
    ),
    exactly_one=(
        counted(lambda word, box: 100 * share(~(word ^ box))),
        "You called an image right where just one of the two is right (^ or !=). Both must be: and.",
    ),
    only_both_wrong_and_right=(
        counted(lambda word, box: 100 * share(word ^ box)),
        "You counted only the images where just one of the two is wrong. Where both are wrong, the "
        "image is wrong too.",
    ),
    whole_percent=(
        counted(lambda word, box: int(100 * share(~(word & box)))),
        "You cut off what is behind the point. Return the number as it is.",
    ),
    threshold_of_error_ignored=(
        lambda boxes, truths, predicted, labels, threshold=0.5: right_error(
            boxes, truths, predicted, labels
        ),
        "You used 0.5 although another threshold was given.",
    ),
    any_truth=(
        lambda boxes, truths, predicted, labels, threshold=0.5: (
            100
            * float(
                share(
                    (library.iou_matrix(boxes, truths).amax(1) < threshold) | (predicted != labels)
                )
            )
        ),
        "You compared each box with the true boxes of all images. Box n belongs to truth n.",
    ),
    two_errors_added=(
        counted(lambda word, box: 100 * (share(~word) + share(~box))),
        "You added the error of the words and the error of the boxes. An image with both mistakes "
        "counts twice then: count images, not mistakes.",
    ),
    mean_of_two_errors=(
        counted(lambda word, box: 50 * (share(~word) + share(~box))),
        "This is the mean of two errors. An image is wrong if its word or its box is wrong: decide "
        "for each image first.",
    ),
    only_where_the_word_is_right=(
        counted(lambda word, box: 100 * share(~box[word])),
        "You left out the images whose word is wrong. They count too, as errors.",
    ),
    mean_overlap=(
        lambda boxes, truths, predicted, labels, threshold=0.5: float(
            100 * (1 - library.iou_matrix(boxes, truths).diagonal().mean())
        ),
        "This is 100 minus the mean IoU. The error counts images: right or not right.",
    ),
    one_value_for_each_image=(
        lambda boxes, truths, predicted, labels, threshold=0.5: (
            100.0 * ~torch.logical_and(*checked(boxes, truths, predicted, labels, threshold))
        ),
        "There is one value for each image. Take the mean over the images.",
    ),
)

localization_error.accepts_all(
    tensor_of_one=lambda boxes, truths, predicted, labels, threshold=0.5: (
        100
        - 100
        * torch.logical_and(*checked(boxes, truths, predicted, labels, threshold)).double().mean()
    ),
)


@localization_error.accepts
def image_by_image(boxes, truths, predicted, labels, threshold=0.5):
    wrong = 0
    for n in range(len(labels)):
        if predicted[n] != labels[n] or library.iou(boxes[n], truths[n]) < threshold:
            wrong += 1
    return 100 * wrong / len(labels)


@localization_error.accepts
def numpy_where(boxes, truths, predicted, labels, threshold=0.5):
    IoU = np.array([library.iou(a, b) for a, b in zip(boxes, truths, strict=True)])
    return 100 * np.where((predicted.numpy() == labels.numpy()) & (IoU >= threshold), 0, 1).mean()


# ------------------------------------------------------------------ 5.5

crop_to_box = Exercise(
    "5.5",
    "crop_to_box",
    formula="image[:, y0:y1, x0:x1], enlarged to size: bilinear, align_corners=False",
    hints=(
        "Two steps: cut out the part of the image, then change its size. Which axis of an image "
        "(C, H, W) are the rows?",
        "The part is image[:, y0:y1, x0:x1]: rows are y. functional.interpolate wants a batch: give "
        "it an axis in front, and take it away again.",
        "Slice the image, add an axis with [None], call functional.interpolate with size, "
        'mode="bilinear" and align_corners=False, and return element [0].',
    ),
)


@crop_to_box.cases
def _(rng):
    image = torch.rand(3, 20, 31, generator=rng)
    yield Case("a box of 12×7, enlarged to 15×26", image, (5, 9, 17, 16), (15, 26))
    yield Case("a large box, made smaller", image, (1, 2, 29, 18), (6, 9))
    yield Case("the whole image, other size", image, (0, 0, 31, 20), (10, 14))
    grey = torch.randn(1, 12, 12, generator=rng)
    yield Case("one colour, negative values, a box in the corner", grey, (7, 4, 12, 12), (9, 11))
    yield Case("a box of one pixel", image, (30, 19, 31, 20), (2, 3))
    yield Case("the box is a tensor", image, torch.tensor([3, 2, 12, 13]), (7, 8))


def resized(part, size, **how):
    how = {"mode": "bilinear", "align_corners": False} | how
    return functional.interpolate(part[None], size=tuple(size), **how)[0]


def cut(image, box):
    x0, y0, x1, y1 = (int(v) for v in box)
    return image[:, y0:y1, x0:x1]


@crop_to_box.reference
def _(image, box, size):
    return resized(cut(image, box), size)


def cut_then_resize(part, how):
    return lambda image, box, size: how(part(image, [int(v) for v in box]), size)


crop_to_box.products(
    cut_then_resize,
    part={
        "box": (cut, ""),
        "last_row_and_column_too": (
            lambda image, b: cut(image, (b[0], b[1], b[2] + 1, b[3] + 1)),
            "Your part has one row and one column too many. The box is half-open, as a slice is.",
        ),
        "not_cropped": (
            lambda image, b: image,
            "You changed the size of the whole image. Cut the box out first.",
        ),
    },
    how={
        "bilinear": (resized, ""),
        "nearest": (
            lambda part, size: resized(part, size, mode="nearest", align_corners=None),
            'You took the nearest pixel. Interpolate: mode="bilinear".',
        ),
        "aligned_corners": (
            lambda part, size: resized(part, size, align_corners=True),
            "You set align_corners=True. We take False, as in lesson 3.",
        ),
        "antialias": (
            lambda part, size: resized(part, size, antialias=True),
            "You set antialias=True, which blurs where the part becomes smaller. Leave it out.",
        ),
        "bicubic": (
            lambda part, size: resized(part, size, mode="bicubic"),
            "You took bicubic interpolation. Take bilinear.",
        ),
    },
)
crop_to_box.wrongs(
    size_turned=(
        lambda image, box, size: resized(cut(image, box), size[::-1]),
        "Height and width of the result are exchanged: size is (rows, columns).",
    ),
    batch_axis_left=(
        lambda image, box, size: resized(cut(image, box), size)[None],
        "There is one axis too many: interpolate works on a batch. Return its first element.",
    ),
    only_cut=(
        lambda image, box, size: cut(image, box),
        "The part is cut out, but it has not the size that is asked for.",
    ),
    resized_first=(
        lambda image, box, size: cut(resized(image, size), box),
        "You changed the size first and cut then. The box belongs to the image as it was.",
    ),
    rows_and_columns_exchanged=(
        lambda image, box, size: resized(
            image[:, int(box[0]) : int(box[2]), int(box[1]) : int(box[3])], size
        ),
        "You used x for the rows. An image is (C, rows, columns): slice [:, y0:y1, x0:x1].",
    ),
    width_and_height_of_the_part=(
        lambda image, box, size: resized(
            cut(image, (box[0], box[1], box[0] + box[2], box[1] + box[3])), size
        ),
        "You read the last two numbers as width and height. They are the corner x1, y1.",
    ),
)

crop_to_box.accepts_all(library_function=library.crop)


@crop_to_box.accepts
def upsample_module(image, box, size):
    part = cut(image, box).unsqueeze(0)
    return torch.nn.Upsample(size=size, mode="bilinear")(part).squeeze(0)


@crop_to_box.accepts
def weights_by_hand(image, box, size):
    part = cut(image, box).double()
    for axis, n in ((1, size[0]), (2, size[1])):
        old = part.shape[axis]
        at = ((torch.arange(n).double() + 0.5) * old / n - 0.5).clamp(0, old - 1)
        low = at.floor().long()
        high = (low + 1).clamp(max=old - 1)
        w = (at - low).reshape([-1 if a == axis else 1 for a in range(3)])
        part = (1 - w) * part.index_select(axis, low) + w * part.index_select(axis, high)
    return part


# ------------------------------------------------------------------ 5.6

segmentation_seed = Exercise(
    "5.6",
    "segmentation_seed",
    formula="1 where M ≥ high · max M, 0 where M ≤ low · max M, −1 between; 0 everywhere if max M ≤ 0",
    hints=(
        "Three kinds of places: surely object, surely ground, not decided. Both borders are shares "
        "of the largest value.",
        "Begin with −1 everywhere. Set 0 where M ≤ low · max M and 1 where M ≥ high · max M. A map "
        "without a positive value is 0 everywhere.",
        "Make torch.full_like(M, -1, dtype=torch.long), write 0 and 1 through the two masks, and "
        "return zeros before that if M.max() is not above 0.",
    ),
)


@segmentation_seed.cases
def _(rng):
    M = torch.randn(6, 9, generator=rng)
    M[2, 5], M[4, 1] = 3.0, -5.0
    yield Case("a signed map of 6×9", M, 0.1, 0.5)
    yield Case("small values", M.flip(1) * 1e-3, 0.05, 0.6)
    whole = torch.tensor([[8.0, 4.0, 2.0, -3.0, 3.0], [2.0, 5.0, 1.0, 4.0, 0.0]])
    yield Case("values exactly on the borders", whole, 0.25, 0.5)
    yield Case("large values", M.abs() * 100, 0.2, 0.3)
    yield Case("no value is positive", -M.abs() - 0.1, 0.1, 0.5)
    yield Case("all values are zero", torch.zeros(3, 4), 0.1, 0.5)


def seeds(M, low, high, top=torch.max, object=1, ground=0, unknown=-1, guard=True):
    border = top(M)
    found = torch.full(M.shape, unknown)
    found[M <= low * border] = ground
    found[M >= high * border] = object
    return torch.full(M.shape, ground) if guard and not border > 0 else found


@segmentation_seed.reference
def _(M, low, high):
    return seeds(M, low, high)


def with_change(**change):
    return lambda M, low, high: seeds(M, low, high, **change)


def strict(high_side, low_side):
    """The two comparisons as given; a map without a positive value is 0."""

    def answer(M, low, high):
        if not M.max() > 0:
            return torch.zeros(M.shape, dtype=torch.long)
        rest = torch.where(low_side(M, low * M.max()), 0, -1)
        return torch.where(high_side(M, high * M.max()), 1, rest)

    return answer


segmentation_seed.wrongs(
    no_guard_for_dark_maps=(
        with_change(guard=False),
        "A map without a positive value has no object: it is 0 everywhere.",
    ),
    absolute_borders=(
        lambda M, low, high: seeds(M, low, high, top=lambda M: (M.max() > 0).float()),
        "You compared the map with low and high themselves. They are shares of the largest value.",
    ),
    min_max_first=(
        lambda M, low, high: seeds(minmax(M) if M.max() > 0 else M, low, high),
        "You scaled the map to [0, 1] first. Where values are negative, zero moves up: take shares "
        "of max M.",
    ),
    unknown_and_ground_exchanged=(
        with_change(ground=-1, unknown=0),
        "−1 stands for not decided, 0 for ground. You exchanged the two.",
    ),
    no_unknown=(
        with_change(unknown=0),
        "Between the two borders nothing is decided: −1. You called it ground.",
    ),
    unknown_is_object=(
        with_change(unknown=1),
        "Between the two borders nothing is decided: −1. You called it object.",
    ),
    unknown_is_two=(with_change(unknown=2), "Places that are not decided get −1."),
    divided_by_the_maximum=(
        lambda M, low, high: (
            seeds(M / M.max(), low * M.max(), high * M.max())
            if M.max() > 0
            else torch.where(M / M.max() >= high, 1, torch.where(M / M.max() <= low, 0, -1))
        ),
        "You divided by the maximum. Where that is negative, the signs turn round, and the least "
        "evidence looks like the most. A map without a positive value is 0 everywhere.",
    ),
    object_and_ground_exchanged=(
        with_change(object=0, ground=1),
        "Object and ground are exchanged: 1 where the map is high.",
    ),
    borders_exchanged=(
        lambda M, low, high: seeds(M, high, low),
        "low and high are exchanged: above high · max M is object, below low · max M is ground.",
    ),
    absolute_evidence=(
        lambda M, low, high: seeds(M.abs(), low, high),
        "You took absolute values: evidence against the class became object.",
    ),
    borders_not_inside=(
        strict(gt, lt),
        "Values exactly on a border belong to it: ≥ high · max M and ≤ low · max M.",
    ),
    object_border_not_inside=(
        strict(gt, le),
        "A value of exactly high · max M is object: compare with ≥, not with >.",
    ),
    ground_border_not_inside=(
        strict(ge, lt),
        "A value of exactly low · max M is ground: compare with ≤, not with <.",
    ),
    undecided_if_empty=(
        lambda M, low, high: seeds(M, low, high) if M.max() > 0 else torch.full(M.shape, -1),
        "A map without a positive value is ground everywhere: 0, not −1.",
    ),
    type_without_a_sign=(
        lambda M, low, high: seeds(M, low, high).to(torch.uint8),
        "Your numbers are of type uint8, which has no −1: it became 255. Take torch.long.",
    ),
    object_is_255=(with_change(object=255), "Object is 1, not 255: a seed is no picture."),
    largest_absolute_value=(
        lambda M, low, high: seeds(M, low, high, top=lambda M: M.abs().max()),
        "You took shares of the largest absolute value. The largest value itself is meant.",
    ),
)

segmentation_seed.teaches(
    {
        "minmax of M": "You scaled the map to [0, 1] first. Where values are negative, zero moves "
        "up: take shares of max M.",
    }
)
segmentation_seed.accepts_all(
    nested_where=lambda M, low, high: (
        torch.where(M >= high * M.max(), 1, torch.where(M <= low * M.max(), 0, -1))
        if M.max() > 0
        else torch.zeros_like(M)
    ),
    numbers_with_a_point=lambda M, low, high: seeds(M, low, high).float(),
    arithmetic=lambda M, low, high: (
        (M >= high * M.max()).int() - ((M > low * M.max()) & (M < high * M.max())).int()
        if M.max() > 0
        else torch.zeros(M.shape, dtype=torch.int8)
    ),
)


@segmentation_seed.accepts
def numpy_select(M, low, high):
    m = M.numpy()
    if m.max() <= 0:
        return np.zeros(m.shape, int)
    return np.select([m >= np.float32(high) * m.max(), m <= np.float32(low) * m.max()], [1, 0], -1)


def test_lesson(proof):
    proof()
