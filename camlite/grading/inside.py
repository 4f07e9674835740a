"""Behind the trust line: one warm process, and a fork of it for each submission.

Started by `camlite.grading.sandbox` as `python -m camlite.grading.inside`, with a `camlite` that
holds no reference (`camlite.grading.view`). The other side sends code and plain values, and gets
plain values back. Nothing is judged here.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from types import ModuleType
from typing import Any

import numpy as np
import torch

from camlite.course.answer import Printed, answer_of
from camlite.course.exercises import Exercise
from camlite.course.observe import Observation, explain, finished, observe
from camlite.course.state import Shared, changes, condition
from camlite.grading.plain import (
    pack,
    random_numbers,
    receive,
    send,
    send_packed,
    set_random_numbers,
)

DUMPABLE, DEATH_SIGNAL, SUBREAPER = 4, 1, 36  # of prctl(2)
NEW_USER, NEW_MOUNTS, NEW_PIDS, NEW_IPC = 0x10000000, 0x20000, 0x20000000, 0x08000000
ROOM = b"size=64m,mode=1777"  # of an answer's own folders


def main() -> None:
    """Serve submissions until the other side closes the control line (file 0)."""
    control = socket.socket(fileno=os.dup(0))
    hello = receive(control)
    if hello["uid"]:
        os.setgroups([])
        os.setresgid(*[hello["uid"]] * 3)
        os.setresuid(*[hello["uid"]] * 3)
    torch.set_num_threads(1)
    exercises = _exercises(hello["inputs"])
    _warm(hello["imports"])
    _prctl(DUMPABLE, 0)  # no answer may look into this process, or write into it
    _prctl(SUBREAPER, 1)  # what an answer leaves running stays below it, and is found
    sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd())]
    os.chdir(os.environ["HOME"])
    send(control, "ready")
    while True:
        data, lines, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        if hello["own_namespaces"]:
            _empty(os.environ["HOME"])
        child = os.fork()
        if child == 0:
            try:
                control.close()
                _serve(socket.socket(fileno=lines[0]), exercises, hello)
            finally:
                os._exit(0)  # whatever an answer raises: Python's own end may take for ever
        os.close(lines[0])
        _wait(child)
        control.send(b".")


def _wait(child: int) -> None:
    """Until the child has ended; orphans of earlier ones are collected too."""
    while True:
        with suppress(ChildProcessError):
            ended, _ = os.wait()
            if ended != child:
                continue
        return


def _empty(folder: str) -> None:
    """What an answer left here, where it had no folder of its own."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def _exercises(inputs: str) -> dict[str, Exercise]:
    """The exercises whose cases are drawn here."""
    module = sys.modules["inputs"] = ModuleType("inputs")
    exec(compile(inputs, "<inputs>", "exec"), vars(module))
    return {v.id: v for v in vars(module).values() if isinstance(v, Exercise)}


def _warm(imports: list[str]) -> None:
    """What torch, numpy and others load at the first use is loaded once, before the forks."""
    for name in imports:
        with suppress(ImportError):
            importlib.import_module(name)
    x = torch.rand(1, 2, 4, 4, requires_grad=True)
    torch.nn.Conv2d(2, 2, 3)(x).relu().sum().backward()
    torch.nn.functional.interpolate(x, size=(6, 6), mode="bilinear")
    np.linalg.svd(np.eye(2))


def _prctl(what: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(what, value, 0, 0, 0)


# ------------------------------------------------------------------ a process for one submission


def _serve(line: socket.socket, exercises: dict[str, Exercise], hello: dict[str, Any]) -> None:
    """Answer the other side's requests until it hangs up."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hello["own_namespaces"]:
        _into_own_namespaces()
    os.chdir(os.environ["HOME"])  # the folder may be a new one of this name
    _limit(hello["limits"])
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
    with suppress(EOFError, OSError):
        _Submission(line, exercises).serve()


def _into_own_namespaces() -> None:
    """Own processes, own HOME, own shared memory: all of it is gone when the first process ends.

    Where the system does not allow it, the other side cleans up after the submission.
    """
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None)
    _prctl(DUMPABLE, 1)  # else the files below belong to root
    if libc.unshare(NEW_USER | NEW_MOUNTS | NEW_PIDS | NEW_IPC):
        return
    with suppress(OSError):
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        os._exit(0)
    _prctl(DEATH_SIGNAL, signal.SIGKILL)
    libc.mount(b"proc", b"/proc", b"proc", 14, None)  # its own, where it may
    for folder in (os.environ["HOME"], "/dev/shm"):
        libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 6, ROOM)
    with suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")  # in one more it could mount what it likes: a disk without limit
    _drop_capabilities(libc)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Whoever makes a namespace is its administrator; an answer is not."""
    version_3, this_process, none = 0x20080522, 0, (0,) * 6
    header, sets = (ctypes.c_uint32 * 2)(version_3, this_process), (ctypes.c_uint32 * 6)(*none)
    libc.capset(header, sets)


def _limit(limits: dict[str, int]) -> None:
    """Limits of the system, by name: {"NOFILE": 64}; where one is lower already, that stays."""
    for name, most in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        most = most + _address_space() if name == "AS" else most
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _address_space() -> int:
    """Bytes that are reserved already; torch reserves many."""
    with suppress(OSError), open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
    return 2**40


class _Submission:
    """What the other side may ask of one submission."""

    def __init__(self, line: socket.socket, exercises: dict[str, Exercise]) -> None:
        self.line, self.exercises = line, exercises
        self.code: list[str] = []
        self.answer: Callable[..., Any] | None = None
        self.printed = Printed()

    def serve(self) -> None:
        """One request after the other: {"do": name, …}."""
        while True:
            request = receive(self.line)
            do = {"define": self.define, "observe": self.observe, "call": self.call}[request["do"]]
            with redirect_stdout(self.printed), redirect_stderr(Printed()):
                reply = do(request)
            self.send(reply | {"printed": self.printed.beginning()})

    def send(self, reply: dict[str, Any]) -> None:
        """The reply; where its result is none that can be looked at, that it is none."""
        try:
            data = pack(reply)
        except Exception as error:
            data = pack({k: v for k, v in reply.items() if k != "result"} | failed(error))
        send_packed(self.line, data)

    def define(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run the code that gives a name its value: what it is, or why it is nothing to call."""
        self.code, name = request.get("code", self.code), request["name"]
        self.printed, self.answer = Printed(), None
        self.shared = Shared()
        try:
            found = answer_of(self.code, name)
        except BaseException as error:  # KeyboardInterrupt, GeneratorExit
            found = Observation(error=type(error).__name__, detail=explain(error))
        finally:
            self.shared.restore()
        if isinstance(found, Observation):
            return {"error": found.error, "detail": found.detail}
        self.answer = found
        return {}

    def observe(self, request: dict[str, Any]) -> dict[str, Any]:
        """Draw the cases here and say what was seen, as `course.observe` does."""
        assert self.answer is not None
        seen = observe(self.exercises[request["id"]], self.answer, request["seed"])
        return {"seen": [[one.parts, one.error, one.detail] for one in seen]}

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """One call with the given arguments: the result or the error, and all that it changed."""
        assert self.answer is not None
        args, kwargs = request["args"], request["kwargs"]
        given = [*args, *kwargs.values()]
        before = condition(given, "given")
        set_random_numbers(request["random"])
        try:
            reply = {"result": finished(self.answer(*args, **kwargs))}
        except BaseException as error:
            reply = failed(error)
        reply |= {"random": random_numbers(), "shared": self.shared.restore()}
        generators = any(isinstance(value, torch.Generator) for value in given)
        if generators or changes(before, condition(given, "given")):
            reply["given"] = given
        return reply


def failed(error: BaseException) -> dict[str, Any]:
    """An error as part of a reply."""
    bases = [base.__name__ for base in type(error).__mro__]
    return {"error": type(error).__name__, "bases": bases, "detail": explain(error)}


if __name__ == "__main__":
    main()
