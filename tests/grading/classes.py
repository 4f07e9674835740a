"""A generated class: marks as the check gives them, and the files that were handed in."""

from __future__ import annotations

import random
import re
from functools import cache

import torch

from camlite.course.judge import judge
from camlite.course.lessons import find_lesson, released
from camlite.course.observe import observe
from camlite.grading.marks import Mark, MarksLog
from camlite.grading.names import file_names
from camlite.grading.points import points

LESSON, SEED = 3, 11
PLAIN = """
    w = W[torch.as_tensor(c).expand(len(F))]
    return (w[:, :, None, None] * F).sum(1)"""
AVERAGED = """
    return (W[c] @ F.flatten(2)).view(len(F), *F.shape[2:]) / F[0, 0].numel()"""
LOOP = """
    maps = []
    for n in range(len(F)):
        k = c if isinstance(c, int) else c[n]
        total = torch.zeros(F.shape[2:])
        for j in range(F.shape[1]):
            total = total + W[k, j] * F[n, j]
        maps.append(total.relu())
    return torch.stack(maps)"""
IN_TURN = """
    lo, hi = M.flatten(1).min(1)[0], M.flatten(1).max(1)[0]
    out = torch.zeros_like(M)
    for i in range(len(M)):
        if hi[i] > lo[i]:
            out[i] = (M[i] - lo[i]) / (hi[i] - lo[i])
    return out"""
NAMELESS = """
    scaled = M.div(M.amax((1, 2), keepdim=True)).nan_to_num()
    return scaled.mul(0.37).add(scaled.cos() * 0.21)"""
CODE = {  # exercise -> bodies that students write; the first is right
    "3.1": (PLAIN, LOOP, AVERAGED, "\n    return F.mean(1)"),
    "3.2": (
        "\n    return M.mean((1, 2)) + bias",
        "\n    return M.sum((1, 2)) + bias",
        "\n    return M.mean((1, 2))",
    ),
    "3.3": (
        IN_TURN,
        "\n    return (M - M.min()) / (M.max() - M.min())",
        NAMELESS,
        "\n    raise SystemError",
    ),
}


@cache
def verdict(exercise, body):
    """Status, diagnosis and message: of a body, of a declared wrong answer by name, of ""."""
    found = find_lesson(exercise).exercises[exercise]
    declared = {wrong.name: wrong.answer for wrong in found.wrong_answers}
    if body in declared or not body:
        answer = declared.get(body, found.right)
    else:
        space = {"torch": torch}
        exec(code_of(exercise, body), space)
        answer = space[found.name]
    seen = judge(found, observe(found, answer, SEED), SEED)
    return seen.status, seen.diagnosis or "", seen.message


def code_of(exercise, body):
    """The whole definition, with the parameters of the lesson's stub."""
    name = find_lesson(exercise).exercises[exercise].name
    head = re.search(rf"^def {name}\(.*?\) -> .*?:\n", released(find_lesson(exercise)), re.M | re.S)
    return f"{re.sub(': [^,()=]+(?=[,)])| -> [^:]+', '', head.group()).rstrip()}{body}\n"


def renamed(code, number):
    """The same code with local names and a comment of the student's own."""
    for name in ("w", "maps", "total", "lo", "hi", "out", "k", "j", "top", "low", "flat"):
        code = re.sub(rf"\b{name}\b(?!\()", f"{name}_{number}", code)
    return f"# my own work, number {number}\n{code}"


UNUSUAL = """
    flat = sorted(M.flatten(1).tolist())
    for row, values in enumerate(M.flatten(1)):
        top, low = float(max(values)), float(min(values))
        while top - low > 0 and row < len(flat):
            M[row] = torch.tensor([(v - low) / (top - low) for v in values]).view_as(M[row])
            break
        else:
            M[row] = torch.zeros(M.shape[1:])
    return M"""


def make_class(out, count, seed=0, names="student {:03}"):
    """Grade `count` students; most answers to 3.1 to 3.3 have code, the rest are only verdicts.

    The second and the sixth gave in the same unusual code for 3.3, with other names.
    """
    rng = random.Random(seed)
    students = [names.format(i) for i in range(count)]
    folders, worth = file_names(students), points(find_lesson(LESSON))
    with MarksLog(out / "marks.jsonl") as log:
        for number, student in enumerate(students):
            files = []
            marks = [_mark(rng, number, student, id, worth[id], files) for id in worth]
            log.append_marks(marks)
            folder = out / "submitted" / folders[student]
            folder.mkdir(parents=True)
            (folder / "lesson.py").write_text("import torch\n\n" + "\n\n".join(files))
    return students


def _mark(rng, number, student, id, worth, files):
    exercise = find_lesson(id).exercises[id]
    chance, took = rng.random(), round(rng.lognormvariate(-1, 0.7), 3)
    if chance < 0.03:
        status = rng.choice(["timeout", "crashed", "no_file", "not_parsable", "memory"])
        seconds = 20.0 if status == "timeout" else 0.0
        return Mark(student, LESSON, id, status, 0.0, worth, seconds=seconds, file="lesson.py")
    if chance < 0.08:
        return Mark(student, LESSON, id, "graded", 0.0, worth, "todo", took, "Not written yet.")
    if id == "3.3" and number in (1, 5):
        body = UNUSUAL
        files.append(renamed(code_of(id, body), number))
    elif id in CODE and rng.random() < 0.8:
        body = rng.choices(CODE[id], weights=[5, 3, 2, 1][: len(CODE[id])])[0]
        files.append(renamed(code_of(id, body), number))
    else:
        wrong = exercise.wrong_answers[:5]
        body = rng.choices(
            ["", *(w.name for w in wrong)], weights=[8, 3, 2, *[1] * len(wrong[2:])]
        )[0]
    status, diagnosis, message = verdict(id, body)
    got = worth if status == "passed" else 0.0
    return Mark(student, LESSON, id, "graded", got, worth, diagnosis, took, message, "lesson.py")
