"""The process group: one process, or many that torchrun started, on one machine or several.

torchrun starts and restarts the processes and gives each its rank. Here they only divide the images
and share a folder. There is a barrier before the first image, before the tables are written, and
at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class ProcessGroup:
    """The rank of this process, the number of processes, and the device of this one."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes the tables and prints: rank 0."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until all processes have come this far."""
        if self.world_size > 1:
            dist.barrier(device_ids=[self.device.index] if self.device.type == "cuda" else None)


@contextmanager
def process_group(device: str | None = None) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started; a group of one without it.

    gloo connects processes on CPUs, NCCL those with a GPU each. `device` is "cpu" or "cuda";
    without it a GPU is taken if there is one. Raises ValueError for a device that is not there.
    """
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"--device is cpu or cuda, not {kind!r}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch sees no GPU here")
    local = int(os.environ.get("LOCAL_RANK", 0))
    here = torch.device("cpu")
    if kind == "cuda":
        there = torch.cuda.device_count()
        if local >= there:
            raise ValueError(
                f"this machine has {there} GPU(s), but more processes were started: "
                f"--nproc-per-node {there}, or --device cpu"
            )
        here = torch.device("cuda", local)
        torch.cuda.set_device(here)
    world_size = int(os.environ.get("WORLD_SIZE", 1))
    if world_size == 1:
        yield ProcessGroup(0, 1, here)
        return
    connected = dist.is_initialized()  # by the caller, who may evaluate several times
    if not connected:
        # one process may have much more to do than another: wait for days rather than minutes
        dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=timedelta(days=7))
    try:
        yield ProcessGroup(dist.get_rank(), world_size, here)
    finally:
        if not connected:
            dist.destroy_process_group()
