"""What is seen of an answer: results of every kind, errors, and what it changed."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from camlite.course import Case, Exercise
from camlite.course.observe import observe
from camlite.course.worker import pack, unpack
from tests.course.small import SEED, scale, verdict

# ------------------------------------------------------------------ what an answer may not change


def dtype(M):
    torch.set_default_dtype(torch.float64)
    return 2 * M


def device(M):
    torch.set_default_device("meta")
    return 2 * M


def threads(M):
    torch.set_num_threads(torch.get_num_threads() + 1)
    return 2 * M


def deterministic(M):
    torch.use_deterministic_algorithms(True)
    return 2 * M


def no_more_gradients(M):
    torch.set_grad_enabled(False)
    return 2 * M


def torch_seed(M):
    torch.manual_seed(0)
    return 2 * M


def numpy_seed(M):
    np.random.seed(0)
    return 2 * M


def python_seed(M):
    random.seed(0)
    return 2 * M


def patched(M):
    functional.relu = lambda x: x
    return 2 * M


def patched_method(M):
    torch.Tensor.relu = lambda self: self
    return 2 * M


def in_place(M):
    return M.mul_(2).clone()


def asks_for_gradients(M):
    return (2 * M.requires_grad_()).detach()


def leaves_gradients(M):
    M.grad = torch.ones_like(M)
    return 2 * M


CHANGES = {
    dtype: "the default dtype",
    device: "the default device",
    threads: "the number of threads",
    deterministic: "the choice of deterministic algorithms",
    no_more_gradients: "the gradient mode",
    torch_seed: "the seed of torch's random numbers",
    numpy_seed: "the seed of numpy's random numbers",
    python_seed: "the seed of random's random numbers",
    patched: "torch.nn.functional.relu",
    patched_method: "Tensor.relu",
    in_place: "argument 1",
    asks_for_gradients: "requires_grad of argument 1",
    leaves_gradients: ".grad of argument 1",
}


@pytest.mark.parametrize("answer", CHANGES, ids=lambda a: a.__name__)
def test_what_an_answer_changes_is_named_and_put_back(answer):
    relu, count = functional.relu, torch.get_num_threads()
    state = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    found = verdict(answer)
    assert found.status == "wrong"
    assert f"side effects: changed: {CHANGES[answer]}" in found.message
    assert "changed something it should leave as it was" in found.message
    assert torch.empty(0).dtype == torch.float32
    assert torch.empty(0).device.type == "cpu"
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == count
    assert functional.relu is relu
    assert torch.tensor(-1.0).relu() == 0
    assert torch.equal(torch.get_rng_state(), state[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == state[1:]
    assert verdict(lambda M: 2 * M).status == "passed"


def test_what_is_changed_before_an_error_is_put_back_too():
    def stops(M):
        torch.set_default_dtype(torch.float64)
        raise ValueError("stop")

    assert verdict(stops).status == "error"
    assert torch.get_default_dtype() == torch.float32


def test_what_torch_itself_replaces_is_no_side_effect():
    """The first optimizer wraps torch.manual_seed."""

    def wraps(M):
        torch.manual_seed = functools.wraps(original)(lambda seed: original(seed))
        return 2 * M

    original = torch.manual_seed
    try:
        assert verdict(wraps).status == "passed"
    finally:
        torch.manual_seed = original


def test_to_draw_from_the_shared_generator_is_no_side_effect():
    def through_a_layer(M):
        layer = nn.Linear(1, 1, bias=False)
        layer.weight.data.fill_(2)
        return layer(M[..., None])[..., 0].detach()

    assert verdict(through_a_layer).status == "passed"


nested = Exercise("9.2", "first", formula="the first", hints=("a", "b", "c"))


@nested.cases
def _(rng):
    model = nn.Sequential(nn.Linear(2, 2))
    pairs = [(torch.ones(2), np.ones(2)), (torch.zeros(2), np.zeros(2))]
    yield Case(
        "nested", pairs, {"rate": 0.1, "sizes": [3, 4]}, model, last=[torch.full((2,), torch.nan)]
    )


@nested.reference
def _(pairs, settings, model, last):
    return pairs[0][0]


CHANGED_INSIDE = {
    "argument 1[0][0]": lambda p, s, m, last: p[0][0].add_(0.5),
    "argument 1[1][1]": lambda p, s, m, last: p[1][1].fill(3),
    "argument 1": lambda p, s, m, last: p.pop(),
    "argument 2['rate']": lambda p, s, m, last: s.update(rate=0.2),
    "argument 2['sizes'][1]": lambda p, s, m, last: s["sizes"].__setitem__(1, 9),
    "last[0]": lambda p, s, m, last: last[0].fill_(1),
    "the model's layers": lambda p, s, m, last: m.__setitem__(0, nn.Linear(2, 2)),
    "train/eval mode": lambda p, s, m, last: m.eval(),
    ".grad of the model's weights": lambda p, s, m, last: m(torch.ones(2)).sum().backward(),
}


@pytest.mark.parametrize("name", CHANGED_INSIDE)
def test_changes_inside_of_lists_dicts_and_models_are_seen(name):
    def answer(pairs, settings, model, last):
        result = pairs[0][0].clone()
        CHANGED_INSIDE[name](pairs, settings, model, last)
        return result

    assert verdict(lambda p, *rest, **more: p[0][0], nested).status == "passed"
    seen = observe(nested, answer, SEED)[0].parts["side effects"]
    assert seen.startswith(f"changed: {name}"), seen


@pytest.mark.parametrize("lose", [lambda maps: maps.pop(0), lambda maps: maps.pop()])
def test_of_an_item_that_is_gone_the_flags_are_not_named(lose):
    """Nobody touched the requires_grad of a tensor that was only taken out of its list."""
    maps = Exercise("9.6", "maps", formula="M", hints=("a", "b", "c"))
    maps.make_cases = lambda rng: iter([Case("three maps", [torch.ones(2) for _ in range(3)])])

    def answer(given):
        lose(given)
        return torch.ones(2)

    seen = observe(maps, answer, SEED)[0].parts
    assert seen["side effects"] == "changed: argument 1"


def test_gradients_that_a_model_had_before_stay():
    """torch's deepcopy leaves them out; who throws them away must be seen."""
    model = nn.Linear(3, 1)
    model.weight.grad = torch.ones(1, 3)
    kept = Exercise("9.5", "kept", formula="w", hints=("a", "b", "c"))
    kept.make_cases = lambda rng: iter([Case("a gradient is there", model)])
    kept.right = lambda model: model.weight.detach()

    def throws_away(model):
        model.zero_grad()
        return model.weight.detach()

    assert verdict(lambda model: model.weight.detach().numpy(), kept).status == "passed"
    assert "changed: .grad of the model's weights" in verdict(throws_away, kept).message
    assert torch.equal(model.weight.grad, torch.ones(1, 3))


def test_an_exercise_with_a_probe_sees_changes_of_its_data_too():
    step = Exercise("9.4", "step", formula="w − rate · ∂/∂w", hints=("a", "b", "c"))
    step.make_cases = lambda rng: iter([Case("one step", nn.Linear(3, 1), torch.ones(2, 3))])
    step.parts = lambda answer, model, x: {"the weights": answer(model, x) or model.weight}

    def right(model, x):
        model(x).sum().backward()
        model.weight.data.sub_(model.weight.grad)

    def with_gradient_of_the_images(model, x):
        right(model, x.requires_grad_())

    step.right = right
    assert verdict(right, step).status == "passed"
    found = verdict(with_gradient_of_the_images, step)
    assert "changed: requires_grad of argument 2, .grad of argument 2" in found.message


# ------------------------------------------------------------------ results


def endless():
    nest = []
    nest.append(nest)
    return nest


class NoText(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def raises(error):
    raise error


RESULTS = {
    "complex": (lambda M: 2 * M + 1j, "wrong", "complex numbers"),
    "complex without imaginary part": (lambda M: (2 * M).to(torch.complex64), "wrong", "complex"),
    "conjugate": (lambda M: ((2 + 1j) * M).conj(), "wrong", "complex"),
    "nothing": (lambda M: None, "wrong", "forget the return"),
    "a text with None": (lambda M: "None of it", "wrong", "not the kind of result"),
    "strings": (lambda M: np.array(["a", "b"]), "wrong", "not the kind of result"),
    "bytes": (lambda M: b"abc", "wrong", "a bytes"),
    "objects": (lambda M: np.array([M, None], dtype=object), "wrong", "not the kind of result"),
    "a huge integer": (lambda M: 2**63, "wrong", "9223372036854775808"),
    "a larger integer": (lambda M: 2**64, "wrong", "not the kind of result"),
    "an integer of 5000 digits": (lambda M: 10**5000, "wrong", "not the kind of result"),
    "huge integers": (lambda M: [2**63, -1, 2**70], "wrong", "not the kind of result"),
    "dates": (lambda M: np.array(["2020-01-01"], dtype="M8[D]"), "wrong", "not the kind"),
    "a generator": (lambda M: (2 * m for m in M), "wrong", "a generator"),
    "a class": (lambda M: torch.Tensor, "wrong", "a _TensorMeta"),
    "a list in itself": (lambda M: endless(), "wrong", "a list or tuple of 1\n"),
    "a very long list": (lambda M: [None] * 10**6, "wrong", "a list or tuple of 1000000\n"),
    "a very large tensor": (lambda M: torch.zeros(1).expand(10**12), "wrong", "too large"),
    "a very long text": (lambda M: "a" * 10**7, "wrong", "aaa…"),
    "a tensor without data": (lambda M: M.to("meta"), "error", "meta tensor"),
    "a dict with odd keys": (lambda M: {3: M, "a": M, None: M}, "wrong", "the keys 3, None, 'a'"),
    "NaN": (lambda M: 2 * M / 0, "wrong", "NaN or infinite"),
    "nearly zero": (lambda M: 1e-29 * M, "wrong", "zero, or nearly so, everywhere"),
    "zero": (lambda M: 0 * M, "wrong", "zero, or nearly so, everywhere"),
    "SystemExit": (lambda M: exit(), "error", "SystemExit"),
    "a GeneratorExit": (lambda M: raises(GeneratorExit()), "error", "GeneratorExit"),
    "an error without text": (lambda M: raises(NoText()), "error", "NoText"),
    "an error with much text": (
        lambda M: raises(ValueError("a" * 10**7)),
        "error",
        "ValueError: aaa",
    ),
    "half a letter": (lambda M: raises(ValueError("\ud800")), "error", "ValueError: ?"),
    "recursion": (lambda M: RESULTS["recursion"][0](M), "error", "RecursionError"),
    "no arguments": (lambda: 3, "error", "TypeError"),
    "at random": (lambda M: 2 * M if random.random() < 0 else M * torch.rand(1), "wrong", ""),
    "warnings as errors": (
        lambda M: [__import__("warnings").simplefilter("error"), 2 * M][1],
        "passed",
        "",
    ),
    "float64": (lambda M: 2 * M.double(), "passed", ""),
    "half": (lambda M: (2 * M).bfloat16().float() * 0 + 2 * M, "passed", ""),
    "numpy": (lambda M: 2 * M.numpy(), "passed", ""),
    "sparse": (lambda M: (2 * M).to_sparse(), "passed", ""),
    "with gradient": (lambda M: (2 * M).clone().requires_grad_(), "passed", ""),
    "a parameter": (lambda M: nn.Parameter(2 * M), "passed", ""),
    "another memory layout": (lambda M: (2 * M).mT.contiguous().mT, "passed", ""),
    "expanded": (lambda M: 2 * M[:, None].expand(-1, 3, -1, -1)[:, 1], "passed", ""),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_kind_of_result_has_a_verdict(name):
    answer, status, says = RESULTS[name]
    found = verdict(answer)
    assert (found.status, says in found.message) == (status, True), found.message
    assert len(found.message) < 1500
    found.message.encode()
    seen = observe(scale, answer, SEED)
    id, again, printed = unpack(pack("9.1", seen, "text"))
    assert (id, printed, len(again)) == ("9.1", "text", len(seen))
    assert [list(o.parts) for o in again] == [list(o.parts) for o in seen]


def test_integers_are_compared_exactly():
    count = Exercise("9.3", "count", formula="n", hints=("a", "b", "c"))
    count.make_cases = lambda rng: iter([Case("many", 10**6), Case("few", 3)])
    count.right = lambda n: n
    assert verdict(lambda n: n, count).status == "passed"
    assert verdict(float, count).status == "passed"
    assert verdict(lambda n: n + (n > 10), count).status == "wrong"
