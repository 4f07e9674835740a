"""Submitted code on the other side of the trust line, and what keeps it there.

A `Sandbox` is a warm process for one lesson (`camlite.grading.inside`), in namespaces of its own
where bubblewrap is installed: it sees Python, torch and a `camlite` without answers, has no
network, and can write only into its own /tmp. A `Session` is one submission, a fork of it.
What bubblewrap does not limit (memory, processes, time) is watched from here.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import torch

from camlite.course.lessons import Lesson
from camlite.grading.inputs import inputs_only, runs_inside
from camlite.grading.plain import Garbled, receive, send
from camlite.grading.view import uses_the_methods, write_view
from camlite.paths import DATASETS, ROOT

START_SECONDS = 120.0
FIRST_UID, UIDS = 61_000, 2000  # of a sandbox that root starts: nobody's, one for each sandbox
SUBREAPER = 36  # of prctl(2)
MOST_PROCESSES = 32
LIMITS = {"NOFILE": 64, "FSIZE": 16 * 2**20, "CORE": 0, "NPROC": 4 * MOST_PROCESSES}
HOME = "/answer"  # of submitted code, where bubblewrap holds it
POLL = 0.05  # seconds between two looks at memory and processes


class Stopped(Exception):
    """The submission was ended, or ended itself; `status` and `why` say how."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


@dataclass(frozen=True)
class Protection:
    """What holds submitted code: `bubblewrap`, or `limits` alone."""

    kind: str
    why: str = ""


@cache
def protection() -> Protection:
    """What is active on this machine; found by trying it."""
    if shutil.which("bwrap") is None:
        return Protection("limits", "bubblewrap is not installed (Debian, Ubuntu: bubblewrap)")
    command = ["bwrap", *_namespaces(), "--ro-bind", "/", "/", "true"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode:
        return Protection("limits", f"bubblewrap does not work here: {tried.stderr.strip()[:200]}")
    return Protection("bubblewrap")


def _namespaces() -> list[str]:
    own = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    if os.getuid() == 0:  # it becomes somebody else once it has started
        return [*own, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return ["--unshare-user", *own]


def _python_folders() -> list[Path]:
    """Where Python, torch and the other packages lie; the whole of it is readable inside."""
    packages = Path(torch.__file__).resolve().parents[1]
    found = [Path(sys.prefix), Path(sys.base_prefix), packages, *map(Path, site.getsitepackages())]
    system = [Path(name) for name in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")]
    return [path for path in dict.fromkeys([*system, *found]) if path.exists()]


def _bubblewrap(view: Path, environment: dict[str, str]) -> list[str]:
    """The command that closes the process in. Only HOME can be written to."""
    folders = _python_folders()
    covered = [folder for path in folders for folder in _answers_in(path)]
    readable = [*folders, DATASETS, view]
    parents = dict.fromkeys(p for path in readable for p in reversed(path.parents[:-1]))
    return [
        *["bwrap", *_namespaces(), "--die-with-parent", "--new-session", "--clearenv"],
        *(word for name, value in environment.items() for word in ("--setenv", name, value)),
        *["--perms", "0755", "--tmpfs", "/tmp"],
        *(word for path in parents for word in ("--perms", "0755", "--dir", str(path))),
        *(word for path in folders for word in ("--ro-bind", str(path), str(path))),
        *(word for path in covered for word in ("--tmpfs", str(path), "--remount-ro", str(path))),
        *(word for path in readable[-2:] for word in ("--ro-bind", str(path), str(path))),
        *["--dev", "/dev", "--remount-ro", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"],
        *["--proc", "/proc", "--perms", "1777", "--tmpfs", HOME],
        *["--remount-ro", "/tmp", "--remount-ro", "/", "--chdir", HOME],
    ]


def _answers_in(folder: Path) -> list[Path]:
    """Folders with references below a folder that is readable inside: they are covered."""
    installed = Path(__file__).resolve().parents[1]
    candidates = [installed, *(ROOT / name for name in ("solutions", "tests", "camlite"))]
    candidates += [path / "camlite" for path in map(Path, sys.path) if path.name]
    inside = [path for path in candidates if path.is_dir() and path.is_relative_to(folder)]
    return list(dict.fromkeys(inside))


def imports_of(lesson: Lesson) -> list[str]:
    """What the lesson imports: it is imported once, before the forks."""
    found = re.findall(r"^(?:import|from) ([\w.]+)", lesson.text, re.M)
    found += ["torch._dynamo"] if "optim" in lesson.text else []  # some seconds, at a first step
    return [name for name in dict.fromkeys(found) if not name.startswith("camlite")]


class Sandbox:
    """A warm process for the submissions of one lesson; `slot` numbers those that run at once.

    One at a time in a process: what a submission leaves running is looked for below this one.
    """

    def __init__(self, lesson: Lesson, slot: int = 0, memory: int = 2000) -> None:
        self.lesson, self.slot, self.memory = lesson, slot, memory
        self.kind = protection().kind
        self.inside = {e.id for e in lesson.exercises.values() if runs_inside(e)}
        self.folder = tempfile.TemporaryDirectory(prefix="camlite-grading-")
        self.view = Path(self.folder.name) / "view"
        self.control: socket.socket | None = None
        _collect_orphans()
        self.start()

    def start(self) -> None:
        """Start the process; it answers once torch is imported."""
        ours, theirs = socket.socketpair()
        self.errors = (Path(self.folder.name) / "errors.txt").open("w+b")
        command = [sys.executable, "-B", "-m", "camlite.grading.inside"]
        environment = None
        self.uid = _free_uid(self.slot) if os.getuid() == 0 else 0
        self.trusted = {p.pid for p in _all_below()}
        shutil.rmtree(self.view, ignore_errors=True)  # a submission of this user may have written
        write_view(self.view, uses_the_methods(self.lesson))
        _readable(Path(self.folder.name))
        if self.kind == "bubblewrap":
            command = [*_bubblewrap(self.view, self._environment(HOME)), *command]
        else:
            work = _emptied(Path(self.folder.name) / "work")
            environment = self._environment(str(work))
        self.process = subprocess.Popen(
            command,
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
            cwd="/",  # Python looks there for modules: nothing that an answer may write to
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        self.control = ours
        self._greet(ours)
        warm = self.running()
        self.trusted |= {p.pid for p in warm}
        self.baseline = max(map(_own_memory, warm))

    def _greet(self, line: socket.socket) -> None:
        """Tell the process what it serves, and wait until it is ready."""
        hello = {
            "uid": self.uid,
            "inputs": inputs_only(self.lesson.checks, self.inside),
            "own_namespaces": self.kind == "bubblewrap",
            "limits": LIMITS | {"AS": 2 * self.memory * 2**20},
            "imports": imports_of(self.lesson),
        }
        try:
            send(line, hello)
            receive(line, time.monotonic() + START_SECONDS)
        except (EOFError, OSError, Garbled, TimeoutError):
            words = self._last_words()
            self.close()
            raise RuntimeError(f"the process for submitted code did not start: {words}") from None

    def _environment(self, home: str) -> dict[str, str]:
        """All that submitted code sees of the environment."""
        return {
            "PATH": os.defpath,
            "HOME": home,
            "TMPDIR": home,
            "PYTHONPATH": str(self.view),
            "LANG": "C.UTF-8",
            "MPLBACKEND": "agg",
            "OMP_NUM_THREADS": "1",
            "CAMLITE_DATA": "",
        }

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else f"exit code {self.process.poll()}"

    def running(self) -> list[psutil.Process]:
        """The processes of the submission, also where it ended the warm process above it."""
        return [p for p in _all_below() if p.pid not in self.trusted]

    def session(self) -> Session:
        """A fork for one submission. The sandbox is started anew if it has ended."""
        for _ in range(2):
            ours, theirs = socket.socketpair()
            try:
                assert self.control is not None
                socket.send_fds(self.control, [b"."], [theirs.fileno()])
                theirs.close()
                return Session(self, ours)
            except OSError:
                ours.close()
                theirs.close()
                self.close(keep=True)
                self.start()
        raise RuntimeError("the process for submitted code ended twice")

    def settle(self) -> None:
        """After a session: end all that is left of it, empty its folder."""
        self.end_all()
        try:
            assert self.control is not None
            self.control.settimeout(5)
            if self.control.recv(1) != b".":
                raise OSError
            self.control.settimeout(None)
        except OSError:
            self.close(keep=True)
            self.start()
        if self.kind == "limits":
            _emptied(Path(self.folder.name) / "work")
            _remove_files_of(self.uid)

    def end_all(self) -> None:
        """Kill the submission's processes, and those that they start meanwhile."""
        for _ in range(200):
            left = self.running()
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
                with suppress(psutil.Error):
                    process.wait(0)  # where it is an orphan, nobody else does
            if not [p for p in left if _alive(p)]:
                return
            time.sleep(0.01)

    def close(self, keep: bool = False) -> None:
        """End the process; `keep` its folder for a new start."""
        if self.control is not None:
            self.control.close()
        self.end_all()
        with suppress(psutil.Error):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                process.kill()
        self.process.kill()
        self.process.wait()
        self.errors.close()
        if not keep:
            self.folder.cleanup()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Session:
    """One submission: requests and answers, and a guard that ends it when it takes too much."""

    def __init__(self, sandbox: Sandbox, line: socket.socket) -> None:
        self.sandbox, self.line = sandbox, line
        self.ended_for: Stopped | None = None
        self.done = threading.Event()
        self.until = time.monotonic() + 60
        self.guard = threading.Thread(target=self._watch, daemon=True)
        self.guard.start()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """One request. Raises `Stopped` where no good reply comes before `until`."""
        try:
            send(self.line, {"do": do, **request}, self.until)
            reply = receive(self.line, self.until)
            if not isinstance(reply, dict):
                raise Garbled("no reply")
            return reply
        except TimeoutError:
            raise Stopped("timeout", "It did not finish in time. Does a loop never end?") from None
        except Garbled as error:
            raise Stopped("crashed", f"Your code sent what is no result: {error}.") from None
        except (EOFError, OSError):
            time.sleep(2 * POLL)  # the guard may be about to say why
            raise self.ended_for or Stopped(
                "crashed", "Your code ended the Python process (exit, os._exit, a signal)."
            ) from None

    def _watch(self) -> None:
        most = self.sandbox.memory * 2**20
        while not self.done.wait(POLL):
            running = self.sandbox.running()
            if len(running) > MOST_PROCESSES:
                self.ended_for = Stopped("crashed", "Your code started too many processes.")
            elif sum(max(0, _own_memory(p) - self.sandbox.baseline) for p in running) > most:
                used = f"more than {self.sandbox.memory} MB"
                self.ended_for = Stopped("memory", f"Your code used {used} of memory.")
            if self.ended_for:
                self.sandbox.end_all()
                return

    def close(self) -> None:
        """End the submission and all that it started."""
        self.done.set()
        self.guard.join()
        self.line.close()
        self.sandbox.settle()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _own_memory(process: psutil.Process) -> int:
    """Bytes that a process does not share with files."""
    with suppress(OSError, psutil.Error):
        if sys.platform != "linux":
            return int(process.memory_info().rss)
        status = Path(f"/proc/{process.pid}/status").read_text(errors="replace")
        return 1024 * sum(map(int, re.findall(r"^Rss(?:Anon|Shmem):\s*(\d+)", status, re.M)))
    return 0


def _all_below() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _collect_orphans() -> None:
    """What runs below this process stays below it, where the one between them ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def _free_uid(slot: int) -> int:
    """A user who owns no process: one for each sandbox, also of two gradings at once."""
    taken = {p.info["uids"].real for p in psutil.process_iter(["uids"]) if p.info["uids"]}
    first = FIRST_UID + (os.getpid() + slot) % UIDS
    return next(uid for uid in range(first, first + UIDS) if uid not in taken)


def _remove_files_of(uid: int) -> None:
    """What a sandbox's user, who is nobody else, left in folders that all may write to."""
    for folder in filter(os.path.isdir, ("/tmp", "/var/tmp", "/dev/shm") if uid else ()):
        for entry in os.scandir(folder):
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_uid != uid:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _emptied(folder: Path) -> Path:
    """An empty folder that everybody may write to."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    return folder


def _readable(folder: Path) -> None:
    """For the user that the sandbox becomes."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
