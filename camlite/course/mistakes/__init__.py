"""Mistakes found by search: which small change of the right answer gives the learner's result?

`arguments`: a change on the way in (W is replaced by |W|). `steps`: a change inside (a sum for the
mean). `results`: a change on the way out (a ReLU). `search` tries them, alone and in pairs. A
sentence says only what was seen: "Your result is what the formula gives when …".
"""

from camlite.course.mistakes.search import Found, Search, evidence, special

__all__ = ["Found", "Search", "evidence", "special"]
