"""One process, or many that share the pictures: started by torchrun, on one machine or several.

torchrun starts the processes, restarts them and tells each its number; nothing of that is here.
The processes only need a common folder. They wait for each other before the first picture, before
the tables are made, and before they leave.
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
class Team:
    """This process's number, how many there are, and its device."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process makes the tables and talks to the person."""
        return self.rank == 0

    def meet(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            dist.barrier(device_ids=[self.device.index] if self.device.type == "cuda" else None)


@contextmanager
def team(device: str | None = None) -> Iterator[Team]:
    """Join the processes that torchrun started; a team of one without it.

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
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield Team(0, 1, here)
        return
    connected = dist.is_initialized()  # by the caller, who may evaluate several times
    if not connected:
        # one process may have much more to do than another: wait for days rather than minutes
        dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=timedelta(days=7))
    try:
        yield Team(dist.get_rank(), size, here)
    finally:
        if not connected:
            dist.destroy_process_group()
