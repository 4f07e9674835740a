"""The recall questions: what is read of a lesson's text, and that the numbers in them are true."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

import camlite
from camlite.boxes import as_mask, iou
from camlite.course.lessons import Lesson, Question, all_lessons, find_lesson

GOOD = """# ## Recall
#
# Five questions.
#
# **1.** What is
# asked?
#
# <details><summary>Answer</summary>
#
# What is
# true.
#
# </details>
#
# **2.** (lesson 3) And then?
#
# <details><summary>Answer</summary>
#
# That.
#
# </details>
"""


def questions(tmp_path, text: str) -> list[Question]:
    master = tmp_path / "09_small.py"
    master.write_text(text, encoding="utf-8")
    return Lesson(9, "09_small", master).questions


@pytest.mark.parametrize(
    "after", ["", "\n# %% [markdown]\n# More.\n", "#\n# ## What you know\n#\n"]
)
def test_question_and_answer_are_read_and_whose_they_are(tmp_path, after):
    first, second = questions(tmp_path, "# # Lesson 9\n#\n" + GOOD + after)
    assert first == Question(9, "What is asked?", "What is true.")
    assert second == Question(3, "And then?", "That.")


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("# **2.** (lesson 3)", "# 2. (lesson 3)"),
        ("# **2.** (lesson 3) And then?", "# **2.** (lesson 3)"),
        ("</summary>\n#\n# That.", "</summary>\n# That."),
        ("# That.\n#\n# </details>", "# That.\n# </details>"),
        ("# That.\n", "#\n"),
        ("# That.\n", "# That.\n#\n# And a second paragraph.\n"),
        ("# **2.** (lesson 3) And then?\n#\n", "# **2.** (lesson 3) And then?\n"),
    ],
)
def test_only_this_form_counts(tmp_path, part, other):
    assert part in GOOD
    assert len(questions(tmp_path, GOOD.replace(part, other))) == 1


def test_no_question_is_read_outside_the_section(tmp_path):
    assert questions(tmp_path, GOOD.replace("## Recall", "## Reading")) == []
    assert len(questions(tmp_path, GOOD.replace("# **2.**", "# ## Next\n#\n# **2.**"))) == 1


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.name)
def test_the_section_stands_at_the_same_place_in_every_lesson(lesson):
    headings = [line for line in lesson.text.splitlines() if line.startswith("# ## ")]
    assert headings[headings.index("# ## Recall") + 1] == "# ## What you know now"


# ------------------------------------------------------------------ the numbers in the answers


def gradient(score: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(score, F)[0]


def width(*layers: tuple[int, int]) -> int:
    """The receptive field by experiment: how many pixels move one last value."""
    x = torch.zeros(1, 1, 41, requires_grad=True)
    F = x
    for kernel, stride in layers:
        F = functional.conv1d(F, torch.ones(1, 1, kernel), stride=stride)
    return int((gradient(F[0, 0, F.shape[2] // 2], x) != 0).sum())


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def ones_on_one_pixel() -> str:
    picture = torch.zeros(1, 1, 9, 9)
    picture[..., 4, 4] = 1
    found = functional.conv2d(picture, torch.ones(1, 1, 3, 3))
    assert set(found[found != 0].tolist()) == {1.0}
    return {9: "Nine"}[int((found != 0).sum())] + " values, all 1"


def parameters() -> str:
    return f"= {sum(p.numel() for p in nn.Conv2d(3, 8, 5).parameters())}, and the same"


def two_small_layers() -> str:
    small, large = (sum(k * k for k in kernels) for kernels in ((3, 3), (5,)))
    return (
        f"{width((3, 1), (3, 1))} pixels, and 1 + 4 = {width((5, 1))}. The two small layers have "
        f"9 + 9 = {small} weights, the large one has {large}."
    )


def mean_loss() -> str:
    return f"About {(-math.log(1 / 2) - math.log(1 / 8)) / 2:.1f}."


def forgotten_zero_grad() -> str:
    w = nn.Parameter(torch.zeros(()))
    sgd = torch.optim.SGD([w], lr=0.1)
    steps = []
    for _ in range(2):
        before = w.item()
        (2 * w).backward()
        sgd.step()
        steps.append(before - w.item())
    return f"{steps[0]:.1f} in the first step and {steps[1]:.1f} in the second"


def with_a_pooling() -> str:
    pooled = width((3, 1), (3, 1), (2, 2), (3, 1), (3, 1))
    return f"{pooled} instead of {width(*[(3, 1)] * 4)}."


def weights_after_gap() -> str:
    assert 0.9e6 < nn.Linear(128 * 28 * 28, 10).weight.numel() < 1.1e6
    return f"About a million (128 · 784 · 10), and {nn.Linear(128, 10).weight.numel()}."


def logit_of_a_map() -> str:
    return f"The logit is {torch.tensor([6.0, -2, 0, 0]).mean() - 1:.0f}"


def where_zero_goes() -> str:
    return f"= {(0 + 2) / (6 + 2):.2f}: a place"


def seen_by_the_map() -> str:
    side = width(*[(3, 1)] * 4)
    return f"on {side}×{side} pixels"


def moved_box() -> str:
    a, b = (0, 0, 10, 10), (3, 3, 13, 13)
    both = int((as_mask(torch.tensor([a]), (20, 20)) & as_mask(torch.tensor([b]), (20, 20))).sum())
    return f"49 pixels and cover 200 − {both} = {200 - both}, so the IoU is {iou(a, b):.2f}."


def where_a_threshold_cuts() -> str:
    low, high = -40, 10
    after = low + 0.2 * (high - low)
    text = f"At {0.2 * high:.0f}, and at {after:.0f}. After min–max, zero has the value "
    return f"{text}{-low / (high - low):.1f}".replace("-", "−")


def words_and_boxes() -> str:
    assert round(100 - 90 * 0.8) == 28
    return f"28 %, because 0.9 · 0.8 = {0.9 * 0.8:.2f} are right in both."


def map_after_the_threshold() -> str:
    M = torch.tensor([10.0, 4, 1, -3])
    rest = torch.where(0.2 * M.max() < M, M, 0.0)
    assert M.mean() == 3
    return f"the logit is {M.mean() + 0.5}. The rest, 10, 4, 0 and 0, has the mean {rest.mean()}"


def more_places() -> str:
    return f"144 / 324 = {12**2 / 18**2:.2f}"


def mean_and_maximum() -> str:
    F = torch.tensor([2.0, 4.0])
    without = torch.tensor([0.0, 4.0])
    parts = [3 * (pool(F) - pool(without)) for pool in (torch.mean, torch.amax)]
    assert [float(v) for v in parts] == [3, 0]
    return (
        f"GAP: 3 · 3 = {3 * F.mean():.0f}, and the first place adds 3 · 2 / 2 = {parts[0]:.0f} of "
        f"it. GMP: 3 · 4 = {3 * F.amax():.0f}"
    )


def shifted_rows() -> str:
    W, F, v = torch.tensor([[1.0, 0], [0, 2], [2, 1]]), torch.tensor([1.0, 3]), [5.0, -1.0]
    before, after = W @ F, (W + torch.tensor(v)) @ F
    assert before[0] - before[1] == after[0] - after[1]
    text = f"By 1 − 6 = {before[0] - before[1]:.0f}, before and after. The maps themselves change,"
    return f"{text} all by 5 · 1 − 1 · 3 = {after[0] - before[0]:.0f}".replace("= -", "= −")


def logit_after_a_shift() -> str:
    M = torch.tensor([4.0, 0, -2, 2])
    before, after = M.mean() + 1, (M + 1).mean() + 1
    return f"Before: 4 / 4 + 1 = {before:.0f}. After: 8 / 4 + 1 = {after:.0f}."


def denser() -> str:
    return f"A is {0.30 / 0.20:.1f} times as dense"


def frogs() -> str:
    right = torch.cat([torch.ones(90), torch.zeros(10)])
    worst = min(right[:90].mean(), right[90:].mean())
    return f"{percent(right.mean())}, and beside it the worst group: {percent(worst)}"


def logit_and_energy() -> str:
    M = torch.tensor([4.0, -4, 2, 2])
    assert M.relu()[:2].sum() == M.relu().sum() / 2
    return f"so the logit is {M.mean() + 0.5:.1f}. Half of the energy"


def three_rules() -> str:
    f, R = torch.tensor([2, -1, 3, -2]), torch.tensor([-1, 4, 2, -3])
    rules = {
        "Gradient": R * (f > 0),
        "DeconvNet": R * (R > 0),
        "guided": R * (f > 0) * (R > 0),
    }
    shown = ", ".join(f"{name} {tuple(passed.tolist())}" for name, passed in rules.items())
    return shown.replace("-", "−") + "."


def more_samples() -> str:
    return f"{50 * 0.02 / 0.005:.0f} samples: a quarter of the variance"


def places_of_a_patch() -> str:
    sevens, ones = (len(range(0, 28 - 7 + 1, stride)) for stride in (7, 1))
    return (
        f"With stride 7 there are {sevens} · {sevens} = {sevens**2} places, so {sevens**2 + 1} "
        f"times. With stride 1 there are {ones} · {ones} = {ones**2} places, so "
        f"{ones**2 + 1} times."
    )


def denser_than_edges() -> str:
    return f"{0.6 / 0.2:.1f} times and {0.3 / 0.2:.1f} times as dense as a flat map"


def pixels_behind_one_value() -> str:
    side = width(*[(3, 1)] * 4)
    return f"At {side} · {side} = {side**2} pixels"


def alpha_after_gap() -> str:
    F = torch.rand(7, 7, requires_grad=True)
    G = gradient(9.8 * F.mean(), F)
    assert torch.allclose(G, G.mean())
    return f"9.8 / 49 = {G[0, 0]:.1f} at every place"


def mean_of_the_gradient() -> str:
    F, G = torch.tensor([1.0, 3.0]), torch.tensor([2.0, -2.0])
    mean, each = (G.mean() * F).tolist(), (G * F).tolist()
    shown = [f"({a:.0f}, {b:.0f})".replace("-", "−") for a, b in (mean, each)]
    return f"{shown[0]}, because the mean of G is 0. Place by place it is {shown[1]}"


def three_maps() -> str:
    F, G = torch.tensor([2.0, 0, 1, 1]), torch.tensor([1.0, -3, 0, 2])
    w = (F * G).sum() / F.sum()
    assert w == 1
    maps = [one + 0.0 for one in (G.mean() * F, w * F, G * F)]
    assert [int(M.sum()) for M in maps] == [0, 4, 4]
    grad, xgrad, hires = (str(tuple(M.int().tolist())) for M in maps)
    return (
        f"so Grad-CAM is {grad}. XGrad-CAM's weight is (2 + 0 + 0 + 2) / 4 = {w:.0f}, its map "
        f"{xgrad}. HiResCAM is {hires}. The last two have the sum 4"
    )


def huge_weight() -> str:
    F, G = torch.tensor([3, -2.99], dtype=torch.double), torch.tensor([1.0, 0])
    w = (F * G).sum() / F.sum()
    first, second = (w * F).tolist()
    text = f"w = 3 / 0.01 = {w:.0f}. The map gets ({first:.0f}, {second:.0f}). The sum is 3"
    return text.replace("-", "−")


def cam_and_hires() -> str:
    M = torch.tensor([8.0, 0, -4, 4])
    hires = str(tuple((M / 4).int().tolist())).replace("-", "−")
    assert M.mean() == (M / 4).sum() == 2
    return f"so the logit is {M.mean() + 1:.0f}. HiResCAM is CAM / Z = {hires}. Its *sum* is 2"


def signed(row: torch.Tensor) -> str:
    return f"({', '.join(f'{v:g}' for v in row.tolist())})".replace("-", "−")


def slopes_of_the_softmax() -> str:
    P = torch.tensor([0.5, 0.3, 0.2], dtype=torch.double)
    S = P.log().requires_grad_()
    log_p, p = (
        gradient(score[0], S).round(decimals=6) for score in (S.log_softmax(0), S.softmax(0))
    )
    return f"{signed(log_p)}, and half of it: {signed(p)}."


def contrast_with_two() -> str:
    S = torch.tensor([6.0, 4.0, 2.9], dtype=torch.double)
    P = [round(float(p), 3) for p in S.softmax(0)]
    assert P == [0.847, 0.115, 0.038]  # as the question says
    both = P[1] + P[2]
    w = torch.tensor([P[1] / both, P[2] / both], dtype=torch.double).round(decimals=2)
    assert torch.allclose(w, S[1:].softmax(0), atol=2e-3)
    leads = S[0] - S[1:]
    return (
        f"{P[1]} / {both:.3f} = {w[0]:.2f} and {P[2]} / {both:.3f} = {w[1]:.2f}. With α = 1 it is "
        f"{w[0]:.2f} · {leads[0]:g} + {w[1]:.2f} · {leads[1]:.1f} = {w @ leads:.3f}"
    )


def below_the_median() -> str:
    M = torch.tensor([5.0, 4, 3, 2, 1])
    centred = M - M.median()
    last = centred[centred < 0].int().tolist()
    return f"The last two: {last[0]} and {last[1]}".replace("-", "−")


def frog_minus_bird() -> str:
    W, means = torch.tensor([[2, 0, 1], [2, 3, 0]]), torch.tensor([1, 1, 2])
    frog, bird = (" + ".join(map(str, row.tolist())) for row in W * means)
    assert (W[0] == W[1]).tolist() == [True, False, False]
    logits = (W @ means).tolist()
    return f"Frog: {frog} = {logits[0]}. Bird: {bird} = {logits[1]}. The first channel"


def mean_and_product() -> str:
    G, F = torch.tensor([1.0, -1.0]), torch.tensor([3.0, 3.0])
    grad, hires = signed(G.mean() * F), signed(G * F)
    return f"Grad-CAM draws {grad}, because the mean of the gradient is 0. HiResCAM draws {hires}"


def toy_of_grad_cam_plus_plus() -> str:
    cells = torch.tensor([8.0, 2.0], dtype=torch.double)
    grad = cells / 100
    plus = cells * (1 / (2 + cells))
    return (
        f"Grad-CAM: {grad[0]:.2f} and {grad[1]:.2f}, the first is {grad[0] / grad[1]:.0f} times as "
        f"strong. Grad-CAM++: α is 1 / (2 + 8) at 8 cells, so w = {plus[0]:.1f}; for the second "
        f"2 / (2 + 2) = {plus[1]:.1f}. The first is {plus[0] / plus[1]:.1f} times as strong."
    )


def weight_before_gap() -> str:
    F = torch.ones(50, requires_grad=True)
    G = gradient(2 * F.mean(), F)
    w = (G / (2 + G * F.sum())).sum()
    text = f"2 / (2 + 2 · 1) = {w:.1f}, and 0 for the second one: it is dropped. Grad-CAM has "
    return text + f"{G.mean():.2f} and −{G.mean():.2f}."


def epsilon_beside_a_square() -> str:
    g, S = 1e-4, 10
    without, with_it = g**2 / (2 * g**2 + S * g**3), g**2 / (2 * g**2 + S * g**3 + 1e-6)
    assert round(without, 2) == 0.5
    assert 45 < without / with_it < 55
    return f"so α is {with_it:.2f}: fifty times too small"


def two_frogs() -> str:
    return f"No: 12 / 3 = {12 / 3:.0f} and 40 / 10 = {40 / 10:.0f}."


def drop_of_a_helper() -> str:
    y, y_k = -4, -6
    text = (
        f"The drop is −4 + 6 = {y - y_k}. Divided by −4 it gives {(y - y_k) / y:.1f}, as if the "
        f"channel spoke against the class. Divided by 4 it gives {(y - y_k) / abs(y):.1f}."
    )
    return text.replace("-", "−")


def softmax_of_two() -> str:
    scores = torch.tensor([[1.0, 0.0], [10.0, 0.0]], dtype=torch.double).softmax(1)
    of_probabilities, of_logits = (scores[:, 0] / scores[:, 1]).tolist()
    assert round(of_logits, -3) == 22_000
    return f"e ≈ {of_probabilities:.1f} times"


def gradient_and_ablation() -> str:
    F = torch.tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    nothing = torch.zeros(2, 2, requires_grad=True)
    assert F.mean() == 0.5
    α, still = (gradient(3 * one.mean(), one).mean() for one in (F, nothing))
    assert α == still
    return f"α = 3 / 4 = {α}, and the drop is 3 · 0.5 = {3 * F.mean():.1f}."


def all_are_birds() -> str:
    is_bird = torch.cat([torch.ones(25), torch.zeros(75)])
    return f"{percent(is_bird.mean())} and {percent(is_bird[25:].mean())}."


def two_directions() -> str:
    O = torch.tensor([[2.0, 1], [1, 2]])
    v = torch.tensor([[1.0, 0], [0.5**0.5, 0.5**0.5], [0.5**0.5, -(0.5**0.5)]]).T
    first, best, last = (round(float(e), 3) for e in (O @ v).square().sum(0))
    assert torch.allclose((O @ v[:, 1]), torch.tensor([3.0, 3]) / 2**0.5)
    return (
        f"{first:.0f}, {best:.0f} and {last:.0f}. All energy is 9 + 1 = {(O**2).sum():.0f}, so "
        f"v₁ holds {percent(best / float((O**2).sum()))}"
    )


def two_rules_of_sign() -> str:
    M, F = torch.tensor([-2.0, 1, 1]), torch.tensor([1.0, 5, 4])
    assert -M.min() > M.max()
    return f"s = −2 + 5 + 4 = {(M * F).sum():.0f} is positive"


def other_units() -> str:
    F, W = torch.tensor([2.0, 4]), torch.tensor([3.0, 1])
    s = torch.tensor([10.0, 1])
    assert F @ W == (F * s) @ (W / s) == 10
    lafam = f"LaFAM: {F.mean():.0f} before, {(F * s).mean():.0f} after"
    return f"{lafam}. The network is the same. LaFAM changed, CAM did not."


def sign_lost_by_eigen_grad_cam() -> str:
    α = torch.tensor([4.0, -8]) / 4
    A = α[:, None] * torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]])
    L = A.T @ torch.linalg.svd(A.T, full_matrices=False).Vh[0]
    L = L * (L * A.sum(0)).sum().sign() + 0.0
    text = f"α = {signed(α)}, so the map is {signed(A.sum(0))}. EigenGrad-CAM loses the minus"
    assert f"the map is {signed(L)} with your rule".replace("(-0", "(0") in (
        find_lesson(14).questions[3].answer
    )
    return text


def density_with_a_constant() -> str:
    share = (0.66 + 0.22) / 2
    return (
        f"{0.66 / 0.22:.1f} times as dense as a flat map. The half that was added is flat: the "
        f"share is (66 + 22) / 2 = {percent(share)}, so the density is {share / 0.22:.1f}"
    )


def drops() -> str:
    A, B = torch.tensor([10.0, 20, 60]), torch.tensor([12.0, 22, 40])
    assert (A < B).sum() == 2
    return f"74 / 3 ≈ {B.mean():.1f}, and A has {A.mean():.0f}. But A wins on two of the three"


def lamps_in_four_steps() -> str:
    light = [0.75 * 2 * t / 4 for t in (1, 2, 3, 4)]
    assert sum(each < 1 for each in light) == 2
    each = ", ".join(f"{v:g}" for v in light)
    return f"1.5 t: {each}. So at two of four steps. The sum is 1.5 · 2/4 = {1.5 * 2 / 4}"


def mean_when_seen() -> str:
    first, second = 0.9 + 0.5, 0.2 + 0.1 + 0.3
    rise = f"{first:.1f} / (4 · 0.5) = {first / 2:.1f} and {second:.1f} / 2 = {second / 2:.1f}."
    return (
        f"{rise} Divided by how often they were open: {first:.1f} / 2 = {first / 2:.1f} and "
        f"{second:.1f} / 3 = {second / 3:.1f}."
    )


def four_times_the_price() -> str:
    return f"0.08 / 4 = {0.08 / 4:.2f}. The average: 0.8 / 2 = {0.8 / math.sqrt(4):.1f}."


def half_open_masks() -> str:
    C = torch.tensor([[2.0, 1.0], [0.4, 0.2]])
    score, integrated = (float(a / b) for a, b in (C[0].softmax(0), C.mean(0).softmax(0)))
    mean = C.mean(0)
    return (
        f"e to the power 2 − 1 is {score:.2f}. IS-CAM: the means are {mean[0]:.1f} and "
        f"{mean[1]:.1f}, and e to the power 0.6 is {integrated:.2f}."
    )


def neighbours_of_seven() -> str:
    group = torch.arange(12) * 4 // 12
    six, seven, eight = (group == group[7]).nonzero()[:, 0].tolist()
    return f"{six}, {seven} and {eight}: each group has three neighbours"


def strong_and_weak_twin() -> str:
    a, b = torch.tensor([6.0, 8.0]), torch.tensor([0.6, 0.8])
    unit = (a / a.norm() - b / b.norm()).norm()
    cosine = functional.cosine_similarity(a, b, dim=0)
    return (
        f"As they are {(a - b).norm():.1f}, as unit channels {unit:.0f}, since both become "
        f"({b[0]:.1f}, {b[1]:.1f}). Their cosine is {cosine:.0f}"
    )


def parts_of_a_graph() -> str:
    A = torch.eye(6)
    for a, b in ((0, 1), (1, 2), (3, 4)):
        A[a, b] = A[b, a] = 1
    d = A.sum(1)
    values = torch.linalg.eigvalsh(torch.eye(6) - A / (d[:, None] * d).sqrt())
    zeros = int((values.abs() < 1e-5).sum())
    return f"{zeros} parts: {{0, 1, 2}}, {{3, 4}} and {{5}} alone. So {zeros} eigenvalues are 0"


def alpha_of_a_silent_channel() -> str:
    return f"2.88 / {12 * 24} = {2.88 / (12 * 24):.2f}, and it does not change"


def layer_cam_and_hires() -> str:
    F, G = torch.tensor([2.0, 3.0]), torch.tensor([-1.0, 0.5])
    hires = float((G * F).sum())
    assert max(hires, 0) == 0
    return f"0.5 · 3 = {(G.relu() * F).sum():.1f}. HiResCAM: −2 + 1.5 = −{abs(hires):.1f}"


def maximum_and_product() -> str:
    scaled = torch.tensor([0.9, 0.8, 0.1])
    return f"The maximum is {scaled.max():.1f}, the product {scaled.prod():.3f}."


def energy_over_area() -> str:
    return f"0.34 / 0.056 ≈ {0.34 / 0.056:.1f} times"


def drop_and_increase() -> str:
    before, after = torch.tensor([0.8, 0.5, 0.4]), torch.tensor([0.4, 0.6, 0.4])
    drops = 100 * (before - after).clamp(min=0) / before
    increase = 100 * (before < after).float().mean()
    listed = f"{drops[0]:.0f}, {drops[1]:.0f} and {drops[2]:.0f} percent"
    return (
        f"{listed}, so the average drop is {drops.mean():.1f} %. One of three images has a higher "
        f"score (an equal one does not count): {increase:.1f} %"
    )


def two_rules_for_one_curve() -> str:
    y = torch.tensor([1, 0.5, 0.2, 0.1, 0])
    area = torch.trapezoid(y, dx=1 / 4)
    return f"The trapezoids give {area:.3f}, the mean without the first point {y[1:].mean():.1f}"


def light_outside_the_cell() -> str:
    G, F = torch.tensor([8.0, 0, 0, 0]), torch.ones(4)
    assert (G.mean() * F == 2).all()
    hires, mean = float((G * F)[1]), float(G.mean())
    return f"HiResCAM: 0 · 1 = {hires:.0f}. Grad-CAM: the weight is the mean 8 / 4 = {mean:.0f}"


def map_and_logit_of_a_series() -> str:
    M = 2 * torch.tensor([1.0, 0, 2]) - torch.tensor([0.0, 3, 1])
    assert M.tolist() == [2, -3, 3]
    return (
        f"The map is (2, −3, 3). Its mean is 2/3, so the logit is 0.67 + 0.5 = {M.mean() + 0.5:.2f}"
    )


def windows_of_a_map() -> str:
    M = torch.tensor([1.0, 4, -6, 3, 2, 1])
    sums, sizes = M.unfold(0, 2, 1).sum(1), M.abs().unfold(0, 2, 1).sum(1)
    assert sums.tolist() == [5, -2, -3, 5, 3]
    s = int(sizes.argmax())
    return (
        f"starts at {int(sums.argmax())}: (0, 2). From |M| the window ({s}, {s + 2}) has the "
        f"largest sum, {sizes.max():.0f}"
    )


def density_of_a_word() -> str:
    area = 23 * 5 / 48**2
    return f"115 / 2304 ≈ {100 * area:.1f} % of the picture; 0.36 / 0.050 ≈ {0.36 / area:.1f} times"


def rank_correlation_with_ties() -> str:
    a, b = torch.tensor([[0.0, 0.0, 3.0, 7.0]]), torch.tensor([[0.0, 1.0, 0.0, 5.0]])
    return f"So ρ = {float(camlite.sanity.spearman(a, b)):.2f}."


@pytest.mark.parametrize(
    ("lesson", "number", "computed"),
    [
        (1, 1, ones_on_one_pixel),
        (1, 2, parameters),
        (1, 3, two_small_layers),
        (2, 2, mean_loss),
        (2, 3, forgotten_zero_grad),
        (2, 4, with_a_pooling),
        (2, 5, weights_after_gap),
        (3, 1, logit_of_a_map),
        (3, 2, where_zero_goes),
        (3, 5, seen_by_the_map),
        (4, 1, mean_and_maximum),
        (4, 2, shifted_rows),
        (4, 4, logit_after_a_shift),
        (5, 1, moved_box),
        (5, 2, where_a_threshold_cuts),
        (5, 3, words_and_boxes),
        (5, 4, map_after_the_threshold),
        (5, 5, more_places),
        (6, 1, denser),
        (6, 2, frogs),
        (6, 4, logit_and_energy),
        (7, 1, three_rules),
        (7, 2, more_samples),
        (7, 3, places_of_a_patch),
        (7, 4, denser_than_edges),
        (7, 5, pixels_behind_one_value),
        (8, 1, alpha_after_gap),
        (8, 2, mean_of_the_gradient),
        (9, 1, three_maps),
        (9, 3, huge_weight),
        (9, 5, cam_and_hires),
        (10, 1, toy_of_grad_cam_plus_plus),
        (10, 2, weight_before_gap),
        (10, 3, epsilon_beside_a_square),
        (10, 5, two_frogs),
        (11, 1, slopes_of_the_softmax),
        (11, 2, contrast_with_two),
        (11, 3, below_the_median),
        (11, 4, frog_minus_bird),
        (11, 5, mean_and_product),
        (12, 1, drop_of_a_helper),
        (12, 2, softmax_of_two),
        (12, 4, gradient_and_ablation),
        (12, 5, all_are_birds),
        (13, 1, lamps_in_four_steps),
        (13, 2, mean_when_seen),
        (13, 3, four_times_the_price),
        (13, 4, half_open_masks),
        (15, 1, neighbours_of_seven),
        (15, 2, strong_and_weak_twin),
        (15, 3, parts_of_a_graph),
        (15, 5, alpha_of_a_silent_channel),
        (16, 1, layer_cam_and_hires),
        (16, 2, maximum_and_product),
        (16, 4, energy_over_area),
        (14, 1, two_directions),
        (14, 2, two_rules_of_sign),
        (14, 3, other_units),
        (14, 4, sign_lost_by_eigen_grad_cam),
        (14, 5, density_with_a_constant),
        (17, 1, drop_and_increase),
        (17, 2, two_rules_for_one_curve),
        (17, 4, light_outside_the_cell),
        (18, 1, rank_correlation_with_ties),
        (20, 1, drops),
        (19, 1, map_and_logit_of_a_series),
        (19, 2, windows_of_a_map),
        (19, 5, density_of_a_word),
    ],
)
def test_the_numbers_are_as_they_are_computed(lesson, number, computed):
    assert computed() in find_lesson(lesson).questions[number - 1].answer
