"""Answers in a process of their own: what one of them does costs no other its verdict.

A process takes seconds to import torch, so many strange answers share one file.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from camlite.course.lessons import find_exercise, find_lesson
from camlite.course.paths import ROOT
from camlite.course.runner import check_file
from camlite.course.worker import receive

RIGHT = {
    "3.2": "def logit_from_map(M, bias):\n    {}\n    return M.mean((1, 2)) + bias",
    "3.4": """def upsample(M, size):
    {}
    return torch.nn.functional.interpolate(M[:, None], size=size, mode="bilinear")[:, 0]""",
}

STATE = f"""
import torch, os, sys
from helper import one

def class_activation_map(F, W, c):
    M = torch.einsum("nk,nkxy->nxy", W[torch.as_tensor(c).expand(len(F))], F)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.nn.functional.interpolate = print
    sys.stdout.close()
    os.closerange(1, 2)
    os.chdir("/")
    return M

{RIGHT["3.2"].format("import copy, types; assert copy.deepcopy and types.CodeType and one == 1")}

def normalize(M):
    print("a" * 20_000_000)
    for n in range(1000):
        print(n)
    return M

{RIGHT["3.4"].format("print('seen')")}

def overlay(image, heat, alpha=0.5):
    input("a name, please: ")
"""

HOSTILE = f"""
import os, subprocess, sys, torch

def class_activation_map(F, W, c):
    os._exit(0)

{RIGHT["3.2"].format("started()")}

def started():
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with open("child", "w") as file:
        file.write(str(child.pid))

def normalize(M):
    while True:
        print("still here")

def upsample(M, size):
    os.closerange(3, 60)

def overlay(image, heat, alpha=0.5):
    import ctypes
    ctypes.string_at(0)
"""


def check(folder: Path, code: str):
    (folder / "answer.py").write_text(code)
    return {v.id: v for v in check_file(find_lesson(3), folder / "answer.py")}


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    for name in ("copy", "types", "numpy", "torch", "json"):
        (folder / f"{name}.py").write_text("raise RuntimeError('the wrong file')")
    (folder / "helper.py").write_text("one = 1")
    return check(folder, STATE)


def test_what_one_answer_changes_does_not_reach_the_next(state):
    assert (
        "the default dtype, the default device, torch.nn.functional.inter" in state["3.1"].message
    )
    assert (state["3.2"].status, state["3.4"].status) == ("passed", "passed")


def test_files_beside_the_answer_hide_no_module(state):
    assert state["3.2"].status == "passed", state["3.2"].message


def test_prints_are_shown_and_bounded(state):
    assert "Your code printed:\n    aaaa" in state["3.3"].message
    assert len(state["3.3"].message) < 2000
    assert "seen" not in state["3.4"].message


def test_nobody_answers_input(state):
    assert state["3.5"].status == "error"
    assert "EOFError" in state["3.5"].message


@pytest.mark.slow  # five processes, one after the other
def test_an_answer_that_ends_its_process_costs_only_its_own_exercise(tmp_path, monkeypatch):
    monkeypatch.setattr(find_exercise("3.3"), "seconds", 3.0)
    found = check(tmp_path, HOSTILE)
    assert {id: v.status for id, v in found.items()} == {
        "3.1": "error",
        "3.2": "passed",
        "3.3": "error",
        "3.4": "error",
        "3.5": "error",
    }
    assert "ended the Python process in class_activation_map" in found["3.1"].message
    assert "did not finish in 3 seconds" in found["3.3"].message
    assert "ended with code 1 in upsample. OSError" in found["3.4"].message
    assert "The Python process ended with code -11" in found["3.5"].message
    child = Path("/proc") / (tmp_path / "child").read_text() / "stat"
    assert not child.exists() or child.read_text().split(")")[1].split()[0] == "Z"


def test_the_process_ends_with_its_parent(tmp_path):
    (tmp_path / "answer.py").write_text("def class_activation_map(F, W, c):\n    while True: pass")
    process = subprocess.Popen(
        [sys.executable, "-m", "camlite.course.worker", str(tmp_path / "answer.py"), "1", "3.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    assert receive(process.stdout) == b"ready"
    time.sleep(0.2)
    assert process.poll() is None
    process.stdin.close()  # what happens when the parent is killed
    assert process.wait(timeout=20) != 0
