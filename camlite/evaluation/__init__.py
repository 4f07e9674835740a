"""`camlite evaluate`: methods and floors over a whole data set, row by row.

| module | what |
|---|---|
| `run.py` | all of it, one step after the other |
| `plan.py` | what was asked for, and whether it is possible |
| `options.py` | `--set`: options of single methods |
| `compared.py` | the methods that are compared, and the floors beside them |
| `dataset.py` | samples: images with a class, perhaps a mask or boxes; generated ones |
| `folders.py` | samples from folders of image files |
| `network.py` | the network: bundled, of torchvision, or your own |
| `preprocessing.py` | an image, its mask and boxes, as the network gets them |
| `distributed.py` | the process group: one process, or many under torchrun |
| `loop.py` | goes through samples and methods: a map, its metrics, a row |
| `measures.py` | the metrics: what is measured for a map, and how a number comes of it |
| `store.py` | finished rows on disk: nothing is lost when the process is killed |
| `summary.py` | means with bootstrap intervals, win rates |
| `report.py` | writes the files of a run |
| `tables.py` | the CSV files, and the table of the card |
| `card.py` | the evaluation card |
| `drawing.py` | the two figures |
"""

from camlite.evaluation.plan import Plan
from camlite.evaluation.run import evaluate

__all__ = ["Plan", "evaluate"]
