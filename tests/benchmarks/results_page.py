"""The text of docs/results.md; every number of ours in it is read from docs/results."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from camlite.evaluation.compared import FLOORS, title
from camlite.evaluation.measures import METRICS

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOLDER, PAGE = DOCS / "results", DOCS / "results.md"
NETWORKS = {
    "squeezenet1_1": "SqueezeNet 1.1",
    "resnet50": "ResNet-50",
    "mobilenet_v2": "MobileNetV2",
}
KNOWN = {
    "scenes": "scenes",
    "twins": "twins",
    "mosaic": "mosaic",
    "scenes-biased": "scenes, biased network",
}
IN_CELL, OF_PARTS = ("energy_in_cell", "pointing_in_cell"), ("part_order", "top_part")
PLACES = ("energy_pointing_game", "pointing_game", "localization_error", "max_box_acc_v2")


@lru_cache
def rows(run: str, table: str = "summary") -> list[dict[str, str]]:
    """A table of a run."""
    with (FOLDER / run / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cell(run: str, metric: str, method: str) -> dict[str, str] | None:
    """One line of a summary, None where the method has no map."""
    return next((r for r in rows(run) if (r["metric"], r["method"]) == (metric, method)), None)


def value(run: str, metric: str, method: str) -> str:
    """A number as text."""
    found = cell(run, metric, method)
    return f"{float(found['value']):.{METRICS[metric].digits}f}" if found else "–"


def wins(run: str, metric: str, method: str) -> str:
    """How often a method beats Grad-CAM, percent; a tie counts one half."""
    found = next((r for r in rows(run, "pairs") if (r["metric"], r["a"]) == (metric, method)), None)
    return f"{float(found['a_wins_percent']):.0f}" if found else "–"


def pictures(run: str) -> int:
    """How many pictures a run's first metric holds for."""
    return int(rows(run)[0]["pictures"])


def methods(run: str) -> list[str]:
    """In the order of the table."""
    return list(dict.fromkeys(r["method"] for r in rows(run)))


def table(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def full_table(run: str, metrics: tuple[str, ...]) -> str:
    """All methods of a run: the table of its card, with these columns."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in card_table(run)]
    heads = lines[0]
    columns = [0, *(heads.index(METRICS[m].head) for m in metrics)]
    return table([heads[i] for i in columns], [[line[i] for i in columns] for line in lines[2:]])


def card_table(run: str) -> list[str]:
    """The lines of the result's table in the card."""
    text = (FOLDER / run / "card.md").read_text(encoding="utf-8").partition("## Result")[2]
    return [line for line in text.splitlines() if line.startswith("|")]


def above_floors(run: str, metric: str) -> int:
    """How many methods are better than every floor, and told apart from it by these pictures."""
    names = {title(m) for m in real_methods(run)}
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in card_table(run)]
    place = lines[0].index(METRICS[metric].head)
    return sum(line[0] in names and not line[place].startswith("*") for line in lines)


HEAD = """# What the numbers say

This page is written by

```
python -m tests.benchmarks.results
```

which runs `camlite evaluate` ([evaluate.md](evaluate.md)) and can be stopped and started
again. Each table is `summary.csv` of one run in `docs/results`; each run has a card with its
whole protocol. In brackets stands the 95 % bootstrap interval over the pictures. *Italics*: a
floor is as good, or these pictures do not tell the two apart, so no evidence for the method.
Methods that are not in a table have no map there (CAM in SqueezeNet: no linear layer behind the
features).

**Read this first.** The photographs are few, and they look like training pictures. Numbers
like these say which differences are large; they do not rank methods that lie within each
other's intervals."""

PHOTOGRAPHS = """\
Photographs of ImageNet classes (a public sample, one picture for each of 200 classes; a seed
draws some of them), and real weights of three networks that were converted from other
frameworks. The predicted class is explained, at the last layer in front of the network's head
(SqueezeNet: `features`). Metrics use the softmax probability. Masked pictures show the mean
colour where the map is 0. Curves: fills as in RISE (deletion: mean colour, insertion: blurred
picture), but 20 steps of 5 % of the pixels."""

SLOW = """\
SS-CAM with 4 samples and IS-CAM with 4 steps for each channel (35 and 10 are the defaults:
minutes for each picture on a CPU); all other methods as above, on the same pictures."""

BESIDE = """\
Each cell has two numbers. **They cannot be compared across rows**: pictures, weights, layers,
fills and scores differ. How much that moves: the ShapleyCAM repository prints 22.67 for
Grad-CAM's drop on VGG-16 at `features[-1]`, and 76.68 at `features[-3]`, two steps earlier. Our
pictures are few and look like training pictures, and our weights are not those of the papers.
What may be compared is the order within a row. Numbers of papers and repositories stand as
they are printed there."""

GENERATED = """\
Here the right answer is known: the object's pixels. Network: the bundled `pond_repaired`
(four kinds of animals), which was trained so that the background does not help; see
[datasets/README.md](../datasets/README.md). `scenes` show one animal on an unusual
background, `twins` one to three of the same kind, `mosaic` four different ones in a 2×2 grid,
with one question for each of them: does the map of the frog show the frog? Masked pictures
and drops use the picture's mean colour; pixel methods are included; RISE with 1000 masks,
SS-CAM and IS-CAM as above. Localisation error: the box of the 20 % rule, IoU below 0.5.
MaxBoxAccV2: the threshold comes from the other half of the pictures. Fake-CAM's energy is the
object's share of the picture: what a flat map gets. Objects found: see
[metrics.md](metrics.md)."""


CELLS = """\
Four scenes stand in a 2×2 grid, and `pond_repaired` has a head for each cell, which sees this cell
and nothing else (`nets.DiFull`). Each mosaic is asked four times, once for the animal in each cell.
What the other cells show cannot change the logit, so evidence there is impossible, not only
implausible. Each place of a map counts as a block of pixels: what is in a cell stays in it. CAM and
FullGrad have no map of such a network; methods that need many passes are left out. After Rao et al.
2022, arXiv 2205.10435; [metrics.md](metrics.md) says what differs."""

PARTS = """\
The scenes, and each of them again without one part of the animal: the eyes, the shell, the fins,
and so on. Measured is how far the logit of the class falls; a map gives each part the sum over its
pixels. *Order of parts* is the rank correlation of the two, *top part* asks for the most important
part only. By chance the first is 0, and the second one in four to one in six, as many as the animal
has parts. SS-CAM, IS-CAM and RISE as above. After FunnyBirds (Hesse et al. 2023, arXiv 2308.06248);
[metrics.md](metrics.md) says what differs."""


# Published numbers as their sources print them; the page says what differs in the protocol.
# (source, network and pictures, protocol, {method: (average drop, increase)})
DROPS: list[tuple[str, str, str, dict[str, tuple[str, str]]]] = [
    (
        "Grad-CAM++ paper (arXiv 1710.11063)",
        "ResNet-50, ILSVRC2012 validation",
        "the paper's own weights; the model's output score of the class",
        {"grad_cam": ("30.36", "22.11"), "grad_cam_plus_plus": ("28.90", "22.16")},
    ),
    (
        "the same",
        "VGG-16, ILSVRC2012 validation",
        "the same",
        {"grad_cam": ("46.56", "13.42"), "grad_cam_plus_plus": ("36.84", "17.05")},
    ),
    (
        "Score-CAM paper (arXiv 1910.01279)",
        "VGG-16, 2000 pictures of ILSVRC2012 validation",
        "maps limited so that half of the pixels are muted (`--keep 0.5`)",
        {
            "grad_cam": ("47.8", "19.6"),
            "grad_cam_plus_plus": ("45.5", "18.9"),
            "score_cam": ("31.5", "30.6"),
        },
    ),
    (
        "ShapleyCAM repository",
        "ResNet-50, all 50,000 of ImageNet validation",
        "maps of the utility S_c + ln P_c; pytorch-grad-cam's code",
        {
            "grad_cam": ("13.84", "40.05"),
            "grad_cam_plus_plus": ("14.27", "38.19"),
            "shapley_cam": ("13.85", "40.17"),
            "random_cam": ("67.35", "8.24"),
        },
    ),
    ("the same", "MobileNetV2, the same", "the same", {"grad_cam": ("18.27", "32.54")}),
    (
        "torch-cam's benchmark",
        "ResNet-18, imagenette validation",
        "printed there as shares of 1, here in percent; its results file has 18.05 / 28.94 for "
        "LayerCAM",
        {
            "grad_cam": ("26.86", "22.50"),
            "grad_cam_plus_plus": ("52.71", "19.62"),
            "layer_cam": ("17.12", "28.19"),
        },
    ),
]
CURVES: list[tuple[str, str, str, dict[str, tuple[str, str]]]] = [
    (
        "Score-CAM paper (arXiv 1910.01279)",
        "VGG-16, 2000 pictures of ILSVRC2012 validation",
        "steps of 1 % of the pixels; both curves with constant values",
        {
            "grad_cam": ("0.357", "0.089"),
            "grad_cam_plus_plus": ("0.346", "0.082"),
            "score_cam": ("0.386", "0.077"),
        },
    ),
    (
        "RISE paper (arXiv 1806.07421), read in a summary",
        "ResNet-50, ImageNet validation",
        "224 pixels a step; deletion with 0, insertion from a blurred picture",
        {"grad_cam": ("0.6766", "0.1232"), "rise": ("0.7267", "0.1076")},
    ),
]


def published(
    theirs: list[tuple[str, str, str, dict[str, tuple[str, str]]]],
    metrics: tuple[str, str],
    shown: tuple[str, ...],
) -> str:
    """Our numbers above the published ones; each cell has both metrics."""
    lines = [
        [
            "**here**",
            f"{name}, {pictures(run)} photographs",
            "see above",
            *(f"{value(run, metrics[0], m)} / {value(run, metrics[1], m)}" for m in shown),
        ]
        for run, name in NETWORKS.items()
    ]
    lines += [
        [source, what, protocol, *(" / ".join(of.get(m, ("–",))) for m in shown)]
        for source, what, protocol, of in theirs
    ]
    lines = [[cell.replace("– / –", "–") for cell in line] for line in lines]
    return table(["source", "network, pictures", "protocol", *(title(m) for m in shown)], lines)


def page() -> str:
    """The whole page."""
    faithful = ("average_drop", "increase_in_confidence", "average_gain", "insertion", "deletion")
    parts = [
        HEAD,
        findings(),
        *questions(),
        "## Photographs: does the network agree with the map?",
        PHOTOGRAPHS,
    ]
    for run, name in NETWORKS.items():
        parts += [f"### {name}, {pictures(run)} photographs", full_table(run, faithful), links(run)]
    slow = "squeezenet1_1-slow"
    parts += [
        f"### {NETWORKS['squeezenet1_1']}, {pictures(slow)} photographs, with slow methods",
        SLOW,
        full_table(slow, faithful),
        links(slow),
    ]
    parts += [
        "## Beside the published numbers",
        BESIDE,
        "### Average drop ↓ / increase in confidence ↑, percent",
        published(
            DROPS,
            ("average_drop", "increase_in_confidence"),
            (
                "grad_cam",
                "grad_cam_plus_plus",
                "layer_cam",
                "shapley_cam",
                "score_cam",
                "random_cam",
            ),
        ),
        wins_text(),
        "### Insertion ↑ / deletion ↓",
        published(
            CURVES,
            ("insertion", "deletion"),
            ("grad_cam", "grad_cam_plus_plus", "score_cam", "rise"),
        ),
    ]
    parts += ["## Generated pictures: does the map find the object?", GENERATED]
    for run, name in KNOWN.items():
        what = "questions about 25 mosaics" if run == "mosaic" else "pictures"
        places = (*PLACES, "object_recall") if run == "twins" else PLACES
        parts += [f"### {name}, {pictures(run)} {what}", full_table(run, places), links(run)]
        parts += [examples(run, name)]
    parts += ["## A network that cannot have looked elsewhere", CELLS]
    parts += [f"### difull, {pictures('difull')} questions about 20 mosaics"]
    parts += [full_table("difull", IN_CELL), links("difull"), examples("difull", "difull")]
    parts += ["## Which parts of the animal does the decision need?", PARTS]
    parts += [f"### parts, {pictures('parts')} pictures"]
    parts += [full_table("parts", OF_PARTS), links("parts"), examples("parts", "parts")]
    return "\n\n".join(parts) + "\n"


def examples(run: str, name: str) -> str:
    """The maps of a run of generated pictures."""
    return f"![The maps of all methods for the first pictures: {name}](results/{run}/examples.png)"


def links(run: str) -> str:
    """Where the rest of a run is."""
    return (
        f"[Evaluation card](results/{run}/card.md), [the whole table as a picture]"
        f"(results/{run}/table.png), [numbers](results/{run}/summary.csv)"
    )


def wins_text() -> str:
    """Paired comparisons with Grad-CAM."""
    ours = "; ".join(
        f"{name}: Grad-CAM++ {wins(run, 'average_drop', 'grad_cam_plus_plus')}, LayerCAM "
        f"{wins(run, 'average_drop', 'layer_cam')}, Score-CAM "
        f"{wins(run, 'average_drop', 'score_cam')}"
        for run, name in NETWORKS.items()
    )
    return (
        "How often a method's drop is smaller than Grad-CAM's, percent, a tie counts one half: "
        f"{ours}. The Grad-CAM++ paper prints 60.51 for Grad-CAM++ on ResNet-50 and 70.72 on "
        "VGG-16."
    )


# ------------------------------------------------------------------ what we read out of it


def real_methods(run: str) -> list[str]:
    """Without the floors."""
    return [m for m in methods(run) if m not in FLOORS]


def better_than(run: str, metric: str, method: str) -> int:
    """How many methods are worse than this one."""
    sign = -1 if METRICS[metric].lower_is_better else 1
    mine = cell(run, metric, method)
    assert mine is not None
    others = [found for m in real_methods(run) if (found := cell(run, metric, m))]
    return sum(sign * float(mine["value"]) > sign * float(o["value"]) for o in others)


def told_apart(run: str, metric: str) -> int:
    """How many methods differ from Grad-CAM: 0 is not in the interval of the difference."""
    pairs = [r for r in rows(run, "pairs") if r["metric"] == metric and r["a"] not in FLOORS]
    return sum(float(r["low"]) > 0 or float(r["high"]) < 0 for r in pairs)


def on_each(say: Callable[[str], str]) -> str:
    """What is to be said about each network, in one line."""
    return "; ".join(f"{name} {say(run)}" for run, name in NETWORKS.items())


def findings() -> str:
    """Claims with the numbers they rest on; read them again when the numbers change."""

    def v(run: str, metric: str, method: str) -> str:
        return value(run, metric, method)

    def t(method: str) -> str:
        return value("twins", "object_recall", method)

    def between(method: str) -> str:
        return _interval("twins", "object_recall", method)

    def difference(method: str) -> str:
        found = next(
            r for r in rows("twins", "pairs") if (r["metric"], r["a"]) == ("object_recall", method)
        )
        low, high = (f"{float(found[end]):+.1f}" for end in ("low", "high"))
        return f"{float(found['difference']):+.1f} points [{low}, {high}]"

    drop, energy, error = "average_drop", "energy_pointing_game", "localization_error"
    count = {run: len(real_methods(run)) for run in (*NETWORKS, *KNOWN)}
    blob = on_each(lambda run: f"{better_than(run, drop, 'center_gaussian')} of {count[run]}")
    fake = on_each(lambda run: v(run, drop, "fake_cam"))
    of_drop = on_each(lambda run: f"{above_floors(run, drop)} of {count[run]}")
    good = on_each(lambda run: f"{above_floors(run, 'insertion')} of {count[run]}")
    of_deletion = on_each(lambda run: f"{above_floors(run, 'deletion')} of {count[run]}")
    apart = on_each(lambda run: f"{told_apart(run, 'insertion')} of {count[run] - 1}")
    return f"""## What we read out of this

**Average drop and increase in confidence do not measure explanations.** Fake-CAM, which shows
everything but one pixel, has the smallest drop everywhere ({fake}). A blob in the centre, which
has not seen the picture, has a smaller drop than many methods ({blob}). On the scenes FullGrad
({v("scenes", drop, "full_grad")}) and RISE ({v("scenes", drop, "rise")}), whose maps cover most of
the picture, have the smallest drops of all methods; RISE has {v("scenes", energy, "rise")} % of its
energy in the object, and a flat map {v("scenes", energy, "fake_cam")} %.

**Few pictures tell few methods apart.** Better than every floor, and told apart from it, are in
drop {of_drop}; in insertion {good}; in deletion {of_deletion}. Different from Grad-CAM in
insertion, so that 0 is not in the interval of the difference, for the better or the worse: {apart}.
The published tables below rest on two thousand pictures and more.

**Several methods are one.** Where only an average and one linear layer follow (ResNet-50,
MobileNetV2, the networks of the scenes), Grad-CAM, XGrad-CAM and HiResCAM are CAM, apart from the
scale and the ReLU, and Smooth Grad-CAM++ is Grad-CAM++: their rows are equal. A table that ranks
them there ranks rounding errors. Lesson 8 shows why.

**Which class? Ask with a mosaic.** Energy in the right animal, where a flat map has
{v("mosaic", energy, "fake_cam")} %: CAM and Grad-CAM {v("mosaic", energy, "grad_cam")},
ShapleyCAM {v("mosaic", energy, "shapley_cam")}, Ablation-CAM
{v("mosaic", energy, "ablation_cam")}; Grad-CAM++ {v("mosaic", energy, "grad_cam_plus_plus")} and
LayerCAM {v("mosaic", energy, "layer_cam")}, which drop all evidence against the class; Score-CAM
{v("mosaic", energy, "score_cam")}, FullGrad {v("mosaic", energy, "full_grad")}, Eigen-CAM
{v("mosaic", energy, "eigen_cam")}, which asks for no class at all. Guided Grad-CAM has the most
({v("mosaic", energy, "guided_grad_cam")}): Grad-CAM chooses the animal, and guided backpropagation
draws its edges. On pictures with one animal (`scenes`) Grad-CAM++
({v("scenes", energy, "grad_cam_plus_plus")}), LayerCAM ({v("scenes", energy, "layer_cam")}) and
even Eigen-CAM ({v("scenes", energy, "eigen_cam")}) are level with Grad-CAM
({v("scenes", energy, "grad_cam")}): with one object, the brightest place and the place of the class
are the same.

**Several animals of one class.** In `twins` there are one to three, and *objects found* asks for
each of them: as many pixels are lit as the animals cover, and half of an animal must be lit. A
blob in the centre finds {t("center_gaussian")} %, Sobel edges {t("sobel_edges")} %, random
weights of the channels {t("random_cam")} %. Grad-CAM finds {t("grad_cam")} %
{between("grad_cam")}. **Grad-CAM++**, which was made for several objects, finds
{t("grad_cam_plus_plus")} % {between("grad_cam_plus_plus")}; picture by picture the difference is
{difference("grad_cam_plus_plus")}. LayerCAM, which drops negative gradients as Grad-CAM++ does,
finds {t("layer_cam")} %. On the mosaic both lose energy by it, see above. **Score-CAM** finds
{t("score_cam")} %, with {v("twins", energy, "score_cam")} % of its energy on the animals; where
there is one animal (`scenes`) it is {v("scenes", energy, "score_cam")} %. Random weights have
{v("twins", energy, "random_cam")} %, a flat map {v("twins", energy, "fake_cam")} %. **Cognition
weights** (+1 for the best group of channels, −1 for the worst one: Cluster-CAM) find
{t("cluster_cam")} %, with {v("twins", energy, "cluster_cam")} % of the energy: no better than
random weights. (Its masks lie on black; lesson 15 shows how much the mean colour changes this.) The
most are found by guided backpropagation, saliency and FullGrad
({t("guided_backprop")}, {t("saliency")} and {t("full_grad")} %), whose maps are as fine as the
picture. Lesson 10 shows that the gain of Grad-CAM++ comes from the ReLU on the gradient alone, that
it becomes a loss two layers earlier, and what it costs.

**Box and energy see different things.** The 20 % rule fails for maps that are positive everywhere
(Recipro-CAM: localisation error {v("scenes", error, "recipro_cam")} %, RISE
{v("scenes", error, "rise")} %) and for maps of scattered pixels (guided backpropagation
{v("scenes", error, "guided_backprop")} %), although the maxima of Recipro-CAM and guided
backpropagation lie on the object (pointing game {v("scenes", "pointing_game", "recipro_cam")} and
{v("scenes", "pointing_game", "guided_backprop")} %). With a threshold that fits
each method (MaxBoxAccV2) the order is another one. And the centre of the picture hits in
{v("scenes", "pointing_game", "center_gaussian")} % of the scenes: here the pointing game tells
nothing.

**A map may be right and miss the object.** The biased network knows the animals by their
background: on these unusual backgrounds it is right for few of them (see its card). For the class
it predicts, Grad-CAM has {v("scenes-biased", energy, "grad_cam")} % of
its energy on the animal (repaired network: {v("scenes", energy, "grad_cam")} %; a flat map:
{v("scenes-biased", energy, "fake_cam")} %). By the localisation metrics that is a bad map. It is a
good map of a bad network: lesson 6 shows it by exchanging the background.

**Score-CAM depends on the network, and on whose Score-CAM it is.** On MobileNetV2 it has a smaller
drop than Grad-CAM ({v("mobilenet_v2", drop, "score_cam")} and
{v("mobilenet_v2", drop, "grad_cam")}), as in its paper; on SqueezeNet a larger one
({v("squeezenet1_1", drop, "score_cam")} and {v("squeezenet1_1", drop, "grad_cam")}). Algorithm 1 of
the paper (our default) takes the softmax of logit differences over the channels, so a few channels
may decide; the authors' code weighs channels by probabilities. With the code's weights SqueezeNet's
drop, on the same {pictures("squeezenet1_1-authors")} photographs, is
{v("squeezenet1_1-authors", drop, "score_cam")} instead of
{v("squeezenet1_1", drop, "score_cam")}, and insertion
{v("squeezenet1_1-authors", "insertion", "score_cam")} instead of
{v("squeezenet1_1", "insertion", "score_cam")} (Grad-CAM
{v("squeezenet1_1", "insertion", "grad_cam")}). A table that says only "Score-CAM" leaves this open:
see the options `probability` and `channel_softmax` of `camlite.score_cam`."""


def questions() -> list[str]:
    """Claims about the data sets that ask one question."""
    return [_difull(), _parts()]


def _difull() -> str:
    def e(method: str) -> str:
        return value("difull", "energy_in_cell", method)

    inside = [title(m) for m in real_methods("difull") if e(m) == "100.0"]
    return f"""**Can the network have looked elsewhere? In `difull` it cannot.** A flat map has
{e("fake_cam")} % of its energy in the asked cell. {", ".join(inside[:-1])} and {inside[-1]} have
100.0 %: they use the gradient at each place, and outside it is 0. Grad-CAM has {e("grad_cam")}
{_interval("difull", "energy_in_cell", "grad_cam")}, XGrad-CAM {e("xgrad_cam")}, Ablation-CAM
{e("ablation_cam")}, Grad-CAM++ {e("grad_cam_plus_plus")}: they have one weight for each channel,
and the same channels answer to the animals of the other cells, which cannot have counted. On
`scenes` Grad-CAM and HiResCAM were equal; here they are not. Score-CAM has {e("score_cam")}.
Recipro-CAM, positive everywhere, has {e("recipro_cam")}, although its maximum is in the cell for
{value("difull", "pointing_in_cell", "recipro_cam")} % of the questions. Eigen-CAM asks for no class
and no cell: {e("eigen_cam")}. Rao et al. report near-perfect numbers for gradients and LayerCAM,
too."""


def _parts() -> str:
    def r(method: str) -> str:
        return value("parts", "part_order", method)

    def top(method: str) -> str:
        return value("parts", "top_part", method)

    better = above_floors("parts", "part_order")
    return f"""**Which parts? Draw them away.** In `parts` the order of the parts in the map is
compared with the order in which the logit falls without them. The area alone (Fake-CAM) orders them
with ρ = {r("fake_cam")} and finds the top part in {top("fake_cam")} %; Sobel edges reach
{r("sobel_edges")} and {top("sobel_edges")} %. So a number near 0.6 is less than it looks. CAM,
Grad-CAM and HiResCAM, equal here, have {r("grad_cam")}
{_interval("parts", "part_order", "grad_cam", 3)} and {top("grad_cam")} %; Guided Grad-CAM has the
highest order ({r("guided_grad_cam")}). Better than every floor in the order, and told apart from
it, are {better} of {len(real_methods("parts"))}. Score-CAM ({r("score_cam")}), Recipro-CAM
({r("recipro_cam")}), RISE ({r("rise")}) and SS-CAM with few samples ({r("ss_cam")}) are not, on
this network."""


def _interval(run: str, metric: str, method: str, digits: int = 1) -> str:
    found = cell(run, metric, method)
    assert found is not None
    return f"[{float(found['low']):.{digits}f}, {float(found['high']):.{digits}f}]"
