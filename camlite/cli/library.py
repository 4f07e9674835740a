"""The library's commands: card, explain, gallery, evaluate."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from camlite.cli.console import AsJson, app, friendly, out, say, show_picture


@app.command()
@friendly
def card(
    method: Annotated[str | None, typer.Argument(help="Like grad_cam. Default: list them.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a method needs, costs and cannot do. Example: camlite card score_cam"""
    from camlite.methods.cards import METHODS, find_card

    if method is None:
        table = Table("method", "what it is", "forwards", "backwards")
        for name, one in METHODS.items():
            table.add_row(name, one.title, one.forwards, one.backwards)
        out.print(table)
        say(("One of them: camlite card grad_cam", "dim"))
    elif as_json:
        facts = find_card(method).as_dict()
        print(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        _say_card(find_card(method).as_dict())


def _say_card(facts: dict[str, Any]) -> None:
    say((facts["title"], "bold"), (facts["paper"], "dim"))
    table = Table.grid(padding=(0, 2))
    for label in ("equation", "needs", "forwards", "backwards", "caveats", "variants", "call"):
        lines = [facts[label]] if isinstance(facts[label], str) else facts[label]
        for i, line in enumerate(lines):
            table.add_row(Text(label if i == 0 else "", "bold"), Text(line))
    out.print(table)


@app.command()
@friendly
def explain(
    image: Annotated[list[Path], typer.Argument(help="Photographs.")],
    model: Annotated[
        str | None, typer.Option(help="A torchvision classifier, like resnet50.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Like layer4. Default: the last one with space.")
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="Number or name; repeatable. Default: the predicted class."),
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="Like grad_cam; repeatable.")] = None,
    save: Annotated[Path | None, typer.Option(help="The figure's file (for one image).")] = None,
    as_json: AsJson = False,
) -> None:
    """Show where a real network sees its evidence.

    Example: camlite explain cat_dog.jpg --model resnet50 --class "bull mastiff" --class "tiger cat"
    """
    from camlite.figures.explain import default_model
    from camlite.figures.explain import explain as run

    name = model or default_model()
    if save is not None and len(image) > 1:
        raise ValueError("--save names one file, but there are several images")
    answers = []
    for one in image:
        figure = save or Path(f"explain-{one.stem}-{name}.png")
        answers.append(
            run(
                one,
                name,
                layer,
                classes or [],
                method or ["cam", "grad_cam"],
                figure,
                progress=sys.stderr.isatty(),
            )
        )
        if not as_json:
            _say_explained(answers[-1])
    if as_json:
        print(json.dumps(answers, indent=1, ensure_ascii=False))


def _say_explained(answer: dict[str, Any]) -> None:
    say(
        (
            f"{answer['image']}: {answer['model']} ({answer['weights']}), layer {answer['layer']}",
            "bold",
        )
    )
    table = Table("class", "name", "probability")
    for row in answer["top"]:
        table.add_row(str(row["class"]), row["name"], f"{row['probability']:.3f}")
    out.print(table)
    say((f"Figure: {answer['figure']}", "bold"))
    show_picture(Path(answer["figure"]))


@app.command()
@friendly
def gallery(
    image: Annotated[Path, typer.Argument(help="A photograph.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable; the first gets all figures. Default: all at hand."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="Number or name; repeatable. Default: the predicted class."),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Like grad_cam; repeatable. Default: every method.")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Leave out methods with more than 100 forward passes.")
    ] = False,
    save: Annotated[Path, typer.Option(help="The folder for the figures.")] = Path(
        "camlite-gallery"
    ),
    as_json: AsJson = False,
) -> None:
    """Draw one picture with every method, both signs, all depths, several networks.

    Example: camlite gallery cat_dog.jpg --class "bull mastiff" --class "tiger cat" --fast
    """
    from camlite.figures.explain import default_model
    from camlite.figures.gallery import default_models
    from camlite.figures.gallery import gallery as run

    names = model or default_models(default_model())
    answer = run(
        image, names, classes or [], method or [], fast, save, progress=sys.stderr.isatty()
    )
    if as_json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
        return
    weights = f"{answer['model']} ({answer['weights']}), layer {answer['layer']}"
    say((f"{answer['image']}: {weights}", "bold"))
    table = Table("class", "name", "probability")
    for row in answer["classes"]:
        table.add_row(str(row["class"]), row["name"], f"{row['probability']:.3f}")
    out.print(table)
    if answer["left_out"]:
        many = ", ".join(f"{name} ({n:,})" for name, n in answer["left_out"].items())
        say((f"Left out by --fast, with their forward passes: {many}", "dim"))
    say(*((f"Figure: {file}", "bold") for file in answer["figures"]))
    show_picture(Path(answer["figures"][0]))


@app.command()
@friendly
def evaluate(
    data: Annotated[
        str,
        typer.Argument(
            help="A folder: labels.csv (file, class_index), or one folder per class. "
            "Or generated pictures: scenes, twins, mosaic."
        ),
    ] = "scenes",
    model: Annotated[
        str | None,
        typer.Option(
            help="Bundled, torchvision's, or module:function. Default: pond_repaired for "
            "generated pictures, else the best at hand."
        ),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Like layer4. Default: the last one with space.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--methods",
            help="grad_cam,score_cam; repeatable. Default: all with one "
            "forward pass. Floors are always added.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            help="average_drop,insertion; repeatable. Default: drop, "
            "increase, insertion, deletion; with masks also places.",
        ),
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="Results; a second start goes on.")] = Path(
        "camlite-evaluation"
    ),
    target: Annotated[
        str, typer.Option(help="The class to explain: label or predicted.")
    ] = "label",
    limit: Annotated[int | None, typer.Option(help="So many pictures, drawn by the seed.")] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of masks, named as the pictures; not black: object.")
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option(help="Table with the columns file, x0, y0, x1, y1, in pixels.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Table with the columns folder, class_index.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="Of deletion and insertion: rise, score_cam, poly_cam, torch_cam.")
    ] = "rise",
    steps: Annotated[
        int | None, typer.Option(help="Of deletion and insertion. Default: the protocol's.")
    ] = None,
    keep: Annotated[
        float, typer.Option(help="Share of pixels seen in masked pictures; Score-CAM's paper: 0.5.")
    ] = 1.0,
    fill: Annotated[
        str, typer.Option(help="What masked pictures show elsewhere: a number, mean or blur.")
    ] = "0",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of a method: score_cam.batch_size=16; repeatable."),
    ] = None,
    side: Annotated[
        int | None, typer.Option(help="Pixels of the square the network sees; 0: as the file is.")
    ] = None,
    normalize: Annotated[
        bool | None,
        typer.Option("--normalize/--no-normalize", help="By ImageNet's mean and deviation."),
    ] = None,
    seed: Annotated[int, typer.Option(help="For methods with chance, and for --limit.")] = 0,
    batch_size: Annotated[int | None, typer.Option(help="Changed pictures run together.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda. Default: cuda if there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure methods over a whole data set, floors beside them.

    Example: camlite evaluate scenes --limit 20

    camlite evaluate photos/ --model resnet50 --methods grad_cam,layer_cam --metrics average_drop

    torchrun --nproc-per-node 4 -m camlite evaluate photos/ --model resnet50
    """
    from camlite.evaluation import Plan
    from camlite.evaluation import evaluate as run
    from camlite.evaluation.items import GENERATED
    from camlite.evaluation.measures import Protocol
    from camlite.evaluation.plan import parse_options
    from camlite.figures.explain import default_model

    name = model or ("pond_repaired" if data in GENERATED else default_model())
    answer = run(
        Plan(
            data,
            name,
            folder,
            layer=layer,
            methods=_words(method),
            metrics=_words(metric),
            options=parse_options(settings or []),
            target=target,
            protocol=Protocol(protocol, steps, keep, _number(fill)),
            masks=masks,
            boxes=boxes,
            classes=classes,
            side=side,
            normalize=normalize,
            limit=limit,
            seed=seed,
            batch_size=batch_size,
            device=device,
        )
    )
    if not answer:
        return  # not the leading process
    if as_json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        _say_evaluated(answer)
    raise typer.Exit(0 if answer["maps"] else 1)


def _words(given: list[str] | None) -> tuple[str, ...]:
    """`--methods a,b --methods c` -> ("a", "b", "c")."""
    return tuple(w.strip() for text in given or [] for w in text.split(",") if w.strip())


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _say_evaluated(answer: dict[str, Any]) -> None:
    from camlite.evaluation.measures import METRICS
    from camlite.evaluation.plan import FLOORS
    from camlite.evaluation.report import title

    say((f"{answer['model']}, layer {answer['layer']}: {answer['pictures']} pictures", "bold"))
    names = list(answer["metrics"])
    for some in (names[i : i + 4] for i in range(0, len(names), 4)):  # fits a narrow terminal
        columns = {name: answer["metrics"][name]["methods"] for name in some}
        table = Table("", *(METRICS[name].head for name in some))
        for m, following in pairwise([*next(iter(columns.values())), ""]):
            cells = [
                f"{of[m]['value']:.{METRICS[name].digits}f}" if m in of else "–"
                for name, of in columns.items()
            ]
            table.add_row(
                title(m),
                *cells,
                style="dim" if m in FLOORS else "",
                end_section=following == FLOORS[0],
            )
        out.print(table)
    for m, why in answer["without_map"].items():
        say((f"No map from {title(m)}: {why}", "yellow"))
    for name, why in list(answer["problems"].items())[:10]:
        say((f"Not evaluated: {name}: {why}", "yellow"))
    if len(answer["problems"]) > 10:
        say((f"… and {len(answer['problems']) - 10} more, see card.md", "yellow"))
    for c in answer["metrics"].values():
        for why, n in c["excluded"].items():
            say((f"{c['head']}: {n} picture(s) left out: {why}", "yellow"))
    say(("Dim, below the line: floors, which know nothing of the decision.", "dim"))
    say((f"Intervals, pairs, figures and the card: {answer['out']}/", "bold"))
    show_picture(Path(answer["out"]) / "table.png")
