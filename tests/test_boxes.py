"""Boxes: hand cases, slow literal versions, and OpenCV's contours where it is installed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camlite import boxes

torch.set_num_threads(1)


def mask_of(*rows):
    return torch.tensor([[c == "#" for c in row] for row in rows])


# ------------------------------------------------------------------ slow literal versions


def slow_regions(mask, corners=True):
    """Flood fill; a list of sets of (y, x), in reading order of their first pixel."""
    H, W = mask.shape
    seen, regions = set(), []
    for y in range(H):
        for x in range(W):
            if not mask[y, x] or (y, x) in seen:
                continue
            region, todo = set(), [(y, x)]
            while todo:
                at = todo.pop()
                if at in region:
                    continue
                region.add(at)
                for dy in (-1, 0, 1):
                    for dx in (-1, 0, 1):
                        v, u = at[0] + dy, at[1] + dx
                        near = corners or dy == 0 or dx == 0
                        if near and 0 <= v < H and 0 <= u < W and mask[v, u]:
                            todo.append((v, u))
            seen |= region
            regions.append(region)
    return regions


def slow_box(region):
    ys, xs = [y for y, _ in region], [x for _, x in region]
    return (min(xs), min(ys), max(xs) + 1, max(ys) + 1)


def slow_iou(a, b):
    """Counts pixels."""
    inside = [
        {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])} for box in (a, b)
    ]
    either = len(inside[0] | inside[1])
    return len(inside[0] & inside[1]) / either if either else 0.0


# ------------------------------------------------------------------ components and boxes


def test_corner_touch_is_one_region():
    mask = mask_of("#....", ".#...", "..#..", "....#", "....#")
    kept = boxes.largest_component(mask)
    assert kept.sum() == 3
    assert kept[2, 2]
    assert not kept[3, 4]
    assert max(len(r) for r in slow_regions(mask, corners=False)) == 2  # 4-connected differs


def test_first_of_two_equal_regions():
    kept = boxes.largest_component(mask_of("##..", "....", "..##"))
    assert kept[0].tolist() == [True, True, False, False]
    assert not kept[2].any()


def test_empty_mask_stays_empty():
    kept = boxes.largest_component(torch.zeros(3, 4))
    assert kept.shape == (3, 4)
    assert kept.dtype == torch.bool
    assert not kept.any()


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_components_equal_flood_fill(array):
    mask = torch.from_numpy(array)
    regions = slow_regions(array)
    assert boxes.component_boxes(mask) == [slow_box(r) for r in regions]
    alone = [set(map(tuple, one.nonzero().tolist())) for one in boxes.component_masks(mask)]
    assert alone == [set(map(tuple, region)) for region in regions]
    largest = max(regions, key=len, default=set())
    assert {(y, x) for y, x in boxes.largest_component(mask).nonzero().tolist()} == largest


def test_box_is_half_open_and_x_comes_first():
    M = torch.zeros(6, 9)
    M[1:3, 4:8] = 1.0
    assert boxes.bounding_box(M) == (4, 1, 8, 3)
    assert boxes.bounding_box(torch.ones(3, 5)) == (0, 0, 5, 3)
    assert all(type(v) is int for v in boxes.bounding_box(M))


def test_threshold_is_a_share_of_the_maximum_not_of_the_range():
    M = torch.full((5, 5), -10.0)  # min–max scaling would put the 0.1 far above 20 %
    M[2, 2], M[2, 3], M[0, 0] = 1.0, 0.3, 0.1
    assert boxes.bounding_box(M, 0.2) == (2, 2, 4, 3)
    assert boxes.bounding_box(M, 0.5) == (2, 2, 3, 3)


def test_threshold_itself_is_outside():
    M = torch.tensor([[1.0, 0.2, 0.25]], dtype=torch.float64)
    assert boxes.bounding_box(M, 0.25) == (0, 0, 1, 1)
    assert boxes.bounding_box(M, 0.2) == (0, 0, 1, 1)  # 0.25 is not connected to 1.0


@pytest.mark.parametrize("M", [torch.zeros(4, 4), -torch.ones(4, 4)])
def test_map_without_positive_value_has_the_empty_box(M):
    assert boxes.bounding_box(M) == (0, 0, 0, 0)


def test_many_maps():
    maps = torch.rand(5, 8, 6, generator=torch.Generator().manual_seed(0))
    got = boxes.bounding_boxes(maps, 0.5)
    assert got.shape == (5, 4)
    assert [tuple(b) for b in got.tolist()] == [boxes.bounding_box(M, 0.5) for M in maps]
    assert boxes.bounding_boxes(maps[:0]).shape == (0, 4)


@pytest.mark.parametrize(
    ("M", "threshold", "says"),
    [
        (torch.rand(1, 4, 4), 0.2, r"\(H, W\)"),
        (torch.full((2, 2), float("nan")), 0.2, "NaN"),
        (torch.rand(4, 4), 1.0, "threshold"),
        (torch.rand(4, 4), -0.1, "threshold"),
    ],
)
def test_bad_input_to_bounding_box(M, threshold, says):
    with pytest.raises(ValueError, match=says):
        boxes.bounding_box(M, threshold)


def test_opencv_finds_the_same_boxes():
    cv2 = pytest.importorskip("cv2")
    g = torch.Generator().manual_seed(1)
    for _ in range(20):
        mask = (torch.rand(20, 30, generator=g) > 0.6).numpy().astype("uint8")
        found, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        outer = [c for c, node in zip(found, tree[0], strict=True) if node[3] < 0]  # holes left out
        theirs = {(x, y, x + w, y + h) for x, y, w, h in map(cv2.boundingRect, outer)}
        assert set(boxes.component_boxes(torch.from_numpy(mask))) == theirs


# ------------------------------------------------------------------ overlap

corner = st.tuples(*[st.integers(0, 6)] * 4)


@settings(max_examples=200, deadline=None)
@given(corner, corner)
def test_iou_counts_pixels(a, b):
    a, b = ((min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])) for c in (a, b))
    assert boxes.iou(a, b) == pytest.approx(slow_iou(a, b))
    assert boxes.iou(a, b) == boxes.iou(b, a)


def test_iou_hand_cases():
    assert boxes.iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert boxes.iou((0, 0, 2, 2), (2, 0, 4, 2)) == 0  # a shared edge is no overlap
    assert boxes.iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert boxes.iou(boxes.EMPTY, (0, 0, 2, 2)) == 0
    assert boxes.iou(boxes.EMPTY, boxes.EMPTY) == 0
    assert boxes.iou((0.0, 0.0, 0.5, 1.0), (0.0, 0.0, 1.0, 1.0)) == 0.5
    one, two = torch.tensor([[0, 0, 2, 2]]), torch.tensor([[0, 0, 2, 2], [1, 0, 3, 2]])
    matrix = boxes.iou_matrix(one, two)
    torch.testing.assert_close(matrix, torch.tensor([[1, 1 / 3]], dtype=torch.float64))


@pytest.mark.parametrize("box", [(3, 0, 1, 2), (0, 0, 1), (0, 0, float("nan"), 1)])
def test_bad_boxes(box):
    with pytest.raises(ValueError, match="box"):
        boxes.iou(box, (0, 0, 1, 1))


def test_as_mask_and_crop():
    mask = boxes.as_mask(torch.tensor([[1, 0, 3, 2], [-2, 3, 1, 9]]), (4, 5))
    assert mask.nonzero().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2], [3, 0]]
    image = torch.arange(40.0).reshape(2, 4, 5)
    assert torch.equal(boxes.crop(image, (1, 0, 3, 2), (2, 2)), image[:, 0:2, 1:3])
    assert boxes.crop(image, (-1, 0, 3, 9), (8, 8)).shape == (2, 8, 8)
    with pytest.raises(ValueError, match="no pixel"):
        boxes.crop(image, (7, 0, 9, 2), (2, 2))
