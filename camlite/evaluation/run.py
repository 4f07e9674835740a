"""A whole evaluation: prepare, measure, report."""

from __future__ import annotations

from typing import Any

from camlite.evaluation.distributed import process_group
from camlite.evaluation.loop import measure_missing
from camlite.evaluation.plan import Plan, prepare
from camlite.evaluation.report import report
from camlite.evaluation.store import bind_settings

ONLY_ADD_ROWS = ("methods", "metrics", "pictures")  # settings that may change in a later start


def evaluate(plan: Plan, progress: bool = True) -> dict[str, Any]:
    """Measure all methods on all pictures; returns the summary, and writes it to `plan.out`.

    Goes on where an earlier run of the same plan stopped. Under torchrun the pictures are divided
    among the processes; only rank 0 returns a summary. Raises ValueError for a plan that
    is not possible.
    """
    with process_group(plan.device) as group:
        run = prepare(plan, group)
        for write in (group.is_main, False):  # the second time all read what rank 0 wrote
            bind_settings(plan.out, run.settings, free=ONLY_ADD_ROWS, write=write)
            group.barrier()
        measure_missing(run, progress)
        group.barrier()
        answer = report(run) if group.is_main else {}
        group.barrier()  # nobody leaves while another still needs the connection
        return answer
