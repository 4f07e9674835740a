"""What students get: the released lessons as files, as notebooks, for nbgrader, or in a zip.

All is made from `course.lessons.released`, in which no solution stands. The same lessons give the
same bytes on every machine: no date, no random number, nothing of the machine is written.

    points.csv                          exercise, name, points
    py/03_class_activation_map.py       --format py
    ipynb/03_class_activation_map.ipynb --format ipynb
    nbgrader/source/NAME/NAME.ipynb     --format nbgrader: goes into nbgrader's folder of the course
    camlite-lesson-3.zip                --format zip: README.txt and lessons/NAME.ipynb
"""

from __future__ import annotations

import csv
import io
import re
import textwrap
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from camlite.course.lessons import Lesson, all_lessons, find_lesson, notebook, released
from camlite.grading.nbgrader import nbgrader_notebook
from camlite.grading.points import points
from camlite.paths import write_whole_bytes

Files = dict[str, bytes]  # name, with / between folders -> content

FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
TEACHER_KNOWS = "Your teacher tells you how to install camlite. Then type"
A_FILE = "Your teacher gives you the file {}. Put it beside this README.txt."


def chosen(numbers: Sequence[str]) -> list[Lesson]:
    """The lessons of these numbers or names in the course's order, each once; all if none is named.

    Raises ValueError for an unknown lesson, and for an exercise: a handout holds whole lessons.
    """
    for text in numbers:
        if "." in text:
            lesson = find_lesson(text).number
            raise ValueError(f"{text} is an exercise; a handout holds whole lessons, here {lesson}")
    wanted = {find_lesson(text).number for text in numbers}
    return [one for one in all_lessons() if one.number in wanted or not numbers]


def handout(lessons: Sequence[Lesson], formats: Sequence[str], install: str = "") -> Files:
    """Every file of a handout. `install`: the command that the README.txt of the zip names.

    Raises ValueError for an unknown format.
    """
    files = {"points.csv": _points_table(lessons).encode()}
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
        files |= FORMATS[name](lessons, install)
    return files


def write(folder: Path, files: Files) -> None:
    """Write the files. What is there already stays: ValueError, and nothing is written, where a
    file of another content or something else stands in the way.
    """
    for name, content in files.items():
        path = folder / name
        there = next(p for p in (path, *path.parents) if p.exists())
        if there == path and (not path.is_file() or path.read_bytes() != content):
            raise ValueError(
                f"nothing was written: {path} is there already and is something else. Move it "
                "away, or choose another folder with --out"
            )
        if there != path and not there.is_dir():
            raise ValueError(f"nothing was written: {there} is a file, a folder is needed")
    for name, content in files.items():
        write_whole_bytes(folder / name, content)


# ------------------------------------------------------------------ the formats


def _points_table(lessons: Sequence[Lesson]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("lesson", "exercise", "name", "points"))
    for one in lessons:
        for id, number in points(one).items():
            table.writerow((one.number, id, one.exercises[id].name, f"{number:g}"))
    return text.getvalue()


def _scripts(lessons: Sequence[Lesson], install: str) -> Files:
    return {f"py/{one.name}.py": released(one).encode() for one in lessons}


def _notebooks(lessons: Sequence[Lesson], install: str) -> Files:
    return {f"ipynb/{one.name}.ipynb": notebook(one).encode() for one in lessons}


def _for_nbgrader(lessons: Sequence[Lesson], install: str) -> Files:
    return {
        f"nbgrader/source/{one.name}/{one.name}.ipynb": nbgrader_notebook(one, points(one)).encode()
        for one in lessons
    }


def _zip(lessons: Sequence[Lesson], install: str) -> Files:
    """Everything in one folder, named after its lessons: the next handout overwrites nothing."""
    name = _zip_name(lessons)
    files = {f"{name}/README.txt": _readme(lessons, install).encode()}
    files |= {f"{name}/lessons/{one.name}.ipynb": notebook(one).encode() for one in lessons}
    return {f"{name}.zip": zipped(files)}


FORMATS: dict[str, Callable[[Sequence[Lesson], str], Files]] = {
    "py": _scripts,
    "ipynb": _notebooks,
    "nbgrader": _for_nbgrader,
    "zip": _zip,
}


def _zip_name(lessons: Sequence[Lesson]) -> str:
    if len(lessons) == len(all_lessons()):
        return "camlite-lessons"
    numbers = "-".join(str(one.number) for one in lessons)
    return f"camlite-lesson{'s' * (len(lessons) > 1)}-{numbers}"


def zipped(files: Files) -> bytes:
    """A zip file that depends on names and contents only.

    Nothing is compressed: versions of zlib give different bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # unix, rw-r--r--
            archive.writestr(entry, files[name])
    return buffer.getvalue()


# ------------------------------------------------------------------ README.txt


def _readme(lessons: Sequence[Lesson], install: str) -> str:
    """How to install, work, check and hand in, in plain words."""
    first = lessons[0]
    exercise = next(iter(first.exercises.values()))
    return README.format(
        contents="\n".join(_contents(one) for one in lessons),
        install=_how_to_install(install),
        number=first.number,
        name=first.name,
        exercise=exercise.id,
        function=exercise.name,
        files="\n".join(f"    lessons/{one.name}.ipynb" for one in lessons),
    )


def _how_to_install(command: str) -> str:
    """The command, and where the file lies that it names, if it is one."""
    if not command:
        return TEACHER_KNOWS
    files = re.findall(r"(?<!\S)\./(\S+\.(?:whl|tar\.gz|zip))(?!\S)", command)
    return "\n".join([*map(A_FILE.format, files), f"Type\n\n    {command}"])


def _contents(lesson: Lesson) -> str:
    each = ", ".join(f"{id}: {number:g}" for id, number in points(lesson).items())
    worth = f"{sum(points(lesson).values()):g} points ({each})"
    worth = textwrap.fill(worth, 76, initial_indent="    ", subsequent_indent="    ")
    return f"{lesson.title}\n    about {lesson.minutes} minutes\n{worth}"


README = """\
camlite: class activation maps, lesson by lesson

WHAT IS HERE

{contents}

Your teacher may give other points.

INSTALL, ONCE

You need Python 3.10 or newer. You need no graphics card.
Open a terminal in the folder of this README.txt.
{install}

    camlite doctor

It says whether everything is there, and what to do if not.

If "python" is not found, type python3, or py on Windows. If pip speaks of an
"externally-managed-environment", make an environment of your own first:

    python3 -m venv ~/camlite-env
    source ~/camlite-env/bin/activate

In each new terminal, type the second line again.

WORK

In the same folder, type

    camlite start {number}

Your notebook opens in Jupyter: lessons/{name}.ipynb
You can also open it in VS Code or in another editor. Write your code in place
of the line that raises NotImplementedError. Other cells are yours to play with.

CHECK

Below each exercise stands a cell that checks it, for example

    check("{exercise}", {function})

To check all exercises of a lesson, save the notebook, and type in the terminal

    camlite check {number}

It reads lessons/{name}.ipynb. If your file lies elsewhere:

    camlite check {number} --file path/to/{name}.ipynb

A wrong answer gets a sentence that says what went wrong. For a hint, type

    camlite hint {exercise}

To begin a lesson again (your file is kept in .camlite/backup), type

    camlite reset {number}

HAND IN

Save, and hand in your notebooks:

{files}

Keep the names of the functions, and their arguments in the same order.

HOW IT IS GRADED

* By the same checks as at home. The inputs differ in their values, not in
  their kind: what is right for every input passes there too.
* Only your functions and what they use are run, each with a limit of time and
  memory. A broken plot elsewhere in the notebook costs nothing.
* The methods of camlite (camlite.cam, camlite.grad_cam and all the others)
  cannot be called there. The notebook calls some of them to compare; your own
  functions must not. Write the formula yourself.
* Numbers copied from a message are of no use: graded inputs are others.
"""
