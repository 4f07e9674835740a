"""Time and memory of camlite, pytorch-grad-cam and torch-cam; writes docs/performance.md.

    python -m tests.benchmarks.run            # everything: about an hour on a quiet machine
    python -m tests.benchmarks.run --slow     # without Ablation-CAM and Score-CAM: minutes
    python -m tests.benchmarks.run --batches  # without the sections for several images at once
    python -m tests.benchmarks.run --quick    # small pictures, one round, prints only

Time: all candidates take turns in one process; each is divided by a plain forward pass that ran
just before it, and the median of these ratios is shown. Memory: the peak above what was in use
before the call, each in a fresh process. Slow methods run once, in a fresh process. Weights are
random: neither time nor memory depends on them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

import camlite
from camlite.cutting.fused import fast

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
LIBRARIES = ("camlite", "pytorch-grad-cam", "torch-cam")
# title: (camlite, pytorch-grad-cam, torch-cam, target of camlite)
FAST: dict[str, tuple[str, str | None, str | None, str]] = {
    "Grad-CAM": ("grad_cam", "GradCAM", "GradCAM", "≤ 1.15"),
    "Grad-CAM++": ("grad_cam_plus_plus", "GradCAMPlusPlus", "GradCAMpp", "≤ 1.15"),
    "XGrad-CAM": ("xgrad_cam", "XGradCAM", "XGradCAM", "≤ 1.15"),
    "HiResCAM": ("hires_cam", "HiResCAM", None, "≤ 1.15"),
    "LayerCAM": ("layer_cam", "LayerCAM", "LayerCAM", "≤ 1.15"),
    "CAM": ("cam", None, "CAM", "–"),
    "Eigen-CAM": ("eigen_cam", "EigenCAM", None, "–"),
}
SLOW: dict[str, tuple[str, str | None, str | None, str]] = {
    "Ablation-CAM": ("ablation_cam", "AblationCAM", None, "≤ 1.5"),
    "Score-CAM": ("score_cam", "ScoreCAM", "ScoreCAM", "≤ 1.05 × K × the best forward"),
}
PAUSE = 0.2  # seconds: numpy's threads spin on for a while after an SVD, and slow down torch's
BATCHES = ["resnet50:8"]  # the methods with one gradient, for several images at once
READING = """
## How to read this

camlite cuts the network anew at every call, because the model may have been changed in between,
also in places that nobody can compare: a global variable, a value in an object. With the checks of
images and classes that is a constant cost of a few milliseconds, whatever the size and the number
of the images: the median of `split` alone was {cuts}. So the smaller the
network and the faster the machine, the more it shows in the methods with one gradient. torch-cam
sets hooks instead, which costs less; its price is a graph of the whole network in memory.
Ablation-CAM and Score-CAM ran once, so the first call's warming up is in their numbers.
"""
BATCH_TARGET = {"≤ 1.15": "≤ 1.1"}
FLOOR = "K best batched forwards"


def network(name: str, size: int, batch: int = 1) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).eval()
    return model, torch.randn(batch, 3, size, size)


def candidate(title: str, library: str, model: nn.Module, x: Tensor) -> Callable[[], Any] | None:
    """One complete call as a user writes it, class 1, layer4; None: no such method there."""
    ours, pgc, tc, _ = {**FAST, **SLOW}[title]
    if library == "camlite":
        return lambda: getattr(camlite, ours)(model, "layer4", x, 1)
    if library == "pytorch-grad-cam" and pgc is not None:
        return lambda: by_pytorch_grad_cam(pgc, model, x)
    if library == "torch-cam" and tc is not None:
        return lambda: by_torch_cam(tc, model, x)
    return None


def by_pytorch_grad_cam(name: str, model: nn.Module, x: Tensor) -> Any:
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with getattr(pytorch_grad_cam, name)(model=model, target_layers=[model.layer4]) as cam:
        return cam(input_tensor=x, targets=[ClassifierOutputTarget(1)] * len(x))


def by_torch_cam(name: str, model: nn.Module, x: Tensor) -> Any:
    import torchcam.methods

    options = {"fc_layer": "fc"} if name == "CAM" else {}
    with getattr(torchcam.methods, name)(model, "layer4", **options) as extractor:
        return extractor(1, model(x))


def seconds(f: Callable[[], Any]) -> float:
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def plain(model: nn.Module, x: Tensor) -> Callable[[], Any]:
    def forward() -> Tensor:
        with torch.inference_mode():
            return model(x)

    return forward


def time_fast(name: str, size: int, rounds: int, batch: int) -> dict[str, dict[str, float]]:
    """Median ratio to a plain forward for each method and library, taken in turns."""
    model, x = network(name, size, batch)
    forward = plain(model, x)
    calls = {(t, lib): f for t in FAST for lib in LIBRARIES if (f := candidate(t, lib, model, x))}
    for f in calls.values():
        f()  # warm up
    ratios: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, f in calls.items():
            time.sleep(PAUSE)
            forward()
            once = seconds(forward)
            ratios[key].append(seconds(f) / once)
    table: dict[str, dict[str, float]] = {title: {} for title in FAST}
    for (title, lib), values in ratios.items():
        table[title][lib] = statistics.median(values)
    return table


def cut(name: str, size: int, rounds: int) -> tuple[float, float]:
    """Median milliseconds of `split` alone, and of the plain forward pass before it."""
    model, x = network(name, size)
    forward = plain(model, x)
    times: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        once = seconds(forward)
        times.append((seconds(lambda: camlite.split(model, "layer4")), once))
    alone, once = zip(*times[1:], strict=True)  # the first is to warm up
    return 1000 * statistics.median(alone), 1000 * statistics.median(once)


def floor(name: str, size: int, rounds: int) -> float:
    """K times the best batched forward per image (fused, channels_last), in plain forwards."""
    model, x = network(name, size)
    f, forward = fast(model, x), plain(model, x)
    K = model.fc.in_features
    best = []
    for batch in (8, 16):
        X = x.expand(batch, -1, -1, -1).contiguous()
        f(X)
        ratios = [seconds(lambda X=X: f(X)) / batch / seconds(forward) for _ in range(rounds)]
        best.append(statistics.median(ratios))
    return K * min(best)


def alone(title: str, library: str, name: str, size: int, batch: int) -> dict[str, float]:
    """In this process: megabytes above the start, and the time as a ratio, of the first call."""
    model, x = network(name, size, batch)
    forward = plain(model, x)
    f = candidate(title, library, model, x)
    assert f is not None
    __import__(
        {
            "camlite": "camlite",
            "pytorch-grad-cam": "pytorch_grad_cam",
            "torch-cam": "torchcam.methods",
        }[library]
    )
    forward()
    around = [seconds(forward) for _ in range(3)]
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    taken = seconds(f)
    peak = memory("VmHWM")
    around += [seconds(forward) for _ in range(3)]
    return {
        "MB": (peak - before) / 1024,
        "ratio": taken / statistics.median(around),
        "seconds": taken,
    }


def memory(field: str) -> int:
    """VmRSS or VmHWM (the peak) of this process in kB; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def in_fresh_process(
    title: str, library: str, name: str, size: int, batch: int
) -> dict[str, float] | None:
    if not Path("/proc/self/clear_refs").exists():
        return None
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.run",
        "--alone",
        title,
        library,
        name,
        "--size",
        str(size),
        "--batch",
        str(batch),
        "--threads",
        str(torch.get_num_threads()),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=PAGE.parent.parent
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(
    name: str, size: int, rounds: int, slow: bool, memories: list[str], batch: int = 1
) -> dict[str, Any]:
    result: dict[str, Any] = {"time": time_fast(name, size, rounds, batch), "alone": {}}
    result |= {"batch": batch, "floor": floor(name, size, rounds) if slow else None}
    result["cut"] = cut(name, size, rounds) if batch == 1 else None
    for title in [*memories, *(SLOW if slow else [])]:
        for library in LIBRARIES:
            if {**FAST, **SLOW}[title][LIBRARIES.index(library)] is not None:
                print(f"{name}: {title}, {library} …", file=sys.stderr, flush=True)
                single = in_fresh_process(title, library, name, size, batch)
                result["alone"][f"{title}|{library}"] = single
    return result


def cell(result: dict[str, Any], title: str, library: str) -> str:
    ratio = result["time"].get(title, {}).get(library)
    single = result["alone"].get(f"{title}|{library}")
    if ratio is None and single is None:
        return "–"
    ratio = single["ratio"] if ratio is None else ratio
    text = f"{ratio:,.0f} ×" if ratio >= 20 else f"{ratio:.2f} ×"
    return text + (f", {single['MB']:+,.0f} MB" if single else "")


def table(name: str, result: dict[str, Any]) -> str:
    batch = result["batch"]
    lines = [
        f"## {name}, layer4" + (f", batch of {batch}" if batch > 1 else ""),
        "",
        "| method | camlite | pytorch-grad-cam | torch-cam | target |",
        "| --- | --- | --- | --- | --- |",
    ]
    for title, (*_, target) in {**FAST, **SLOW}.items():
        cells = [cell(result, title, library) for library in LIBRARIES]
        if any(c != "–" for c in cells):
            goal = BATCH_TARGET.get(target, target) if batch > 1 else target
            lines.append(f"| {title} | {' | '.join(cells)} | {goal} |")
    if result["floor"]:
        lines.append(f"| {FLOOR} | {result['floor']:,.0f} × | | | |")
    return "\n".join(lines)


def machine() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        if info.exists()
        else []
    )
    packages = {p: version(p) for p in ("torch", "torchvision", "grad-cam", "torchcam")}
    versions = ", ".join(f"{p} {v}" for p, v in packages.items())
    return (
        f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads, "
        f"{platform.system()}, Python {platform.python_version()}, {versions}; {date.today()}"
    )


def page(results: list[tuple[str, dict[str, Any]]], size: int, rounds: int, command: str) -> str:
    intro = f"""# Time and memory

One picture of {size}×{size} (or a batch, where the heading says so), one complete call as a user
writes it. **×**: time divided by one plain forward pass in the same process; the median of {rounds}
rounds in which all candidates take turns (Ablation-CAM and Score-CAM: one run in a fresh process).
**MB**: peak memory above what was in use before the call, first call of a fresh process. Random
weights.

Machine: {machine()}

Command: `{command}`
"""
    tables = [table(name, result) for name, result in results]
    cuts = [(name, *result["cut"]) for name, result in results if result["cut"]]
    text = " and ".join(f"{ms:.1f} of {once:.1f} ms for {name}" for name, ms, once in cuts)
    return "\n\n".join([intro.strip(), *tables, READING.format(cuts=text).strip()]) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small, one round, prints only")
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument(
        "--slow",
        nargs="*",
        default=["resnet18", "resnet50"],
        metavar="MODEL",
        help="models for which Ablation-CAM and Score-CAM are measured",
    )
    parser.add_argument(
        "--batches",
        nargs="*",
        default=BATCHES,
        metavar="MODEL:N",
        help="models for which the fast methods are measured with N images at once, too",
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=1, help="with --alone: how many images")
    parser.add_argument(
        "--alone",
        nargs=3,
        metavar=("METHOD", "LIBRARY", "MODEL"),
        help="one measurement in this process, as JSON",
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.alone:
        print(json.dumps(alone(*options.alone, options.size, options.batch)))
        return
    if options.quick:
        few = [measure("resnet18", 64, 1, False, ["Grad-CAM"], batch) for batch in (1, 2)]
        command = "python -m tests.benchmarks.run --quick"
        print(page([("resnet18", result) for result in few], 64, 1, command))
        return
    size, rounds = options.size, options.rounds
    results = [
        (name, measure(name, size, rounds, name in options.slow, list(FAST)))
        for name in options.models
    ]
    for name, _, batch in (each.partition(":") for each in options.batches):
        results.append((name, measure(name, size, rounds, False, list(FAST), int(batch))))
    words = " ".join(sys.argv[1:] if arguments is None else arguments)
    PAGE.parent.mkdir(exist_ok=True)
    command = f"python -m tests.benchmarks.run {words}".strip()
    PAGE.write_text(page(results, size, rounds, command), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
