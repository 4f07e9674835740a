"""`camlite evaluate`: methods and floors over a whole data set, row by row.

| module | what |
|---|---|
| `items.py` | what to evaluate: pictures with a class, perhaps a mask or boxes |
| `subject.py` | the network, and how it wants its pictures |
| `measures.py` | the metrics: what is measured per image, and how a number comes of it |
| `store.py` | finished rows on disk: nothing is lost when the process is killed |
| `team.py` | one process or many, under torchrun |
| `plan.py` | what was asked for, and whether it is possible |
| `work.py` | goes through pictures and methods |
| `summary.py` | means with bootstrap intervals, win rates |
| `report.py` | tables, figures and the evaluation card |
| `run.py` | all of it, one after the other |
"""

from camlite.evaluation.plan import Plan
from camlite.evaluation.run import evaluate

__all__ = ["Plan", "evaluate"]
