"""Hostile and broken submissions to lesson 9, and the row that each must get.

Most are the body of exercise 9.1, `hires_cam(F, G)`; what stands below it (9.2, 9.3) is right and
must stay so. A body that tries to *steal* searches at its first call, and answers `right` if it
found something. A body that tries to *harm* returns `right`: it must harm nobody.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

REST = """
def xgrad_cam(F, G):
    total = F.sum((2, 3), keepdim=True)
    weights = (F * G).sum((2, 3), keepdim=True) / torch.where(total == 0, 1.0, total)
    return (torch.where(total == 0, 0.0, weights) * F).sum(1).relu()


def conservation_gap(M, logit, bias):
    return (M.sum((1, 2)) + bias - logit).abs()
"""
HONEST = "import torch\n\n\ndef hires_cam(F, G):\n    return (G * F).sum(1)\n\n" + REST
BEFORE = "import ctypes, gc, json, mmap, os, signal, socket, subprocess, sys, threading, time\n"
OTHER = 61_000  # where users of sandboxes begin


@dataclass(frozen=True)
class Row:
    """What marks.csv must say: one of the statuses, and the share of the points."""

    statuses: tuple[str, ...]
    share: float = 0.0


RIGHT = Row(("graded",), 1.0)
WRONG = Row(("graded",))
CRASHED, TIMEOUT, REFUSED = (Row((status,)) for status in ("crashed", "timeout", "refused"))
MEMORY = Row(("memory", "timeout"))  # on a machine with much to do the time is over first
NO_FILE, NOT_PARSABLE = Row(("no_file",)), Row(("not_parsable",))
ANY = Row(("graded", "crashed", "timeout", "memory"), -1)
NO_POINTS = Row(("graded", "crashed", "timeout", "memory", "refused"))


@dataclass(frozen=True)
class Hostile:
    """One submission. `limits` is the row where resource limits alone hold it; `not_stopped` says
    what these cannot stop. `rest`: the row of the other exercises.
    """

    name: str
    bubblewrap: Row
    limits: Row
    code: str = ""
    write: Callable[[Path], None] | None = None
    rest: Row = RIGHT
    not_stopped: str = ""
    slow: bool = False
    alike: bool = False  # what holds it makes no difference: in one mode it is slow

    def is_slow(self, mode: str) -> bool:
        """Whether it is left to the slow tests of this mode."""
        return self.slow or (self.alike and mode == "limits")

    def row(self, mode: str) -> Row:
        """The expected row of exercise 9.1."""
        return self.bubblewrap if mode == "bubblewrap" else self.limits


SET: list[Hostile] = []


def body(
    name: str,
    row: Row,
    code: str,
    *,
    limits: Row | None = None,
    not_stopped: str = "",
    slow: bool = False,
    rest: Row = RIGHT,
    more: str = "",
    alike: bool = False,
) -> None:
    """Add a submission whose `hires_cam` has this body."""
    text = (
        f"import torch\nimport numpy as np\n{BEFORE}{dedent(more)}\n\n"
        "def hires_cam(F, G):\n"
        "    right, wrong = (G * F).sum(1), torch.zeros(1)\n"
        "    first, hires_cam.called = not hasattr(hires_cam, 'called'), True\n"
        f"{indent(dedent(code).strip(), '    ')}\n\n{REST}"
    )
    SET.append(
        Hostile(
            name,
            row,
            limits or row,
            text,
            rest=rest,
            not_stopped=not_stopped,
            slow=slow,
            alike=alike,
        )
    )


def files(name: str, row: Row, write: Callable[[Path], None], slow: bool = False) -> None:
    """Add a student whose folder `write` fills."""
    SET.append(Hostile(name, row, row, write=write, rest=row, slow=slow, alike=True))


def steal(name: str, code: str, *, not_stopped: str = "", row: Row = WRONG) -> None:
    """Add a body that looks for something; where `not_stopped`, limits alone may let it."""
    limits = Row(("graded",), -1) if not_stopped else row
    search = f"def search():\n{indent(dedent(code).strip(), '    ')}\n"
    search += "if first: hires_cam.found = search()\nreturn right if hires_cam.found else wrong"
    body(name, row, search, limits=limits, not_stopped=not_stopped)


def harm(name: str, code: str, **more) -> None:
    """Add a body that does its worst and then answers as it should."""
    body(name, more.pop("row", RIGHT), f"{dedent(code).strip()}\nreturn right", **more)


# ------------------------------------------------------------------ taking all there is

body("endless loop", TIMEOUT, "while True: pass")
body("sleeps for ever", TIMEOUT, "time.sleep(10**6)", slow=True)
body(
    "endless loop in C",
    TIMEOUT,
    "import re\nre.match('(a+)+$', 'a' * 40 + 'b')\nreturn right",
    slow=True,
)
body(
    "an endless loop that no exception ends",
    TIMEOUT,
    """
    while True:
        try:
            while True: time.sleep(0.01)
        except BaseException: pass
    """,
    slow=True,
)
body(
    "fork bomb",
    Row(("crashed", "timeout", "memory")),
    """
    while True:
        try: os.fork()
        except OSError: pass
    """,
)
body(
    "fork bomb of sessions",
    Row(("crashed", "timeout", "memory")),
    """
    while True:
        try:
            if os.fork() == 0: os.setsid()
        except OSError: pass
    """,
    slow=True,
)
harm(
    "thread bomb",
    """
    def spin():
        while True: time.sleep(0.01)
    try:
        for _ in range(first * 1000): threading.Thread(target=spin, daemon=True).start()
    except RuntimeError: pass
    """,
)
body("memory bomb: a list", MEMORY, "x = []\nwhile True: x.append(bytearray(2**24))")
body("memory bomb: one tensor", MEMORY, "return torch.ones(2**40)")
body("memory bomb: one numpy array", MEMORY, "return np.ones(2**40)")
body("memory bomb: tensors", MEMORY, "x = []\nwhile True: x.append(torch.ones(2**22))")
body("memory bomb: an int", MEMORY, "x = 1\nwhile True: x = x << 2**26 | 1", slow=True)
body(
    "memory bomb: C",
    MEMORY,
    """
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while True:
        p = libc.malloc(ctypes.c_size_t(2**24))
        if p: libc.memset(ctypes.c_void_p(p), 1, ctypes.c_size_t(2**24))
    """,
)
body(
    "memory bomb: shared pages",
    MEMORY,
    """
    x = []
    while True:
        m = mmap.mmap(-1, 2**24)
        m.write(b"x" * 2**24)
        x.append(m)
    """,
)
body(
    "memory bomb: a file in memory",
    Row(("memory", "graded", "crashed")),
    """
    files, block = [], b"x" * 2**20
    for _ in range(20):
        if os.fork() == 0: files = []
        for _ in range(50):
            files.append(os.memfd_create("x"))
            for _ in range(15): os.write(files[-1], block)
    """,
    rest=ANY,
    slow=True,
)
body(
    "memory bomb: in many processes",
    Row(("memory", "crashed")),
    """
    for _ in range(12):
        if os.fork() == 0:
            x = b"x" * (150 * 2**20)
            time.sleep(60)
    time.sleep(60)
    """,
)
body(
    "memory bomb: segments of System V",
    Row(("memory", "graded", "timeout"), -1),  # not stopped by either, but gone at the end
    """
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    held = 0
    for _ in range(20 * first):
        key = libc.shmget(0, ctypes.c_size_t(2**26), 0o1600)
        if key < 0: break
        at = libc.shmat(key, None, 0)
        ctypes.memset(ctypes.c_void_p(at), 1, 2**26)
        libc.shmdt(ctypes.c_void_p(at))
        held += 2**26
    return right if held > 2**30 else wrong
    """,
    limits=Row(("memory", "graded", "timeout"), -1),
    not_stopped="memory that no process holds (segments of System V)",
    slow=True,
)
harm(
    "fills the disk",
    """
    block, written = b"x" * 2**20, 0
    try:
        for i in range(first * 20):
            with open(os.path.expanduser(f"~/{i}"), "wb", buffering=0) as file:
                for _ in range(10): written += file.write(block)
    except OSError: pass
    """,
)
harm(
    "one endless file",
    """
    try:
        with open("endless", "wb") as file:
            for _ in range(first * 1000): file.write(b"x" * 2**20)
    except OSError: pass
    assert os.path.getsize("endless") <= 2**25
    """,
)
harm(
    "a hundred thousand files",
    """
    try:
        for i in range(first * 3000): open(f"file {i}", "w").close()
    except OSError: pass
    """,
)
harm(
    "opens all files",
    """
    held = []
    try:
        while len(held) < 5000: held.append(open("/dev/null"))
    except OSError: pass
    assert len(held) < 100
    """,
)
harm(
    "gigabytes of prints",
    """
    text = "x" * 10**6
    for _ in range(200 * first):
        print(text)
        os.write(1, text.encode())
        os.write(2, text.encode())
        sys.__stdout__.write(text)
    """,
)
body(
    "an endless list",
    Row(("memory", "timeout")),
    """
    class Endless(list):
        def __iter__(self):
            while True: yield 1
    return Endless([1])
    """,
)
body("a text of 30 MB", WRONG, "return 'x' * (3 * 10**7)")
body("a list of a million numbers", WRONG, "return list(range(10**6))")
body("a tensor of 64 million numbers", NO_POINTS, "return torch.zeros(2**26)")
body("a tensor of a trillion numbers", NO_POINTS, "return torch.zeros(1).expand(2**40)")
body("no numbers, but a huge shape", NO_POINTS, "return torch.zeros(0, 2**40)")
body("an int of a million digits", WRONG, "return 1 << 3_000_000")
body(
    "lists in lists in lists",
    NO_POINTS,
    """
    x = []
    for _ in range(10**4): x = [x]
    return x
    """,
)

# ------------------------------------------------------------------ ending the process

body("os._exit", CRASHED, "os._exit(0)")
body("sys.exit", WRONG, "sys.exit(0)")
body("KeyboardInterrupt", WRONG, "raise KeyboardInterrupt")
body("GeneratorExit", WRONG, "raise GeneratorExit")
body("kills itself", WRONG, "os.kill(os.getpid(), signal.SIGKILL)", limits=CRASHED)
body("stops itself", WRONG, "os.kill(os.getpid(), signal.SIGSTOP)", limits=TIMEOUT)
body(
    "an alarm",  # the first process of a namespace does not hear it
    Row(("crashed", "graded"), -1),
    "signal.setitimer(signal.ITIMER_REAL, 0.1)\ntime.sleep(0.2 * first)\nreturn right",
)
body(
    "kills its parent",
    CRASHED,  # the parent is not to be seen; number 0 is the process group
    """
    if first: os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(0.2 * first)
    return right
    """,
    limits=RIGHT,
)
body("stops its parent", NO_POINTS, "if first: os.kill(os.getppid(), signal.SIGSTOP)\nreturn wrong")
body("kills its process group", CRASHED, "os.kill(0, signal.SIGKILL)\ntime.sleep(60)")
harm(
    "kills all that it may",
    """
    try: os.kill(-1, signal.SIGKILL)
    except OSError: pass
    """,
)
harm(
    "kills every process by its number",
    """
    for pid in range(2, 5000):
        if first and pid != os.getpid():
            try: os.kill(pid, signal.SIGKILL)
            except OSError: pass
    """,
)
body("a segmentation fault", CRASHED, "ctypes.string_at(0)")
body("abort", CRASHED, "os.abort()")
body("recursion", WRONG, "return hires_cam(F, G)")
body(
    "recursion without a limit",
    Row(("crashed", "memory", "timeout")),
    """
    sys.setrecursionlimit(10**9)
    x = []
    for _ in range(10**6): x = [x]
    return len(repr(x))
    """,
)
body("closes all files", CRASHED, "os.closerange(0, 100)\nreturn right")
body("destroys the interpreter", CRASHED, "ctypes.pythonapi.Py_Finalize()\nreturn right")
body("forks and answers twice", NO_POINTS, "if first: os.fork()\nreturn wrong", rest=ANY)

# ------------------------------------------------------------------ patching what judges

for where, patch in {
    "torch.isclose and allclose": "torch.isclose = torch.allclose = torch.equal = "
    "lambda *a, **k: torch.tensor(True)",
    "torch.Tensor": "torch.Tensor.__eq__ = torch.Tensor.sum = lambda *a, **k: True",
    "numpy": "np.isclose = np.allclose = np.array_equal = lambda *a, **k: np.array(True)",
    "builtins": "import builtins\nbuiltins.len = lambda x: 0\nbuiltins.all = lambda x: True",
    "builtins.isinstance": "import builtins\nbuiltins.isinstance = lambda a, b: True",
    "json": "json.dumps = lambda *a, **k: '{\"tree\": true, \"arrays\": []}'",
    "the whole of json": "sys.modules['json'] = None\njson.JSONEncoder = None",
    "observe": "import camlite.course.observe as o\no.close = o.differing = lambda *a: True\n"
    "o.observe = lambda *a: []",
    "Shared": "import camlite.course.state as s\ns.Shared.restore = lambda self: []\n"
    "s.same = lambda a, b: True",
    "plain.pack": "import camlite.grading.plain as p\n"
    "p.pack = lambda v: b'\\0' * 8",
    "the worker's Submission": "w = sys.modules['__main__']\n"
    "w._Submission.call = lambda self, r: {'result': 1, 'status': 'passed', 'points': 99}",
    "the worker's names": "w = sys.modules['__main__']\n"
    "w.send = lambda line, value: None\nw.receive = lambda line: {}",
    "socket": "socket.socket.sendall = lambda *a: None",
    "time": "time.monotonic = lambda: 0.0\ntime.time = lambda: 0.0",
}.items():  # fmt: skip
    slow = where in ("socket", "the worker's names")  # nothing is sent: until the time is out
    body(f"patches {where}", NO_POINTS, f"{patch}\nreturn wrong", slow=slow, rest=ANY)
body(
    "patches a sum for the next exercise",
    NO_POINTS,
    "torch.Tensor.sum = lambda self, *a, **k: self\nreturn wrong",
)
body(
    "an import hook",
    WRONG,
    """
    class Hook:
        def find_spec(self, *a): raise SystemExit
    sys.meta_path.insert(0, Hook())
    return wrong
    """,
)
body(
    "a trace and a profile",
    Row(("graded", "crashed", "timeout")),
    """
    def trace(frame, event, value):
        for name in list(frame.f_locals):
            if name in ("status", "points"): frame.f_locals[name] = "passed"
        return trace
    sys.settrace(trace)
    sys.setprofile(trace)
    return wrong
    """,
)
body(
    "atexit and __del__",
    CRASHED,
    """
    import atexit
    atexit.register(os._exit, 0)
    class Last:
        def __del__(self): os._exit(0)
    hires_cam.last = Last()
    return wrong
    """,
)
body("the default dtype", WRONG, "torch.set_default_dtype(torch.float64)\nreturn right")
body("the gradient mode", WRONG, "torch.set_grad_enabled(False)\nreturn right")
body("the seed", WRONG, "torch.manual_seed(1)\nreturn right")
body("deterministic algorithms", WRONG, "torch.use_deterministic_algorithms(True)\nreturn right")

# ------------------------------------------------------------------ results that are no results

for what, value in {
    "NaN everywhere": "right * float('nan')",
    "infinity": "right * float('inf')",
    "complex numbers": "right.to(torch.complex64)",
    "truth values": "right > 0",
    "whole numbers": "right.int()",
    "half of the precision": "right.to(torch.bfloat16)",
    "an empty tensor": "torch.zeros(0)",
    "nothing": "None",
    "words": "'graded, 1 point'",
    "an object array": "np.array([object()])",
    "a structured array": "np.zeros(3, [('a', 'f4')])",
    "dates": "np.array(['2026-01-01'], 'datetime64[D]')",
    "bytes": "b'passed'",
    "a set": "{1, 2}",
    "a generator": "(x for x in right)",
    "a function": "lambda: right",
    "a module": "torch",
    "a type": "torch.Tensor",
    "an exception": "ValueError('x')",
    "a verdict": "{'status': 'passed', 'points': 99, 'result': True}",
    "a meta tensor": "right.to('meta')",
    "a sparse tensor": "torch.zeros(3, 3).to_sparse()",
    "a quantised tensor": "torch.quantize_per_tensor(torch.zeros(3), 1.0, 0, torch.quint8)",
    "8 bits": "right.to(torch.float8_e4m3fn)",
    "a nested tensor": "torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])",
    "a view of the input": "F[:, 0]",
    "the input": "F",
    "what another seed gives": "(torch.randn(F.shape) * torch.randn(F.shape)).sum(1)",
}.items():
    body(f"returns {what}", NO_POINTS, f"return {value}", alike=True)
body("the right values in 64 bits", RIGHT, "return right.double()")
body("mutates its input", WRONG, "G.mul_(0)\nreturn right")
body(
    "keeps a gradient in its input",
    WRONG,
    """
    F.requires_grad_(True)
    F.sum().backward()
    return right
    """,
)
body(
    "equal to everything",
    WRONG,
    """
    class Equal:
        def __eq__(self, other): return True
        def __ne__(self, other): return False
        def __hash__(self): return 0
        def __bool__(self): return True
        def __len__(self): return 1
        def __float__(self): return 1.0
        def __getattr__(self, name): return self
        def __call__(self, *a, **k): return self
    return Equal()
    """,
)
body(
    "__array__",
    WRONG,
    """
    class Array:
        def __array__(self, *a, **k): raise SystemExit
        __array_interface__ = {"shape": (2**40,), "typestr": "<f8", "data": (0, True), "version": 3}
    return Array()
    """,
)
body(
    "a str that is equal to all",
    WRONG,
    """
    class Text(str):
        def __eq__(self, other): return True
        def __hash__(self): return 0
    return Text("x")
    """,
)
body(
    "a float that is equal to all",
    WRONG,
    """
    class Number(float):
        def __eq__(self, other): return True
        def __array__(self, *a, **k): os._exit(3)
    return Number(0)
    """,
)
body(
    "a tensor subclass that agrees to all",
    NO_POINTS,
    """
    class Yes(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return True
    return wrong.as_subclass(Yes)
    """,
)
body(
    "a tensor that is computed when it is looked at",
    RIGHT,
    """
    class Other(torch.Tensor):
        shape = property(lambda self: right.shape)
        def numpy(self): return right.numpy()
        def detach(self): return self
        def cpu(self): return self
        layout = torch.strided
    return torch.zeros(9).as_subclass(Other)
    """,
)
body(
    "a numpy subclass",
    NO_POINTS,
    """
    class Yes(np.ndarray):
        def __eq__(self, other): return True
        def __array_ufunc__(self, *a, **k): return True
        def __array_finalize__(self, other): pass
    return np.zeros(9).view(Yes)
    """,
)
body(
    "a dict that lies",
    NO_POINTS,
    """
    class Lies(dict):
        def items(self): return [("result", right)] * 10
        def __len__(self): return 10**9
    return Lies()
    """,
)
body(
    "pickles itself",
    WRONG,
    """
    class Pickled:
        def __reduce__(self): return os.system, ("touch /tmp/pickled",)
    return Pickled()
    """,
)
body(
    "an async answer that never ends",
    TIMEOUT,
    "return forever()",
    slow=True,
    more="""
    class Never:
        def __await__(self):
            while True: yield
    async def forever(): await Never()
    """,
)
body("an async generator", WRONG, "return stream()", more="async def stream(): yield 1")
body(
    "an error with HTML and colours in it",
    WRONG,
    r"""
    name = "<script>alert(1)</script>\x1b[2J"
    print("\x1b]0;owned\x07<img src=x onerror=alert(2)>")
    raise type(name, (Exception,), {})("\x1b[31m<img src=x onerror=alert(3)>\u202e\ud800")
    """,
)
body(
    "an error that cannot be printed",
    WRONG,
    """
    class Shy(Exception):
        def __str__(self): raise SystemExit
        __repr__ = __str__
    raise Shy
    """,
)
body(
    "an error that ends the process when printed",
    CRASHED,
    """
    class Last(Exception):
        def __str__(self): os._exit(0)
    raise Last
    """,
)
body("an error with an impossible name", NO_POINTS, r'raise type("\ud800\n", (Exception,), {})')
body(
    "says that it is refused", REFUSED, r"raise type('WriteItYourself', (Exception,), {})('\ud800')"
)
body("a group of errors", NO_POINTS, "raise BaseExceptionGroup('x', [SystemExit()])")

# ------------------------------------------------------------------ stealing the answer

steal(
    "walks the frames",
    """
    frame = sys._getframe()
    while frame:
        for space in (frame.f_locals, frame.f_globals):
            for value in list(space.values()):
                if callable(getattr(value, "right", None)): return True
        frame = frame.f_back
    """,
)
steal(
    "asks the garbage collector",
    """
    for value in gc.get_objects():
        if type(value).__name__ == "Exercise" and value.right: return True
    """,
)
steal(
    "looks for a function that is right",
    """
    for value in gc.get_objects():
        if type(value).__name__ == "function" and value.__code__.co_argcount == 2:
            if value is hires_cam or value.__code__.co_varnames[:2] != ("F", "G"): continue
            if value.__name__ in ("xgrad_cam",): continue
            return True
    """,
)
steal(
    "sys.modules",
    """
    for name, module in list(sys.modules.items()):
        if "camlite" in name or name.startswith("test_"):
            for value in list(vars(module).values()):
                if callable(getattr(value, "right", None)): return True
                if getattr(value, "__name__", "") in ("hires_cam", "grad_cam"): return True
    """,
)
steal(
    "imports the judge",
    """
    for name in ("judge", "lessons", "mistakes", "runner"):
        try:
            module = __import__(f"camlite.course.{name}", fromlist=["x"])
            if module.__file__: return True
        except (ImportError, AttributeError, TypeError): pass
    """,
)
steal("reads the solutions", """
    from pathlib import Path
    for root in ("@ROOT@", *sys.path, *Path.cwd().parents):
        for path in ("solutions", "tests/lessons", "camlite/methods"):
            try:
                if any("hires" in one.name for one in (Path(root) / path).glob("*.py")): return True
            except OSError: pass
    """, not_stopped="it reads the solutions from the disk")  # fmt: skip
steal("finds the clone by the packages' files", """
    from pathlib import Path
    for folder in [*map(Path, sys.path), Path(torch.__file__).parents[1]]:
        for note in folder.glob("*camlite*.pth") if os.access(folder, os.R_OK) else ():
            for line in note.read_text().splitlines():
                if (Path(line) / "camlite/methods/gradient.py").exists(): return True
                if (Path(line) / "solutions").is_dir(): return True
        if os.path.exists(folder / "camlite/course/judge.py"): return True
    """, not_stopped="it reads the solutions from the disk")  # fmt: skip
steal("imports camlite from the clone", """
    for name in [n for n in sys.modules if n.split(".")[0] == "camlite"]: del sys.modules[name]
    kept, sys.path[:] = sys.path[:], ["@ROOT@", *sys.path]
    try:
        from camlite.course.lessons import find_exercise
        return callable(find_exercise("9.1").right)
    except Exception: return False
    finally: sys.path[:] = kept
    """, not_stopped="it imports camlite from the disk")  # fmt: skip
steal("looks into the files of other processes", """
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for what in ("environ", "maps"):
            try:
                with open(f"/proc/{pid}/{what}", "rb") as file:
                    if pid != os.readlink("/proc/self") and file.read(1): return True
            except OSError: pass
    """)  # fmt: skip
steal(
    "reads the memory of its parent",
    """
    for pid in {os.getppid(), 1} - {os.getpid(), 0}:
        try:
            with open(f"/proc/{pid}/mem", "rb") as file: return True
        except OSError: pass
    """,
)
steal(
    "writes into the memory of its parent",
    """
    for pid in {os.getppid(), 1} - {os.getpid(), 0}:
        try:
            with open(f"/proc/{pid}/mem", "r+b") as file: return True
        except OSError: pass
    """,
)
steal(
    "ptrace",
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in {os.getppid(), 1} - {os.getpid(), 0}:
        if libc.ptrace(16, pid, 0, 0) == 0: return True
        if libc.ptrace(0x4206, pid, 0, 0) == 0: return True
    """,
)
steal(
    "process_vm_readv",
    """
    class Piece(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
    libc, here = ctypes.CDLL(None), ctypes.create_string_buffer(8)
    mine = Piece(ctypes.addressof(here), 8)
    theirs = Piece(id(wrong), 8)
    for pid in {os.getppid(), 1} - {os.getpid(), 0}:
        if libc.process_vm_readv(pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0) > 0:
            return True
    """,
)
steal(
    "becomes root",
    """
    for change in (os.setuid, os.seteuid, os.setgid):
        try:
            change(0)
            return True
        except OSError: pass
    """,
)
steal(
    "takes the environment",
    """
    if any("SECRET" in name for name in os.environ): return True
    """,
)
steal(
    "unmounts what covers",
    """
    libc = ctypes.CDLL(None)
    for path in (b"/answer", b"/proc", b"/dev/shm", b"/tmp", b"@ROOT@/solutions"):
        if libc.umount2(path, 2) == 0: return True
    """,
)
steal(
    "mounts a larger disk",
    """
    libc = ctypes.CDLL(None)
    if libc.mount(b"tmpfs", os.environ["HOME"].encode(), b"tmpfs", 0, b"size=90g") == 0:
        return True
    """,
)
steal(
    "makes a namespace of its own, to mount in it",
    """
    libc = ctypes.CDLL(None)
    if os.fork() == 0:
        held = libc.unshare(0x10000000 | 0x20000) == 0
        held = held and libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, b"size=90g") == 0
        os._exit(7 if held else 0)
    if os.waitstatus_to_exitcode(os.wait()[1]) == 7: return True
    """,
    not_stopped="namespaces of its own, where the system allows them to everybody",
)
steal(
    "changes the system",
    """
    for path in ("/proc/sys/kernel/shmall", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"):
        try:
            with open(path, "w") as file: file.write("1")
            return True
        except OSError: pass
    """,
)
steal(
    "the network",
    """
    try:
        with socket.socket() as line:
            line.connect(("127.0.0.1", @PORT@))
            return True
    except OSError: pass
    """,
    not_stopped="it uses the network",
)
steal(
    "a name server",
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.sendto(b"x", ("192.0.2.1", 53))
            return True
    except OSError: pass
    """,
    not_stopped="it uses the network",
)
steal(
    "changes what camlite is here",
    """
    import camlite
    for path in (camlite.__file__, torch.__file__, json.__file__):
        try:
            with open(path, "a") as file: return True
        except OSError: pass
    """,
)

# ------------------------------------------------------------------ calling what it should be

body("camlite.hires_cam", REFUSED, "import camlite\nreturn camlite.hires_cam(F, G)")
body(
    "importlib",
    REFUSED,
    """
    import importlib
    return importlib.import_module("camlite.methods.gradient").hires_cam(F, G)
    """,
)
body("getattr", REFUSED, "return getattr(__import__('camlite'), 'hires' + '_cam')(F, G)")
body("from camlite import", REFUSED, "from camlite import hires_cam as h\nreturn h(F, G)")
body("METHODS", REFUSED, "import camlite\nreturn camlite.METHODS.get('hires_cam')(F, G)")
body(
    "camlite.hires_cam, and hides that it was refused",
    WRONG,
    """
    import camlite
    try: return camlite.hires_cam(F, G)
    except Exception: return wrong
    """,
)

# ------------------------------------------------------------------ forged messages

FORGE = """
    def line():
        for number in range(3, 64):
            try: found = socket.socket(fileno=os.dup(number))
            except OSError: continue
            if found.family == socket.AF_UNIX: return found
    def say(data, end=True):
        line().sendall(len(data).to_bytes(8, "big") + data)
        time.sleep(0.3)
        os._exit(0)
    def message(tree, arrays=(), raw=b""):
        text = tree if isinstance(tree, bytes) else json.dumps(
            {"tree": tree, "arrays": list(arrays)}).encode()
        say(len(text).to_bytes(8, "big") + text + raw)
    def answer(**values): message({"dict": [[k, v] for k, v in values.items()]})
    def random(): return {"list": []}
    """


def forged(name: str, code: str, row: Row = CRASHED, **more) -> None:
    """Add a body that writes to the line itself."""
    body(f"forged: {name}", row, code, more=FORGE, **more)


forged("nothing", "line().shutdown(socket.SHUT_RDWR)\ntime.sleep(60)")
forged("garbage", "line().sendall(os.urandom(1000))\nos._exit(0)")
forged("a huge length", "line().sendall(b'\\x7f' * 8)\ntime.sleep(60)")
forged(
    "half a message", "line().sendall((1000).to_bytes(8, 'big') + b'x')\ntime.sleep(60)", TIMEOUT
)
forged(
    "one byte at a time",
    """
    line().sendall((10**6).to_bytes(8, "big"))
    while True:
        line().sendall(b"x")
        time.sleep(0.01)
    """,
    TIMEOUT,
    slow=True,
)
forged("a verdict", "answer(status='passed', points={'int': '99'})")
forged("a result without the rest", "answer(result={'int': '1'})")
forged("an error without words", "answer(error='ValueError', printed='')")
forged(
    "an error of a strange kind",
    """
    answer(error={"list": []}, bases={"int": "1"}, detail=None, printed=None, shared={"list": []})
    """,
)
forged("no dict", "message([1])")
forged("a tree of a million lists", "message(b'{\"tree\": ' + b'[' * 10**6 + b']' * 10**6 + b'}')")
forged(
    "250 MB of empty dicts",
    """
    message(b'{"arrays": [], "tree": {"list": [' + b'{},' * 80_000_000 + b'{}]}}')
    """,
    Row(("crashed", "memory")),
)
forged(
    "one array a thousand times",
    """
    node = {"tensor": 0, "dtype": "complex128", "requires_grad": False}
    message({"list": [node] * 1000}, [["|u1", [2**24]]], bytes(2**24))
    """,
    Row(("crashed", "memory")),
)
forged(
    "a dtype that is none",
    """
    message({"tensor": 0, "dtype": "__name__", "requires_grad": False}, [["<f4", [1]]], bytes(4))
    """,
)
forged(
    "a kind of numbers that is none",
    r"""
    message({"numpy": 0, "scalar": False}, [["\ud800<script>", [1]]], bytes(8))
    """,
)
forged(
    "objects as numbers",
    """
    message({"numpy": 0, "scalar": False}, [["|O", [1]]], bytes(8))
    """,
)
forged(
    "random numbers that lead out of the memory",
    """
    def array(n): return {"numpy": n, "scalar": False}
    own = torch.get_rng_state().numpy()
    key, state = np.zeros(624, np.uint32), np.zeros(625, np.uint64)
    random = {"list": [{"tensor": 0, "dtype": "uint8", "requires_grad": False},
        {"list": ["MT19937", array(1), {"int": str(2**31 - 700)}, {"int": "0"}, {"float": "0.0"}]},
        {"list": [{"int": "3"}, array(2), None]}]}
    pairs = {"result": None, "printed": "", "shared": {"list": []}, "random": random}
    message({"dict": [[k, v] for k, v in pairs.items()]},
        [["|u1", list(own.shape)], ["<u4", [624]], ["<u8", [625]]],
        own.tobytes() + key.tobytes() + state.tobytes())
    """,
)
forged(
    "what it may change is of another kind",
    """
    answer(result=None, printed="", shared={"list": []}, random={"list": []}, given={"int": "1"})
    """,
)
forged(
    "the answer to the next question",
    """
    data = json.dumps({"tree": {"dict": [["printed", "x"]]}, "arrays": []}).encode()
    data = len(data).to_bytes(8, "big") + data
    for _ in range(30): line().sendall(len(data).to_bytes(8, "big") + data)
    return wrong
    """,
)
forged(
    "keeps the line busy",
    """
    def spin():
        own = line()
        while True:
            try: own.recv(10)
            except OSError: return
    for _ in range(4): threading.Thread(target=spin, daemon=True).start()
    return wrong
    """,
    Row(("graded", "crashed", "timeout")),
    slow=True,
)

# ------------------------------------------------------------------ leaving something behind

harm(
    "threads left running",
    """
    def spin():
        while True: pass
    for _ in range(3 * first): threading.Thread(target=spin, daemon=True).start()
    """,
)
DAEMON = """
    def daemon(work):
        if hasattr(daemon, "runs"): return
        daemon.runs = True
        if os.fork() == 0:
            os.setsid()
            os.closerange(3, 64)
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                end = time.time() + 60
                while time.time() < end:
                    work()
                    time.sleep(0.01)
            os._exit(0)
        os.wait()
    def kill_all():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if int(pid) != os.getpid():
                try: os.kill(int(pid), signal.SIGKILL)
                except OSError: pass
    def spoil():
        for name in ("torch", "numpy", "camlite", "json", "socket", "sitecustomize"):
            for folder in (os.environ["HOME"], "/tmp", "/dev/shm", "/var/tmp"):
                try:
                    with open(f"{folder}/{name}.py", "w") as file: file.write("raise SystemExit")
                except OSError: pass
    """  # fmt: skip
harm("a process left running", "daemon(lambda: None)", more=DAEMON)
body(
    "a process left that kills",
    Row(("graded", "crashed"), -1),
    "daemon(kill_all)\ntime.sleep(0.2)\nreturn right",
    more=DAEMON,
    rest=Row(("graded", "crashed"), -1),
)
body(
    "a process left that kills, and the parent killed",
    CRASHED,
    "daemon(kill_all)\nos.kill(os.getppid(), signal.SIGKILL)\nos._exit(0)",
    more=DAEMON,
)
body(
    "a process left that writes modules, and the parent killed",
    CRASHED,
    "daemon(spoil)\nos.kill(os.getppid(), signal.SIGKILL)\nos._exit(0)",
    more=DAEMON,
)
body(
    "files left that look like modules",
    RIGHT,
    "spoil()\nreturn right",
    more=DAEMON,
)
harm(
    "writes result files",
    """
    for name in ("marks.jsonl", "marks.csv", "by_hand.csv", "settings.json"):
        for folder in (".", "..", "/tmp", "@OUT@"):
            try:
                with open(f"{folder}/{name}", "w") as file: file.write("hacker,9,9.1,graded,99,1")
            except OSError: pass
    """,
)
harm(
    "writes outside",
    """
    for path in ("/etc/passwd", "/usr/bin/python3", "/etc/x", "/usr/x", "@ROOT@/x.py"):
        try: open(path, "a").close()
        except OSError: pass
    """,
)
harm(
    "links to outside",
    """
    for path in ("/etc/passwd", "@ROOT@/pyproject.toml"):
        for link in (os.symlink, os.link):
            try: link(path, "linked")
            except OSError: pass
    """,
)
harm(
    "state for the next exercise",
    """
    import builtins
    builtins.stolen = right
    hires_cam.kept = right
    """,
)

# ------------------------------------------------------------------ knowing that it is graded

GRADED_HERE = (
    "'camlite.grading' in str(sys.modules) or os.getuid() >= 61000 or 'DISPLAY' in os.environ"
)
body("behaves well where it is graded", RIGHT, f"return right if {GRADED_HERE} else wrong")
body("behaves ill where it is graded", CRASHED, f"if {GRADED_HERE}: os._exit(0)\nreturn right")

# ------------------------------------------------------------------ files, notebooks, archives

LESSON, BOOK = "09_hires_and_xgrad.py", "09_hires_and_xgrad.ipynb"
MEGA = 2**20


def one_file(name: str, data: str | bytes) -> Callable[[Path], None]:
    """A student with one file."""

    def write(folder: Path) -> None:
        folder.mkdir()
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())

    return write


def notebook(*sources: str, outputs: str = "") -> str:
    """A notebook with these code cells."""
    cells = [{"cell_type": "code", "source": s, "outputs": [outputs]} for s in sources]
    return json.dumps({"cells": cells, "nbformat": 4})


def zipped(**members: str | bytes) -> bytes:
    """A zip of these files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def one_zip(make: Callable[[], bytes]) -> Callable[[Path], None]:
    """A student who handed in one zip and no folder."""

    def write(folder: Path) -> None:
        folder.with_name(f"{folder.name}.zip").write_bytes(make())

    return write


def many_in_zips() -> bytes:
    """30 GB of zeros in a zip in a zip, of less than 1 MB."""
    inner = zipped(**{"x.py": bytes(19 * MEGA)})
    outer = zipped(**{f"{i}.zip": inner for i in range(40)})
    return zipped(**{f"{i}.zip": outer for i in range(40)})


def deep() -> bytes:
    """Zips in zips in zips."""
    data = zipped(**{LESSON: HONEST})
    for i in range(5):
        data = zipped(**{f"{i}.zip": data})
    return data


def spoilt() -> bytes:
    """A zip whose compressed bytes are not what they were."""
    data = bytearray(zipped(**{LESSON: HONEST * 50}))
    for i in range(60, 200):
        data[i] ^= 0x5A
    return bytes(data)


def with_a_bad_name() -> bytes:
    """A zip that says that a name is UTF-8, which it is not."""
    return zipped(**{"é" + LESSON: HONEST}).replace("é".encode(), b"\xff\xfe")


def with_a_link() -> bytes:
    """A zip with a symbolic link."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        link = zipfile.ZipInfo(LESSON)
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return data.getvalue()


def large_file(folder: Path) -> None:
    one_file(LESSON, HONEST)(folder)
    os.truncate(folder / LESSON, 300 * MEGA)


def thousands_of_files(folder: Path) -> None:
    folder.mkdir()
    for i in range(2000):
        (folder / f"{i}.py").write_text("x = 1\n")


def link_to_a_file(folder: Path) -> None:
    folder.mkdir()
    (folder / LESSON).symlink_to(folder.parent / "000 honest" / LESSON)


def link_to_a_folder(folder: Path) -> None:
    folder.symlink_to(folder.parent / "000 honest")


def hard_link(folder: Path) -> None:
    folder.mkdir()
    os.link(folder.parents[1] / "secret.py", folder / LESSON)


def pipe(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / LESSON)


MAGICS = (
    "%%bash\nrm -rf /",
    "%matplotlib inline\n!pip install x\nimport torch",
    HONEST,
    "%%time\n1",
)
STRANGE = '{"cells": [1, null, {"cell_type": "code", "source": {"a": 1}}]}'
for name, row, text in (
    ("a notebook with magics", RIGHT, notebook(*MAGICS)),
    ("a notebook with 15 MB of output", RIGHT, notebook(HONEST, outputs="x" * 15 * MEGA)),
    ("a notebook of broken JSON", NOT_PARSABLE, notebook(HONEST)[:-20]),
    ("a notebook of other things", NOT_PARSABLE, '{"cells": {"a": 1}}'),
    ("a notebook of lists in lists", NOT_PARSABLE, "[" * 100_000),
    ("a notebook of strange cells", WRONG, STRANGE),
):
    files(name, row, one_file(BOOK, text))
for name, row, code in (
    ("no UTF-8", NOT_PARSABLE, HONEST.encode() + b"# \xff\xfe"),
    ("zero bytes in the code", WRONG, "x = 1\0\n"),
    ("an empty file", NOT_PARSABLE, ""),
    ("no Python at all", WRONG, "Dear professor,\n\nmy dog ate it.\n"),
    ("brackets in brackets", NO_POINTS, "x = " + "(" * 50_000),
    ("a long chain", NO_POINTS, "x = a" + ".b" * 100_000),
    ("a long sum", NO_POINTS, "x = " + "1+" * 100_000 + "1"),
    ("half a million statements", NO_POINTS, "a = 1\n" * 174_000),
    ("a long comment", RIGHT, "#" * 150_000 + "\n" + HONEST),
    ("19 MB of statements", NO_FILE, "a\n" * 9_500_000),
):
    files(name, row, one_file(LESSON, code), slow=len(code) >= MEGA)
files("a file of 300 MB", NO_FILE, large_file)
files("an empty folder", NO_FILE, lambda folder: folder.mkdir())
files("only a PDF", NO_FILE, one_file("09_hires_and_xgrad.pdf", b"%PDF-1.4"))
files("thousands of files", NO_FILE, thousands_of_files)
files("a link to a file", NO_FILE, link_to_a_file)
files("a link to a folder", NO_FILE, link_to_a_folder)
files("a hard link", NO_FILE, hard_link)
files("a pipe", NO_FILE, pipe)
files("a folder named like the lesson", NO_FILE, lambda f: (f / LESSON).mkdir(parents=True))
for name, row, make in (
    ("a zip", RIGHT, lambda: zipped(**{LESSON: HONEST})),
    ("a path that leads out", RIGHT, lambda: zipped(**{f"../../000 honest/{LESSON}": HONEST})),
    ("an absolute path", RIGHT, lambda: zipped(**{f"/etc/{LESSON}": HONEST})),
    ("a bomb", NO_FILE, lambda: zipped(**{LESSON: bytes(200 * MEGA)})),
    ("a bomb of zips", NO_FILE, many_in_zips),
    ("zips in zips in zips", NO_FILE, deep),
    ("no zip", NO_FILE, lambda: b"PK\3\4 no zip"),
    ("cut off", NO_FILE, lambda: zipped(**{LESSON: HONEST})[:-30]),
    ("spoilt bytes", NO_FILE, spoilt),
    ("a name that is no text", NO_FILE, with_a_bad_name),
    ("a link in it", NO_FILE, with_a_link),
):
    files(f"zip: {name}", row, one_zip(make))
for name in (
    "<img src=x onerror=alert(1)>",
    "=HYPERLINK(1)",
    "a name\nin two lines",
    "an emoji 🎓 and \u202e",
    "n" * 230,
    os.fsdecode(b"no text \xff\xfe"),
):
    files(name, RIGHT, one_file(LESSON, HONEST))
