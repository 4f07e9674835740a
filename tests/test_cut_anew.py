"""Every call of `split` writes the graph down anew: a changed model never gets an old cut.

That must be cheap, so the tracer leaves out much of what torch.fx does: what it writes is compared
with what torch.fx writes, and what it replaces meanwhile is put back.
"""

from __future__ import annotations

import builtins
import gc
import math
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from math import prod, sqrt
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchvision
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_any_network import Functional, Interpolates, Remembers, UnpacksShape, Zeros, ready
from test_split import Defaults, InPlace, Net, SizeNet, ViewNet, pictures
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize

from camlite import SplitByHook, grad_cam, split
from camlite.cutting import tracing
from camlite.cutting.graph import as_function, between, independent
from camlite.cutting.tracing import Tracer, trace

FACTOR = 2.0
both_ways = pytest.mark.parametrize("quick", [pytest.param(tracing.QUICK, id="quick"), False])


# ------------------------------------------------------------------ a changed model


class Reads(Net):
    """`forward` reads all kinds of places."""

    sign = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6, 1, 1))
        self.register_buffer("shift", torch.zeros(6, 1, 1))
        self.plain = torch.zeros(6, 1, 1)
        self.times = 1
        self.nested = {"list": [1.25], "object": SimpleNamespace(value=0.0)}

    def middle(self, x: Tensor) -> Tensor:
        return functional.relu(x)

    def forward(self, x: Tensor, power: int = 1) -> Tensor:
        y = self.middle(self.conv1(x) * self.scale + self.shift + self.plain)
        for _ in range(self.times):
            y = y * self.nested["list"][0] + self.nested["object"].value
        y = self.relu(self.bn(self.conv2(y))) ** power
        return self.fc(y.mean((2, 3))) * FACTOR * self.sign


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(4))


def doubled(module: nn.Module, args: Any, out: Tensor) -> Tensor:
    return out * 2


def set_global(model: Reads, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(Reads.forward.__globals__, "FACTOR", FACTOR + 1)


def swap_layer(model: Reads, patch: pytest.MonkeyPatch) -> None:
    model.conv2 = ready(nn.Conv2d(6, 6, 1))


def swap_parameter(model: Reads, patch: pytest.MonkeyPatch) -> None:
    model.scale = nn.Parameter(model.scale.detach() + 1)


def forward_of_instance(model: Reads, patch: pytest.MonkeyPatch) -> None:
    model.forward = lambda x: model.fc(model.relu(model.conv2(model.conv1(x))).amax((2, 3)))


def forward_of_layer(model: Reads, patch: pytest.MonkeyPatch) -> None:
    model.conv2.forward = lambda x: x * 3


def other_class(model: Reads, patch: pytest.MonkeyPatch) -> None:
    model.__class__ = type("Other", (Reads,), {"middle": lambda self, x: x.sigmoid()})


def unhook(model: Reads, patch: pytest.MonkeyPatch) -> None:
    for module in model.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()


def parametrized(model: Reads, patch: pytest.MonkeyPatch) -> None:
    if parametrize.is_parametrized(model.conv1):
        parametrize.remove_parametrizations(model.conv1, "weight")
    else:
        parametrizations.spectral_norm(model.conv1)


Change = Callable[[Reads, pytest.MonkeyPatch], object]
CHANGES: dict[str, Change] = {
    "a global variable": set_global,
    "another layer": swap_layer,
    "another parameter": swap_parameter,
    "forward of the instance": forward_of_instance,
    "forward of a layer": forward_of_layer,
    "the class": other_class,
    "no hooks": unhook,
    "a parametrization": parametrized,
    "values of a parameter": lambda m, patch: m.scale.data.add_(1),
    "another buffer": lambda m, patch: setattr(m, "shift", drawn(6, 1, 1)),
    "values of a buffer": lambda m, patch: m.shift.add_(1),
    "another plain tensor": lambda m, patch: setattr(m, "plain", m.plain + 1),
    "values of a plain tensor": lambda m, patch: m.plain.add_(1),
    "a number": lambda m, patch: setattr(m, "times", m.times % 3 + 1),
    "a value in a list": lambda m, patch: m.nested["list"].__setitem__(0, 1.5),
    "a value in an object": lambda m, patch: setattr(m.nested["object"], "value", 0.25),
    "a class attribute": lambda m, patch: patch.setattr(Reads, "sign", -Reads.sign),
    "a method": lambda m, patch: patch.setattr(Reads, "middle", lambda self, x: x.tanh()),
    "a default": lambda m, patch: patch.setattr(Reads.forward, "__defaults__", (2,)),
    "a function of torch": lambda m, patch: patch.setattr(
        functional, "relu", lambda x, inplace=False: x.tanh()
    ),
    "a hook of a layer": lambda m, patch: m.conv2.register_forward_hook(doubled),
    "a hook of the model": lambda m, patch: m.register_forward_hook(doubled),
    "a hook before a layer": lambda m, patch: m.fc.register_forward_pre_hook(
        lambda module, args: (args[0] + 1,)
    ),
    "an option of a layer": lambda m, patch: setattr(m.conv1, "stride", (2, 2)),
    "in place": lambda m, patch: setattr(m.relu, "inplace", not m.relu.inplace),
    "a layer's mode": lambda m, patch: m.bn.train(not m.bn.training),
}


def gradient_at_conv1(model: nn.Module, x: Tensor) -> Tensor:
    """∂Y/∂F by autograd through the whole model."""
    kept: list[Tensor] = []

    def hook(module: nn.Module, args: Any, out: Tensor) -> Tensor:
        kept.append(out.detach().requires_grad_())
        return kept[-1].clone()

    handle = model.conv1.register_forward_hook(hook)
    try:
        Y = model(x)
    finally:
        handle.remove()
    return torch.autograd.grad(Y[:, 1].sum(), kept[-1])[0]


def check_cut(model: nn.Module, x: Tensor) -> Tensor:
    """The parts are the model as it is now, and so is the gradient; returns the logits."""
    flags = [module.training for module in model.modules()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitByHook)
        features, classifier = split(model, "conv1")
        map_ = grad_cam(model, "conv1", x, 1, relu=False)
    F = features(x)
    Y = classifier(F)
    assert [module.training for module in model.modules()] == flags
    model.eval()
    with torch.no_grad():
        assert torch.equal(Y, model(x))
    weights = gradient_at_conv1(model, x).mean((2, 3), keepdim=True)
    torch.testing.assert_close(map_, (weights * F).sum(1), rtol=1e-4, atol=1e-6)
    for module, training in zip(model.modules(), flags, strict=True):
        module.training = training
    return Y


@both_ways
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_is_cut_anew(
    change: str, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "QUICK", quick)
    model, x = ready(Reads()), pictures(8)
    model.register_forward_hook(doubled)
    before = check_cut(model, x)
    CHANGES[change](model, monkeypatch)
    after = check_cut(model, x)
    assert torch.equal(before, after) == (change in ("in place", "a layer's mode"))


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=6))
def test_any_row_of_changes(changes: list[str]) -> None:
    model, x = ready(Reads()), pictures(8)
    with pytest.MonkeyPatch.context() as patch:
        for change in changes:
            CHANGES[change](model, patch)
            check_cut(model, x)


# ------------------------------------------------------------------ the graph is that of torch.fx


class FxTracer(fx.Tracer):
    proxy_buffer_attributes = True


class OneCall(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


class CountsWithMath(Net):
    """Functions of `math` on symbols, by both ways to import them."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv1(x)) / math.sqrt(x.shape[1]) + sqrt(x.shape[2])
        y = self.conv2(y) * math.prod([x.shape[1], 2]) / prod((x.shape[3], 3)) + math.floor(2.5)
        return self.fc(y.mean((2, 3)))


class MakesAndStores(Net):
    """A tensor that `forward` makes, and stores over one that was there."""

    def __init__(self) -> None:
        super().__init__()
        self.stored = torch.zeros(6, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x) + self.stored
        self.stored = torch.ones(6, 1, 1)
        return self.fc(self.conv2(y * self.stored).mean((2, 3)))


def steps(graph: fx.Graph) -> list[tuple[Any, ...]]:
    return [(n.name, n.op, n.target, str(n.args), str(n.kwargs)) for n in graph.nodes]


OWN = [Net, ViewNet, SizeNet, InPlace, Defaults, Functional, UnpacksShape, Interpolates, Zeros]
OWN += [CountsWithMath, Reads]
ZOO = ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5", "densenet121"]


def networks() -> list[Any]:
    slow = ["swin_t", "googlenet", "efficientnet_b0", "convnext_tiny", "regnet_y_400mf"]
    more = [pytest.param(name, marks=pytest.mark.slow) for name in slow]
    return [*(pytest.param(build, id=build.__name__) for build in OWN), *ZOO, *more]


def network(build: Any) -> nn.Module:
    if not isinstance(build, str):
        return ready(build())
    torch.manual_seed(0)
    return getattr(torchvision.models, build)(weights=None).eval()


@both_ways
@pytest.mark.parametrize("build", networks())
def test_the_steps_are_those_of_torch_fx(
    build: Any, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "QUICK", quick)
    model = network(build)
    assert steps(trace(model).graph) == steps(FxTracer().trace(OneCall(model)))


@pytest.mark.parametrize("build", networks())
def test_the_steps_run_as_torch_fx_runs_them(build: Any) -> None:
    model = network(build)
    x = pictures(64 if isinstance(build, str) else 8)
    tracer = trace(model)
    run = as_function(
        between(tracer.steps, None, tracer.steps[-1], independent(tracer.steps)), tracer.forward
    )
    with torch.no_grad():
        expected = fx.GraphModule(tracer.forward, tracer.graph)(x.clone())
        assert torch.equal(run(x.clone()), expected)
        assert torch.equal(run(x.clone()), model(x))


def test_a_tensor_that_forward_stores_is_no_attribute_of_the_model() -> None:
    model, x = ready(MakesAndStores()), pictures(8)
    with torch.no_grad():
        first, second = model(x), model(x)
    assert not torch.equal(first, second)
    for stored, expected in ((torch.zeros(6, 1, 1), first), (torch.ones(6, 1, 1), second)):
        model.stored = stored
        features, classifier = split(model, "conv2")
        assert torch.equal(model.stored, stored)
        assert torch.equal(classifier(features(x)), expected)


def test_results_are_forgotten_after_their_last_use() -> None:
    seen: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    class Watches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(weakref.ref(x))
            alive.append(sum(ref() is not None for ref in seen))
            return x + 1

    model = nn.Sequential(*(Watches() for _ in range(5)), nn.Conv2d(3, 4, 1), nn.Flatten())
    features, _ = split(model, "5")
    features(pictures(8))
    assert alive[2:5] == [alive[1]] * 3
    assert alive[1] <= 2, "the copy of the images, and the result before"


# ------------------------------------------------------------------ what a trace leaves behind


class Interrupted(BaseException):
    pass


class Fails(Net):
    error: BaseException = Interrupted()

    def forward(self, x: Tensor) -> Tensor:
        super().forward(x)
        raise self.error


@both_ways
@pytest.mark.parametrize("build", [Net, Fails, Remembers])
def test_what_is_replaced_while_tracing_is_put_back(
    build: type[Net], quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "QUICK", quick)
    kinds = {type(module) for module in ready(build()).modules()} | {nn.Module}
    before = [dict(vars(kind)) for kind in kinds]
    functions, plain = dict(vars(math)), builtins.isinstance
    hooks = dict(nn.modules.module._global_forward_pre_hooks)
    try:
        split(ready(build()), "conv1")
    except Interrupted:
        assert build is Fails
    assert [dict(vars(kind)) for kind in kinds] == before
    assert vars(math) == functions
    assert builtins.isinstance is plain
    assert nn.modules.module._global_forward_pre_hooks == hooks
    # read at once if it is there: `is_fx_tracing()` writes a warning
    told = getattr(fx._symbolic_trace, "_get_is_fx_tracing", fx._symbolic_trace.is_fx_tracing)
    assert not told()


def test_a_trace_writes_nothing() -> None:
    code = "import torch, camlite; camlite.split(torch.nn.Sequential(torch.nn.ReLU()), '0')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


STRANGER = nn.PReLU()


class CallsAStranger(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(STRANGER(self.conv1(x)).mean((2, 3)))


def test_a_module_outside_the_model_is_not_called_with_symbols() -> None:
    seen: list[Any] = []
    handle = STRANGER.register_forward_hook(lambda module, args, out: seen.append(type(out)))
    with pytest.warns(SplitByHook):
        features, classifier = split(ready(CallsAStranger()), "conv1")
    assert not seen
    classifier(features(pictures(8)))
    handle.remove()
    assert set(seen) == {Tensor}


class OwnCall(Net):
    """Its calls and attributes are its own: methods of its class must not be replaced."""

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x) * 2

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__({"convolution": "conv2"}.get(name, name))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.convolution(self.conv1(x)).mean((2, 3)))


def test_a_class_with_its_own_call() -> None:
    model, x = ready(OwnCall()), pictures(8)
    own = dict(vars(OwnCall))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features, classifier = split(model, "conv1")
    with torch.no_grad():
        assert torch.equal(classifier(features(x)), model(x))
    assert dict(vars(OwnCall)) == own


@both_ways
def test_threads_do_not_disturb_each_other(quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces, maps and plain runs of one model, and of another with the same classes."""
    monkeypatch.setattr(tracing, "QUICK", quick)
    model, other, x = ready(Reads()), ready(InPlace()), pictures(8)
    with torch.no_grad():
        logits, others = model(x), other(x)
    expected = grad_cam(model, "conv1", x, 1)
    work: list[Callable[[], bool]] = [
        lambda: torch.equal(grad_cam(model, "conv1", x, 1), expected),
        lambda: torch.equal(grad_cam(model, "conv1", x, 1), expected),
        lambda: torch.equal(model(x), logits),
        lambda: torch.equal(other(x), others),
    ]
    wrong: list[Any] = []

    def repeat(task: Callable[[], bool]) -> None:
        try:
            with torch.no_grad():
                wrong.extend("another result" for _ in range(40) if not task())
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=repeat, args=(task,)) for task in work]
    with warnings.catch_warnings():
        warnings.simplefilter("error", SplitByHook)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


@pytest.mark.parametrize("build", [Net, Remembers, Reads])
def test_nothing_keeps_a_model_alive(build: type[Net]) -> None:
    model = ready(build())
    weights = [weakref.ref(p) for p in model.parameters()]
    features, classifier = split(model, "conv1")
    classifier(features(pictures(8)))
    grad_cam(model, "conv2", pictures(8), 1)
    gone = weakref.ref(model)
    del model, features, classifier
    gc.collect()
    assert gone() is None
    assert all(ref() is None for ref in weights)


def test_a_tracer_belongs_to_one_trace() -> None:
    model = ready(Net())
    first, second = Tracer(model, None), Tracer(model, None)
    assert first.graph is not second.graph
    assert not set(first.steps) & set(second.steps)
