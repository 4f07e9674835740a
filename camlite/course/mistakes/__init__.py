"""Mistakes found by search: which small change of the right answer gives the learner's result?

`arguments`: a change on the way in (W is replaced by |W|). `steps`: a change inside (a sum for the
mean). `results`: a change on the way out (a ReLU). `search` tries them, alone and in pairs;
`by_name` makes an answer with a mistake of a given name. A sentence says only what was seen:
"Your result is what the formula gives when …".
"""

from camlite.course.mistakes.numbers import evidence, special
from camlite.course.mistakes.search import Found, Search

__all__ = ["Found", "Search", "evidence", "special"]
