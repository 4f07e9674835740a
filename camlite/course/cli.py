"""The command line, `camlite`. Exit codes: 0 good, 1 an answer is not right yet, 2 wrong use."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from camlite.course import lessons as course
from camlite.course import paths, progress, workspace
from camlite.course.judge import Verdict
from camlite.course.notebook import MARKS, render
from camlite.errors import DataNotFound
from camlite.paths import write_whole

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learn class activation maps step by step.\n\nBegin with: camlite demo",
)
dev = typer.Typer(no_args_is_help=True, help="For authors of lessons.")
app.add_typer(dev, name="dev")
out = Console(soft_wrap=True, highlight=False, markup=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]
WhichLesson = Annotated[
    str | None, typer.Argument(help="Number of the lesson. Default: the current one.")
]


def friendly(command: Callable[..., Any]) -> Callable[..., Any]:
    """A user's mistake is one line on stderr and exit code 2, never a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (ValueError, DataNotFound, OSError) as error:
            Console(stderr=True, soft_wrap=True, highlight=False).print(
                Text(f"camlite: {error}", style="red")
            )
            raise typer.Exit(2) from None

    return wrapped


def say(*lines: tuple[str, str]) -> None:
    """Print (text, style) lines."""
    for text, style in lines:
        out.print(Text(text, style))


# ------------------------------------------------------------------ the learner's commands


@app.command()
@friendly
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where the figure goes.")] = Path(
        "camlite-demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Draw your first heat maps: CAM, Grad-CAM, Score-CAM of six digits. Example: camlite demo"""
    from camlite.course.demo import demo as run

    facts = run(folder)
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    source = {"mnist": "MNIST", "digits": "scikit-learn's digits (MNIST is not at hand)"}[
        facts["data"]
    ]
    say(
        (
            f"Data: {source}. The bundled network is right on {facts['accuracy']:.1%} of "
            f"{facts['accuracy_images']} test images.",
            "",
        )
    )
    table = Table("digit", "predicted", "probability")
    for row in facts["digits"]:
        table.add_row(str(row["truth"]), str(row["predicted"]), f"{row['probability']:.3f}")
    out.print(table)
    say((f"Figure: {facts['figure']}", "bold"), ("Next: camlite start 1", "bold green"))
    _open(Path(facts["figure"]))


@app.command()
@friendly
def lessons(as_json: AsJson = False) -> None:
    """List the lessons. Example: camlite lessons"""
    found = course.all_lessons()
    if as_json:
        print(
            json.dumps(
                [
                    {
                        "lesson": one.number,
                        "name": one.name,
                        "title": one.title,
                        "exercises": [{"id": e.id, "name": e.name} for e in one.exercises.values()],
                    }
                    for one in found
                ],
                indent=1,
                ensure_ascii=False,
            )
        )
        return
    table = Table("", "lesson", "minutes", "difficulty", "exercises")
    for one in found:
        table.add_row(
            str(one.number),
            one.title.partition(": ")[2] or one.title,
            one.minutes,
            one.difficulty,
            ", ".join(one.exercises),
        )
    out.print(table)
    say(("Open one: camlite start N", "dim"))


@app.command()
@friendly
def start(
    lesson: WhichLesson = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Start Jupyter.")] = True,
) -> None:
    """Open a lesson in Jupyter; its notebook is made if needed. Example: camlite start 3"""
    one = _lesson(lesson)
    path = workspace.start(one)
    state = progress.load()
    progress.save(state | {"lesson": one.number})
    shown = _shown(path)
    say(
        (one.title, "bold"),
        (f"Your notebook: {shown}", ""),
        (f"Check it: camlite check {one.number}", ""),
    )
    if not (open_ and sys.stdin.isatty() and sys.stdout.isatty()):
        say((f"Open it: jupyter lab {shown}", "bold green"))
        return
    say(("Jupyter opens in your browser. Stop it with Ctrl-C.", "dim"))
    os.execv(sys.executable, [sys.executable, "-m", "jupyter", "lab", str(path)])


@app.command()
@friendly
def check(
    lesson: Annotated[str | None, typer.Argument(help="Lesson (3) or exercise (3.1).")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Any .py or .ipynb, wherever it lies.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check again whenever the file is saved.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check your answers of a lesson. Example: camlite check 3

    Runs imports and exercise cells only, in a process of its own. Exit code 0: all passed.
    """
    one = _lesson(lesson)
    only = lesson if lesson and "." in lesson else None
    if only:
        course.find_exercise(only)
    while True:
        path = file or workspace.newest_answer(one)
        if path is None:
            raise ValueError(
                f"you have no file for lesson {one.number} yet: camlite start {one.number}"
            )
        stamp = path.stat().st_mtime_ns if path.exists() else 0
        verdicts = _check_once(one, path, only, as_json)
        if not watch:
            raise typer.Exit(0 if all(v.status == "passed" for v in verdicts) else 1)
        say((f"Watching {_shown(path)}. Stop with Ctrl-C.", "dim"))
        while path.exists() and path.stat().st_mtime_ns == stamp:
            time.sleep(0.3)


def _check_once(one: course.Lesson, path: Path, only: str | None, as_json: bool) -> list[Verdict]:
    from camlite.course.runner import check_file

    if not as_json:
        say((f"Checking {_shown(path)}", "dim"))
    verdicts = check_file(one, path, only)
    progress.record(verdicts)
    if as_json:
        print(
            json.dumps(
                {"lesson": one.number, "exercises": [v.as_dict() for v in verdicts]},
                indent=1,
                ensure_ascii=False,
            )
        )
        return verdicts
    for verdict in verdicts:
        say(*render(verdict, f"camlite hint {verdict.id}"))
    done = sum(v.status == "passed" for v in verdicts)
    if done == len(one.exercises):
        after = [n.number for n in course.all_lessons() if n.number > one.number]
        step = f"Next: camlite start {after[0]}" if after else "That was the last lesson."
        say((f"All {done} right. {step}", "bold green"))
        say((f"Compare with another solution: solutions/{one.name}.py", "dim"))
    else:
        say((f"{done} of {len(verdicts)} right.", "bold"))
    return verdicts


@app.command()
@friendly
def hint(exercise: Annotated[str, typer.Argument(help="Like 3.2.")]) -> None:
    """Show the next of three hints. Example: camlite hint 3.2"""
    found = course.find_exercise(exercise)
    number = progress.next_hint(found.id)
    say((f"Hint {number} of 3 for {found.id} {found.name}", "bold"), (found.hints[number - 1], ""))
    if number < 3:
        say((f"A stronger one: camlite hint {found.id}", "dim"))


@app.command()
@friendly
def reset(lesson: Annotated[str, typer.Argument(help="Number of the lesson.")]) -> None:
    """Put a lesson back to its start; your file is kept as a backup. Example: camlite reset 3"""
    saved, written = workspace.reset(_lesson(lesson))
    for path in saved:
        say((f"Your file is kept: {_shown(path)}", ""))
    for path in written:
        say((f"Fresh: {_shown(path)}", "bold"))


@app.command()
@friendly
def status(as_json: AsJson = False) -> None:
    """Show what you have done. Example: camlite status"""
    state = progress.load()
    if as_json:
        print(json.dumps(state, indent=1))
        return
    table = Table("lesson", "", "exercises")
    unfinished = []
    for one in course.all_lessons():
        marks = Text()
        for id in one.exercises:
            now = state["exercises"].get(id, {}).get("status", "todo")
            mark, colour = MARKS[now]
            marks.append(f"{mark} {id}  ", colour if now != "todo" else "dim")
            unfinished += [one.number] if now != "passed" else []
        table.add_row(str(one.number), one.title.partition(": ")[2] or one.title, marks)
    out.print(table)
    begun = state.get("lesson")
    following = begun if begun in unfinished else min(unfinished, default=None)
    next_step = f"Next: camlite start {following}" if following else "You have done it all."
    say((next_step, "bold green"))


@app.command()
@friendly
def doctor() -> None:
    """Look whether everything is there. Example: camlite doctor"""
    from camlite.course.doctor import examine

    failed = False
    for line in examine():
        label, colour = {
            "ok": ("[ OK ]", "green"),
            "info": ("[INFO]", "yellow"),
            "fail": ("[FAIL]", "red"),
        }[line.status]
        out.print(Text(label, colour), Text(line.what))
        if line.remedy:
            out.print(Text(f"       {line.remedy}", "dim"))
        failed = failed or line.status == "fail"
    raise typer.Exit(1 if failed else 0)


# ------------------------------------------------------------------ the library's commands


@app.command()
@friendly
def card(
    method: Annotated[str | None, typer.Argument(help="Like grad_cam. Default: list them.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a method needs, costs and cannot do. Example: camlite card score_cam"""
    from camlite.cards import METHODS, find_card

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
    """Show where a real network sees its evidence. Example:

    camlite explain cat_dog.jpg --model resnet50 --class "bull mastiff" --class "tiger cat"
    """
    from camlite.course.explain import default_model
    from camlite.course.explain import explain as run

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
    _open(Path(answer["figure"]))


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
    """Draw one picture with every method, both signs, all depths, several networks. Example:

    camlite gallery cat_dog.jpg --class "bull mastiff" --class "tiger cat" --fast
    """
    from camlite.course.explain import default_model
    from camlite.course.gallery import default_models
    from camlite.course.gallery import gallery as run

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
    _open(Path(answer["figures"][0]))


@app.command()
@friendly
def evaluate(
    data: Annotated[
        str,
        typer.Argument(help="A folder: labels.csv (file, class_index), or one folder per class. "
                            "Or generated pictures: scenes, twins, mosaic."),
    ] = "scenes",
    model: Annotated[
        str | None,
        typer.Option(help="Bundled, torchvision's, or module:function. Default: pond_repaired for "
                          "generated pictures, else the best at hand."),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Like layer4. Default: the last one with space.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--methods", help="grad_cam,score_cam; repeatable. Default: all with one "
                                       "forward pass. Floors are always added."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metrics", help="average_drop,insertion; repeatable. Default: drop, "
                                       "increase, insertion, deletion; with masks also places."),
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
    """Measure methods over a whole data set, floors beside them. Examples:

    camlite evaluate scenes --limit 20

    camlite evaluate photos/ --model resnet50 --methods grad_cam,layer_cam --metrics average_drop

    torchrun --nproc-per-node 4 -m camlite evaluate photos/ --model resnet50
    """
    from camlite.course.explain import default_model
    from camlite.evaluation import Plan
    from camlite.evaluation import evaluate as run
    from camlite.evaluation.items import GENERATED
    from camlite.evaluation.measures import Protocol
    from camlite.evaluation.run import parse_options

    name = model or ("pond_repaired" if data in GENERATED else default_model())
    answer = run(
        Plan(
            data, name, folder, layer=layer, methods=_words(method), metrics=_words(metric),
            options=parse_options(settings or []), target=target,
            protocol=Protocol(protocol, steps, keep, _number(fill)), masks=masks, boxes=boxes,
            classes=classes, side=side, normalize=normalize, limit=limit, seed=seed,
            batch_size=batch_size, device=device,
        )
    )
    if not answer:
        return  # not the leading process
    if as_json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        _say_evaluated(answer)
    raise typer.Exit(0 if answer["metrics"] else 1)


def _words(given: list[str] | None) -> tuple[str, ...]:
    """`--methods a,b --methods c` -> ("a", "b", "c")."""
    return tuple(w.strip() for text in given or [] for w in text.split(",") if w.strip())


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _say_evaluated(answer: dict[str, Any]) -> None:
    from camlite.evaluation.report import title
    from camlite.evaluation.run import FLOORS

    say((f"{answer['model']}, layer {answer['layer']}: {answer['pictures']} pictures", "bold"))
    columns = answer["metrics"].values()
    table = Table("", *(c["head"] for c in columns))
    shown = [*next((c["methods"] for c in columns), {}), ""]
    for m, following in pairwise(shown):
        cells = [f"{c['methods'][m]['value']:.3g}" if m in c["methods"] else "–" for c in columns]
        table.add_row(title(m), *cells, style="dim" if m in FLOORS else "",
                      end_section=following == FLOORS[0])
    out.print(table)
    for m, why in answer["without_map"].items():
        say((f"No map from {title(m)}: {why}", "yellow"))
    for name, why in list(answer["problems"].items())[:10]:
        say((f"Not evaluated: {name}: {why}", "yellow"))
    if len(answer["problems"]) > 10:
        say((f"… and {len(answer['problems']) - 10} more, see card.md", "yellow"))
    for c in columns:
        for why, n in c["excluded"].items():
            say((f"{c['head']}: {n} picture(s) left out: {why}", "yellow"))
    say(("Dim, below the line: floors, which know nothing of the decision.", "dim"))
    say((f"Intervals, pairs, figures and the card: {answer['out']}/", "bold"))
    _open(Path(answer["out"]) / "table.png")


# ------------------------------------------------------------------ the authors' commands


@app.command()
@friendly
def release(
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a lesson drifted.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Default: lessons/ of the clone.")
    ] = None,
) -> None:
    """Make lessons/ from solutions/. Example: camlite release --check"""
    folder = folder or paths.ROOT / "lessons"
    drifted = False
    for one in course.all_lessons():
        how = course.drift(one, folder)
        drifted = drifted or how != "same"
        if not check_only and how != "same":
            write_whole(folder / f"{one.name}.py", course.released(one))
        say((f"{how if check_only or how == 'same' else 'written':10} {one.name}", ""))
    raise typer.Exit(1 if check_only and drifted else 0)


@dev.command(name="check")
@friendly
def dev_check() -> None:
    """Prove every lesson: stubs, solutions, wrong answers, other right answers, leaks, drift."""
    from camlite.course.proofs import check_everything

    counts: dict[str, list[int]] = {}
    failures = []
    for one, proof, reason in check_everything():
        good_bad = counts.setdefault(one.name, [0, 0])
        good_bad[bool(reason)] += 1
        if reason:
            failures.append(f"{one.name}: {proof.name}: {reason}")
    for name, (good, bad) in counts.items():
        say(
            (
                f"{'✘' if bad else '✔'} {name}: {good} proofs hold, {bad} fail",
                "red" if bad else "green",
            )
        )
    for failure in failures:
        say((failure, "red"))
    raise typer.Exit(1 if failures or not counts else 0)


# ------------------------------------------------------------------ shared


def _lesson(which: str | None) -> course.Lesson:
    if which is not None:
        return course.find_lesson(which)
    started = progress.load().get("lesson")
    return course.find_lesson(started) if started else course.all_lessons()[0]


def _shown(path: Path) -> str:
    """A path as short as it can be."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _open(path: Path) -> None:
    """Show a picture if there is a screen and a person before it."""
    has_screen = (
        sys.platform in ("win32", "darwin")
        or os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
    )
    if has_screen and sys.stdout.isatty():
        typer.launch(str(path))


def main() -> None:
    """The entry point of the command `camlite`."""
    try:
        app()
    except KeyboardInterrupt:
        print()
        sys.exit(130)


if __name__ == "__main__":
    main()
