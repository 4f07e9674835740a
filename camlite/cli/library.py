"""The library's commands: card, explain, gallery."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from camlite.cli.console import (
    DRAW,
    AsJson,
    Command,
    app,
    friendly,
    out,
    say,
    show_picture,
    terminated_like_ctrl_c,
    words,
)

Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class", help="Number or name of a class; repeatable. Default: the predicted class."
    ),
]
WhichLayer = Annotated[
    str | None,
    typer.Option(
        "--layer", help="For example layer4. Default: the last layer with a spatial extent."
    ),
]


@app.command(cls=Command, rich_help_panel=DRAW)
@friendly
def card(
    method: Annotated[
        str | None, typer.Argument(help="For example grad_cam. Default: list all methods.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a method needs and costs, and where it fails. Example: camlite card score_cam"""
    from camlite.methods.cards import METHODS, find_card

    if method is None and as_json:
        cards = [one.as_dict() for one in METHODS.values()]
        print(json.dumps(cards, indent=1, ensure_ascii=False))
    elif method is None:
        table = Table("method", "what it is", "forwards", "backwards")
        for name, one in METHODS.items():
            table.add_row(name, one.title, one.forwards, one.backwards)
        out.print(table)
        say(("Details of one method: camlite card grad_cam", "dim"))
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


@app.command(cls=Command, rich_help_panel=DRAW)
@friendly
def explain(
    image: Annotated[
        list[Path] | None, typer.Argument(help="Image files. Default: a sample photograph.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A torchvision classifier, for example resnet50. Default: the best of those "
            "whose weights are on this machine."
        ),
    ] = None,
    layer: WhichLayer = None,
    classes: Classes = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="For example grad_cam,score_cam; repeatable. Default: cam,grad_cam, as far as "
            "they fit the network."
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--out", help="File of the figure. Only for a single image."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw heat maps of images with a pretrained network.

    Example: camlite explain cat_dog.jpg --model resnet50 --class "bull mastiff" --class "tiger cat"
    """
    from camlite.data.files import photo_files
    from camlite.figures.explain import default_model
    from camlite.figures.explain import explain as run

    name = model or default_model()
    images = image or photo_files()[:1]
    if save is not None and len(images) > 1:
        raise ValueError(f"--out names one file, but there are {len(images)} images: leave it out")
    answers = []
    for one in images:
        figure = save or Path(f"explain-{one.stem}-{name}.png")
        figure.parent.mkdir(parents=True, exist_ok=True)
        answers.append(
            run(
                one,
                name,
                layer,
                classes or [],
                _methods(method),
                figure,
                progress=sys.stderr.isatty(),
            )
        )
        if not as_json:
            _say_explained(answers[-1])
    if as_json:
        print(json.dumps(answers, indent=1, ensure_ascii=False))


def _methods(given: list[str] | None) -> list[str]:
    """The names of methods that were asked for; ValueError, with near names, for an unknown one."""
    from camlite.methods.cards import find_card

    return [find_card(word).name for word in words(given)]


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
    say(*((f"Note: {note}", "yellow") for note in answer["notes"]))
    say((f"Figure: {answer['figure']}", "bold"))
    show_picture(Path(answer["figure"]))


@app.command(cls=Command, rich_help_panel=DRAW)
@friendly
def gallery(
    image: Annotated[
        Path | None, typer.Argument(help="An image file. Default: a sample photograph.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="For example resnet50,vgg16; repeatable. All figures are drawn with the first "
            "network, one figure with all. Default: those whose weights are on this machine."
        ),
    ] = None,
    classes: Classes = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="For example grad_cam,score_cam; repeatable. Default: all methods."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="How long it may take; inf: no limit. What does not fit is left out, and named. "
            "Default: 2, or no limit for methods named with --method."
        ),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", hidden=True)] = False,  # the default since 0.2
    save: Annotated[Path, typer.Option("--out", help="Folder of the figures.")] = Path(
        "camlite-gallery"
    ),
    as_json: AsJson = False,
) -> None:
    """Compare methods on one image: also by depth, by network, and for and against a class.

    Ctrl-C stops it; what is finished is drawn.

    Example: camlite gallery cat_dog.jpg --class "bull mastiff" --class "tiger cat" --minutes 5
    """
    from camlite.data.files import photo_files
    from camlite.figures.explain import default_model
    from camlite.figures.gallery import MINUTES, default_models
    from camlite.figures.gallery import gallery as run

    image = image or photo_files()[0]
    names = words(model) or default_models(default_model())
    if minutes is None:
        minutes = math.inf if _methods(method) else MINUTES
    with terminated_like_ctrl_c():
        answer = run(
            image,
            names,
            classes or [],
            _methods(method),
            minutes,
            save,
            progress=sys.stderr.isatty(),
            tell=lambda line: print(line, file=sys.stderr, flush=True),
        )
    if as_json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        _say_gallery(answer)
    if answer["stopped"]:
        raise typer.Exit(130)


def _say_gallery(answer: dict[str, Any]) -> None:
    weights = f"{answer['model']} ({answer['weights']}), layer {answer['layer']}"
    say((f"{answer['image']}: {weights}", "bold"))
    table = Table("class", "name", "probability")
    for row in answer["classes"]:
        table.add_row(str(row["class"]), row["name"], f"{row['probability']:.3f}")
    out.print(table)
    why = "Stopped. Not drawn" if answer["stopped"] else "Left out for time"
    if answer["missing"]:
        say((f"{why}: the figure of {', '.join(answer['missing'])}", "yellow"))
    if answer["minutes_for"]:
        needed = answer["minutes_for"]
        say((f"{why}: {', '.join(f'{m} ({n} min)' for m, n in needed.items())}", "yellow"))
        say((f"All of them: the same line with --minutes {max(needed.values())}", "dim"))
    say(*((f"Figure: {file}", "bold") for file in answer["figures"]))
    if answer["figures"]:
        show_picture(Path(answer["figures"][0]))
