"""The command that measures methods over a data set: evaluate."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from camlite.cli.console import MEASURE, Command, app, friendly, out, say, show_picture, words

WHAT, DATA, SCORING, RUN = (
    "What is measured",
    "Data and network input",
    "Choices behind the numbers",
    "The run",
)


@app.command(cls=Command, rich_help_panel=MEASURE)
@friendly
def evaluate(
    data: Annotated[
        str,
        typer.Argument(
            help="A folder with labels.csv (columns file, class_index), a folder with one folder "
            "per class, or generated images: scenes, twins, mosaic, difull, parts."
        ),
    ] = "scenes",
    model: Annotated[
        str | None,
        typer.Option(
            help="A network of camlite or torchvision, or module:function. Default: pond_repaired "
            "for generated images, else the best network whose weights are on this machine.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="For example layer4. Default: the last layer with a spatial extent.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="For example grad_cam,score_cam; repeatable. Default: all that need one forward "
            "pass. Floors are always added.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="For example average_drop,insertion; repeatable. Default: average_drop, "
            "increase_in_confidence, insertion, deletion; localization too if objects are known.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            help="The class to explain: label, or predicted (by the network).",
            rich_help_panel=WHAT,
        ),
    ] = "label",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="An option of a method, for example score_cam.batch_size=16; repeatable.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Number of images, chosen at random with --seed.", rich_help_panel=DATA),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            help="Folder of masks with the names of the images. Black is background.",
            rich_help_panel=DATA,
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Table of boxes: columns file, x0, y0, x1, y1, in pixels.", rich_help_panel=DATA
        ),
    ] = None,
    class_table: Annotated[
        Path | None,
        typer.Option(
            help="Table of the class folders: columns folder, class_index.", rich_help_panel=DATA
        ),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(
            help="Side of the square input of the network, in pixels. 0: size of the file.",
            rich_help_panel=DATA,
        ),
    ] = None,
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--no-normalize",
            help="Normalize with the mean and standard deviation of ImageNet. Default: yes, "
            "except for the small networks of camlite.",
            rich_help_panel=DATA,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="Fill and steps of deletion and insertion: rise, score_cam, poly_cam, torch_cam.",
            rich_help_panel=SCORING,
        ),
    ] = "rise",
    steps: Annotated[
        int | None,
        typer.Option(
            help="Steps of deletion and insertion. Default: as the protocol says.",
            rich_help_panel=SCORING,
        ),
    ] = None,
    keep: Annotated[
        float,
        typer.Option(
            help="Share of pixels that stay visible in masked images. Score-CAM's paper: 0.5.",
            rich_help_panel=SCORING,
        ),
    ] = 1.0,
    fill: Annotated[
        str,
        typer.Option(
            help="What replaces the other pixels: a number, zero, mean, blur or strong_blur.",
            rich_help_panel=SCORING,
        ),
    ] = "0",
    folder: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder of the results. If it holds an unfinished run, that run is continued.",
            rich_help_panel=RUN,
        ),
    ] = Path("camlite-evaluation"),
    seed: Annotated[
        int, typer.Option(help="Seed of the random methods and of --limit.", rich_help_panel=RUN)
    ] = 0,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Changed images per forward pass of a metric.", rich_help_panel=RUN),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="cpu or cuda. Default: cuda if there is a GPU.", rich_help_panel=RUN),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for another program.", rich_help_panel=RUN)
    ] = False,
) -> None:
    """Measure methods on a data set, beside floors that ignore the network.

    Example: camlite evaluate scenes --limit 20

    camlite evaluate photos/ --model resnet50 --method grad_cam,layer_cam --metric average_drop

    torchrun --nproc-per-node 4 -m camlite evaluate photos/ --model resnet50
    """
    from camlite.evaluation import Plan
    from camlite.evaluation import evaluate as run
    from camlite.evaluation.dataset import GENERATED
    from camlite.evaluation.measures import Protocol
    from camlite.evaluation.options import parse_options
    from camlite.figures.explain import default_model

    name = model or ("pond_repaired" if data in GENERATED else default_model())
    answer = run(
        Plan(
            data,
            name,
            folder,
            layer=layer,
            methods=tuple(words(method)),
            metrics=tuple(words(metric)),
            options=parse_options(settings or []),
            target=target,
            protocol=Protocol(protocol, steps, keep, _number(fill)),
            masks=masks,
            boxes=boxes,
            classes=class_table,
            side=side,
            normalize=normalize,
            limit=limit,
            seed=seed,
            batch_size=batch_size,
            device=device,
        )
    )
    if not answer:
        return  # the main process reports
    if as_json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        _say_evaluated(answer)
    raise typer.Exit(0 if answer["maps"] else 1)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _say_evaluated(answer: dict[str, Any]) -> None:
    from camlite.evaluation.compared import FLOORS, title
    from camlite.evaluation.measures import METRICS

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
            say((f"{c['head']}: {n} left out: {why}", "yellow"))
    say(("Below the line: floors. They ignore the network's decision.", "dim"))
    say((f"Intervals, comparisons, figures and the card: {answer['out']}/", "bold"))
    show_picture(Path(answer["out"]) / "table.png")
