"""Who handed in what: any folder or zip, as a learning system exports it.

One folder (or zip) per student, or files whose names begin with the student. Known are the names
that Canvas and Moodle give to files. Archives are read in memory: no name in one of them is ever
a path here. Links are not followed.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from camlite.course.lessons import Lesson, all_lessons
from camlite.course.submission import UnreadableSubmission, cells_of

MOST_BYTES = 20 * 2**20  # of one file, unpacked
MOST_CODE = 2**20  # of it, without the outputs of a notebook
MOST_UNPACKED = 200 * 2**20  # of one student's zips
MOST_FILES = 500  # of one student
MOST_PROBLEMS = 5
DEEPEST = 3  # zips in zips
SKIPPED = ("__MACOSX", "__pycache__", "node_modules", ".ipynb_checkpoints")
_MOODLE = re.compile(r"^(?P<student>.+?)_(?P<id>\d+)_assignsubmission_\w+?(?:_(?P<rest>.*))?$")
_CANVAS = re.compile(r"^(?P<student>[^_]+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)$")
_COPY = re.compile(
    r"(?:[ _-]*\((?P<a>\d+)\)|-(?P<b>\d+)|[ _-]+(?:copy|kopie)(?: (?P<c>\d+))?)$", re.I
)


@dataclass(frozen=True)
class File:
    """A file of code that was handed in: the path as the student named it, and the bytes."""

    path: str
    data: bytes
    when: tuple[int, ...] = ()  # as the archive or the disk says it; for copies of one file

    @property
    def name(self) -> str:
        """The last part of the path, without what Canvas and Moodle put before it."""
        name = PurePosixPath(self.path).name
        for pattern in (_MOODLE, _CANVAS):
            if (found := pattern.match(name)) and found["rest"]:
                return found["rest"]
        return name

    @property
    def copy(self) -> int:
        """2 for `lesson (2).ipynb` and `lesson-2.ipynb`: a later copy of the same file."""
        found = _COPY.search(PurePosixPath(self.name).stem)
        numbers = [n for n in found.groups() if n] if found else []
        return int(numbers[0]) if numbers else int(bool(found))


@dataclass
class Student:
    """One who handed in: the name, the files of code, and what could not be read."""

    name: str
    files: list[File] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


# ------------------------------------------------------------------ reading folders and archives


def find_students(path: Path) -> list[Student]:
    """All students below a folder or in a zip, by name.

    Raises ValueError where there is no such path, or nobody in it.
    """
    if not path.exists():
        raise ValueError(f"there is no folder or zip {path}")
    top = Student("")
    entries = list(_entries(path, top))
    entries = _below_single_folders(entries)
    students: dict[str, Student] = {}
    folders: dict[str, list[str]] = {}
    for file in entries:
        name, rest = _owner(file)
        name = _numbered(name, _identity(file), folders)
        one = students.setdefault(name, Student(name))
        if len(one.files) < MOST_FILES:
            one.files.append(File(rest, file.data, file.when))
        else:
            one.problems = [f"more than {MOST_FILES} files: the others were not looked at"]
    for problem in top.problems:
        where, _, what = problem.partition("\0")
        name, _ = _owner(_below_single_folders([*entries, File(where, b"")])[-1])
        students.setdefault(name, Student(name)).problems.append(what)
    if not students:
        raise ValueError(
            f"{path} holds no submissions: one folder or zip for each student, or files whose "
            "names begin with the student"
        )
    for one in students.values():
        one.problems = list(dict.fromkeys(one.problems))[:MOST_PROBLEMS]
        one.files = [f for f in one.files if f.name.lower().endswith((".py", ".ipynb"))]
    return [students[name] for name in sorted(students)]


def _entries(path: Path, top: Student) -> Iterator[File]:
    """Every file below a folder or in a zip; what is in zips comes below the zip's name."""
    if path.is_file():
        yield from _expanded(File(path.name, path.read_bytes()), top, _Room(), whole=True)
        return
    for one in sorted(path.rglob("*")):
        where = one.relative_to(path)
        if one.is_symlink() or any(p.is_symlink() for p in _parents(one, path)):
            if not any(map(_skipped, where.parts)):
                top.problems.append(f"{where.as_posix()}\0{where.name} is a link: not followed")
            continue
        if any(map(_skipped, where.parts)):
            continue
        if one.is_dir():
            if not any(one.iterdir()):
                yield File(f"{where.as_posix()}/nothing", b"")  # the student exists
            continue
        if not one.is_file():
            top.problems.append(f"{where.as_posix()}\0{where.name} is no file")
            continue
        status = one.stat()
        if status.st_nlink > 1 or status.st_size > 10 * MOST_BYTES:
            what = "a hard link" if status.st_nlink > 1 else "too large"
            top.problems.append(f"{where.as_posix()}\0{where.name} is {what}: not read")
            continue
        data = one.read_bytes() if _is_read(where.name) else b""
        when = (int(status.st_mtime),)
        yield from _expanded(File(where.as_posix(), data, when), top, _Room())


def _parents(path: Path, top: Path) -> Iterable[Path]:
    return [p for p in path.parents if p != top and p.is_relative_to(top)]


def _skipped(part: str) -> bool:
    return part in SKIPPED or part.startswith(("._", ".DS_Store", ".git", ".camlite"))


@dataclass
class _Room:
    """How many bytes and members may still be unpacked of one student's zips."""

    bytes: int = MOST_UNPACKED
    members: int = 10 * MOST_FILES


def _is_read(name: str) -> bool:
    """Whether what is in a file matters; of others it is enough that they are there."""
    return name.lower().endswith((".py", ".ipynb", ".zip"))


def _expanded(
    file: File, top: Student, room: _Room, depth: int = 0, whole: bool = False
) -> Iterator[File]:
    """The file itself, or what is in it if it is a zip."""
    if not file.path.lower().endswith(".zip"):
        yield from _code_of(file, top)
        return
    below = "" if whole else file.path.removesuffix(PurePosixPath(file.path).suffix) + "/"
    try:
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            yield from _members(archive, below, top, room, depth, whole)
    except Exception as error:  # zipfile raises a dozen kinds for what is no zip
        name = PurePosixPath(file.path).name
        top.problems.append(f"{below or file.path}\0{name} cannot be unpacked: {error}"[:300])
        if not whole:
            yield File(f"{below}{name}", b"")  # the student exists


def _code_of(file: File, top: Student) -> Iterator[File]:
    """A file without what is not code: pictures in a notebook are most of its bytes."""
    data, name = file.data, PurePosixPath(file.path).name
    if name.lower().endswith(".ipynb") and len(data) <= MOST_BYTES:
        with suppress(ValueError, RecursionError):
            data = json.dumps(code_only(json.loads(data.decode("utf-8-sig")))).encode()
    if len(data) > MOST_CODE:
        top.problems.append(f"{file.path}\0{name} is too large")
        yield File(f"{file.path}.too large", b"")  # the student exists
        return
    yield File(file.path, data, file.when)


def code_only(book: Any) -> Any:
    """A notebook's cells of code, without their outputs; what is no notebook stays as it is."""
    cells = book.get("cells") if isinstance(book, dict) else None
    if not isinstance(cells, list):
        return book
    kinds = ("cell_type", "source")
    kept = [{k: c.get(k) for k in kinds} for c in cells if isinstance(c, dict)]
    return {"cells": [c for c in kept if c["cell_type"] == "code"]}


def _members(
    archive: zipfile.ZipFile, below: str, top: Student, room: _Room, depth: int, whole: bool
) -> Iterator[File]:
    """In a zip of the whole class each member has room of its own."""
    for member in archive.infolist():
        where = f"{below}{_safe(member.filename)}"
        name = PurePosixPath(where).name
        if member.is_dir() or any(map(_skipped, PurePosixPath(where).parts)):
            continue
        room = _Room() if whole else room
        room.members -= 1
        if room.members < 0 or room.bytes <= 0:
            top.problems.append(f"{where}\0more than can be unpacked: the rest was not looked at")
            return
        if not _is_read(name):
            yield File(where, b"", member.date_time)  # it shows that the student handed in
            continue
        if (member.external_attr >> 16) & 0o170000 == 0o120000:
            top.problems.append(f"{where}\0{name} is a link: not followed")
            continue
        is_zip = name.lower().endswith(".zip")
        if is_zip and depth == DEEPEST:
            top.problems.append(f"{where}\0{name} lies too deep in other zips")
            continue
        most = 10 * MOST_BYTES if is_zip else MOST_BYTES
        with archive.open(member) as packed:
            data = packed.read(most + 1)
        room.bytes -= len(data)
        if len(data) > most:
            top.problems.append(f"{where}\0{name} is too large")
            continue
        yield from _expanded(File(where, data, member.date_time), top, room, depth + 1)


def _safe(name: str) -> str:
    """A path from an archive, without what leads out of it."""
    parts = re.split(r"[/\\]+", re.sub(r"^[A-Za-z]:", "", name))
    return "/".join(p for p in parts if p not in ("", ".", ".."))[-400:] or "file"


# ------------------------------------------------------------------ who owns a file


def _below_single_folders(entries: list[File]) -> list[File]:
    """`submissions/an/…`, `submissions/bi/…` -> `an/…`, `bi/…`: an outer folder is no student."""
    while True:
        tops = {file.path.split("/")[0] for file in entries}
        seconds = {file.path.split("/")[1] for file in entries if file.path.count("/") >= 2}
        alone = len(tops) == 1 and all("/" in file.path for file in entries)
        if not alone or not (len(seconds) > 1 or _many_owners(entries)):
            return entries
        entries = [File(f.path.split("/", 1)[1], f.data, f.when) for f in entries]


def _many_owners(entries: list[File]) -> bool:
    inner = [File(f.path.split("/", 1)[1], b"") for f in entries]
    return len({_owner(f)[0] for f in inner if "/" not in f.path}) > 1


def _owner(file: File) -> tuple[str, str]:
    """The student of a file, and its path without the student."""
    top, slash, rest = file.path.partition("/")
    if slash:
        found = _MOODLE.match(top)
        return (_cleaned(found["student"]) if found else _cleaned(top)), rest
    for pattern in (_MOODLE, _CANVAS):
        if found := pattern.match(top):
            return _cleaned(f"{found['student']}_{found['id']}"), top
    stem = PurePosixPath(top).stem
    for lesson in all_lessons():
        before, name, _ = stem.partition(lesson.name)
        if name and before.strip(" _-.,"):
            return _cleaned(before.strip(" _-.,")), top
    return _cleaned(stem.split("_")[0] if "_" in stem else stem), top


def _identity(file: File) -> str:
    """What makes a folder's owner another one than that of a folder that looks the same."""
    top, slash, _ = file.path.partition("/")
    found = _MOODLE.match(top)
    return found["id"] if found else top * bool(slash)


def _numbered(name: str, identity: str, folders: dict[str, list[str]]) -> str:
    """`An Li`, and `An Li (2)` for the second of that name: nobody hands in for another one."""
    known = folders.setdefault(name, [])
    if identity and identity not in known:
        known.append(identity)
    place = known.index(identity) if identity else 0
    return f"{name} ({place + 1})" if place else name


def _cleaned(name: str) -> str:
    """A student's name on one line."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in name)).strip()[:200]


# ------------------------------------------------------------------ which file answers a lesson


def answers_to(lesson: Lesson, student: Student) -> list[File]:
    """The student's files for a lesson, the one that counts first (the latest copy).

    A file belongs to the lesson by its name, or, where no name says so, by the functions that it
    defines.
    """
    named = [f for f in student.files if _names(lesson, f)]
    others = [f for f in student.files if not any(_names(one, f) for one in all_lessons())]
    found = named or [f for f in others if _defines(lesson, f)]
    return sorted(found, key=lambda f: (f.when, f.copy, f.path), reverse=True)


def _names(lesson: Lesson, file: File) -> bool:
    name = PurePosixPath(file.name).stem.lower()
    short = lesson.name.partition("_")[2]
    numbered = re.search(rf"(?:^|lesson|les|ex|hw|lab)[ _-]*0*{lesson.number}(?!\d)", name)
    return lesson.name in name or short in name.replace(" ", "_") or bool(numbered)


def _defines(lesson: Lesson, file: File) -> bool:
    try:
        code = "\n".join(cells_of(file.name, file.data))
    except UnreadableSubmission:
        return False
    return any(
        re.search(rf"^(?:def|class) {e.name}\b", code, re.M) for e in lesson.exercises.values()
    )
