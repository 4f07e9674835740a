"""The whole of an evaluation: plan, work, report."""

from __future__ import annotations

from typing import Any

from camlite.evaluation.plan import Plan, prepare
from camlite.evaluation.report import report
from camlite.evaluation.store import claim
from camlite.evaluation.team import team
from camlite.evaluation.work import work


def evaluate(plan: Plan, progress: bool = True) -> dict[str, Any]:
    """Measure all methods on all pictures; returns the summary, and writes it to `plan.out`.

    Goes on where an earlier run of the same plan stopped. Under torchrun the pictures are divided
    among the processes; only the leading one returns a summary. Raises ValueError for a plan that
    is not possible.
    """
    with team(plan.device) as we:
        job = prepare(plan, we)
        for write in (we.leads, False):  # the second time all see what the first one wrote
            claim(plan.out, job.settings, free=("methods", "metrics", "pictures"), write=write)
            we.meet()
        work(job, progress)
        we.meet()
        answer = report(job) if we.leads else {}
        we.meet()  # nobody leaves while another still needs the connection
        return answer
