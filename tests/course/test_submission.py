"""What a learner may write and how: odd files with a right answer pass, all else is told apart."""

from __future__ import annotations

import json

import pytest

from camlite.course.submission import UnreadableSubmission, read_submission
from tests.course.small import verdict_on_code

RIGHT = "def scale(M):\n    return 2 * M\n"
WRONG = "def scale(M):\n    return 3 * M\n"
STUB = 'def scale(M):\n    raise NotImplementedError("Exercise 9.1: scale")\n'
BEFORE = 'def twice(M):\n    raise NotImplementedError("Exercise 9.0: twice")\n'

SCRIPTS = {
    "percent at the start of a line": """
def scale(M):
    k = (
        17
        % 5
    )
    return k * M
""",
    "unequal at the start of a line": """
def scale(M):
    if (
        len(M)
        != 99
    ):
        return 2 * M
""",
    "a constant and empty lines": f"import torch\n\n\nK = 2\n\n\n{RIGHT.replace('2', 'K')}",
    "cells without a space": f"#%%\nimport torch\n\nK = 2\n\n#%%\n{RIGHT.replace('2', 'K')}",
    "cells and raw magics": f"# %%\n%matplotlib inline\n!pip install it's\n# %%\n{RIGHT}",
    "a magic in the cell": f"# %%\nfiles = !ls\ntorch.mean?\n{RIGHT}",
    "a constant from a loop": """
table = {}
for k in range(4):
    table[k] = 2 * k

def scale(M):
    return table[1] * M
""",
    "a list that is filled": """
factors = []
for k in range(3):
    factors.append(k)
def scale(M):
    return factors[2] * M
""",
    "an import in try": """
try:
    import no_such_package as package
except ImportError:
    import torch as package
def scale(M):
    return package.add(M, M)
""",
    "a failing import that nobody needs": f"import no_such_package\n{RIGHT}",
    "endless noise": f"while True:\n    pass\n{RIGHT}raise SystemExit\n",
    "line separators in a comment": f"# one\u2028two\x0cthree\x85four\n{RIGHT}",
    "if": "if True:\n    def scale(M):\n        return 2 * M\nelse:\n    scale = None\n",
    "async": "async def scale(M):\n    return 2 * M\n",
    "lambda": "scale = lambda M: 2 * M",
    "partial": """
from functools import partial
def times(k, M):
    return k * M
scale = partial(times, 2)
""",
    "an object": """
class Scaler:
    def __init__(self, k): self.k = k
    def __call__(self, M): return self.k * M
scale = Scaler(2)
""",
    "a network": """
import torch
class Scaler(torch.nn.Module):
    def forward(self, M):
        return 2 * M
scale = Scaler()
scale.eval()
""",
    "a decorator of one's own": """
def doubled(f):
    return lambda M: 2 * f(M)
@doubled
def scale(M):
    return M
""",
    "no_grad": "import torch\n@torch.no_grad()\ndef scale(M):\n    return 2 * M\n",
    "with": """
import torch
with torch.no_grad():
    k = torch.tensor(2)
def scale(M):
    return k * M
""",
    "everything imported": "from torch import *\ndef scale(M):\n    return add(M, M)\n",
    "a constant after its use": f"{RIGHT.replace('2', 'K')}\nK = 2\n",
    "a constant as default": "K = 2\ndef scale(M, k=K):\n    return k * M\n",
    "a constant in steps": "k = 1\nk += 1\n(n := k)\ndef scale(M):\n    return n * M\n",
    "a Greek letter": "α = 2\ndef scale(M):\n    return α * M\n",
    "annotations of unknown types": "def scale(M: 'No', k: Nowhere = 2):\n    return k * M\n",
    "a dataclass": """
from dataclasses import dataclass
@dataclass
class Settings:
    k: int = 2
def scale(M):
    return Settings().k * M
""",
    "recursion": "def scale(M, n=2):\n    return M if n == 1 else M + scale(M, n - 1)\n",
    "match": "match 2:\n    case k:\n        pass\ndef scale(M):\n    return k * M\n",
    "the mark of a cell in a string": f'text = """\n# %%\n"""\n{RIGHT}',
    "a main program": f"{RIGHT}\nif __name__ == '__main__':\n    raise SystemExit(scale(1))\n",
    "an escape in a string": f'pattern = "\\d"\n{RIGHT}',
    "after the stub": f"{STUB}\n{RIGHT}",
    "raw markdown": f"# %% [markdown]\nNot a comment!\n# %%\n{RIGHT}",
    "a broken cell elsewhere": f"# %%\n{RIGHT}\n# %%\nthis is no Python\n",
    "a broken paragraph elsewhere": f"{RIGHT}\n\nthis is no Python\n\n\nK = 2\n",
    "tried again and broken": f"# %%\n{RIGHT}\n# %%\ndef scale(M)\n    return M\n",
    "tried again, stops": f"# %%\n{RIGHT}\n# %%\n@no_such_decorator\ndef scale(M):\n    return M\n",
    "a shell cell": f"# %%\n{RIGHT}\n# %%\n%%bash\ndef scale(M):\n    return 3\n",
    "tabs, no line at the end": "def scale(M):\n\treturn 2 * M",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_odd_script_with_a_right_answer_passes(name, tmp_path):
    path = tmp_path / "answer.py"
    path.write_text(SCRIPTS[name], encoding="utf-8", newline="\r\n" if len(name) % 2 else "\n")
    found = verdict_on_code(read_submission(path))
    assert found.status == "passed", found.message


def code(source, **more):
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": []} | more


NOTEBOOKS = {
    "lines": [code(["def scale(M):\n", "    return 2 * M"])],
    "null source": [code(None), code(RIGHT)],
    "null tags": [code(RIGHT, metadata={"tags": None})],
    "no metadata": [{"cell_type": "code", "source": RIGHT}],
    "cells that are none": [None, 3, {}, {"cell_type": "code"}, code(RIGHT)],
    "names of other cells": [code("import torch"), code("K = 2"), code(RIGHT.replace("2", "K"))],
    "time": [code(f"%%time\n{RIGHT}")],
    "bash": [code(RIGHT), code(f"%%bash\n{WRONG}")],
    "script": [code(RIGHT), code(f"\n%%script false --no-raise-error\n{WRONG}")],
    "markdown": [code(RIGHT), {"cell_type": "markdown", "metadata": {}, "source": WRONG}],
    "a later broken cell": [code(RIGHT), code(f"{WRONG}\nthis is no Python")],
    "zero bytes": [code(RIGHT), code("x = '\0'")],
    "brackets": [code(RIGHT), code("(" * 5000), code("-" * 100_000 + "1")],
    "half a letter": [code(RIGHT), code("x = '\ud800'")],
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_odd_notebook_with_a_right_answer_passes(name, tmp_path):
    path = tmp_path / "answer.ipynb"
    path.write_text(json.dumps({"cells": NOTEBOOKS[name], "nbformat": 4}))
    found = verdict_on_code(read_submission(path))
    assert found.status == "passed", found.message


@pytest.mark.parametrize(
    ("cells", "status", "says"),
    [
        ([RIGHT, WRONG], "wrong", "1.5 times the right one, everywhere"),
        ([STUB], "todo", "scale is not written yet"),
        ([BEFORE, "def scale(M):\n    return twice(M)"], "todo", "calls twice (9.0), which is not"),
        ([STUB, "def scale(M)\n    return M"], "error", "not valid Python"),
        ([STUB, "@nowhere\ndef scale(M):\n    return M"], "error", "name 'nowhere' is not defined"),
        ([STUB, "def scale(M)\n", RIGHT], "passed", "all right"),
        ([f"%%script false\n{RIGHT}"], "error", "there is no scale"),
        ([f"%%timeit\n{RIGHT}"], "error", "there is no scale"),
        (["class scale:\n    exit()"], "error", "SystemExit"),
        (["scale = 3"], "error", "not a function"),
        (["print(scale)"], "error", "there is no scale"),
        (["def scale(M):\n    return k * M"], "error", "at:  return k * M"),
    ],
)
def test_which_definition_counts(cells, status, says):
    found = verdict_on_code(cells)
    assert (found.status, says in found.message) == (status, True), found.message


def test_lines_of_errors_are_those_of_the_file(tmp_path):
    path = tmp_path / "answer.py"
    path.write_text("# %%\nimport torch\n\n# %%\n\ndef scale(M)\n    return M\n")
    assert "line 6: def scale(M)" in verdict_on_code(read_submission(path)).message


@pytest.mark.parametrize("text", ["[" * 10_000, "NaN", '{"cells": {}}', "null", '{"cells": 1e999}'])
def test_what_is_no_notebook_is_told(text, tmp_path):
    path = tmp_path / "answer.ipynb"
    path.write_text(text)
    with pytest.raises(UnreadableSubmission, match="is not a notebook"):
        read_submission(path)


def test_what_is_assigned_after_the_answer_does_not_take_its_place():
    cells = [
        "factor = 2",
        "def helper(M): return 1 * M",
        "def scale(M): return factor * helper(M)",
        "factor = [3, 4]\nfactor[0] = 7",
        "later = 5",
    ]
    assert verdict_on_code(cells).status == "passed"
    again = [*cells, "def helper(M): return 3 * M"]
    assert verdict_on_code(again).status == "wrong"  # a function written anew counts
    assert verdict_on_code(["def scale(M): return factor * M", "factor = 2"]).status == "passed"
