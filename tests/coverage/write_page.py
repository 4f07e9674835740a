"""Writes docs/mistakes.md: `python tests/coverage/write_page.py` (some minutes)."""

from __future__ import annotations

from pathlib import Path

from camlite.course.coverage import Named, coverage

PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"
HEAD = """# Mistakes that a check can name

A wrong answer is compared with the wrong answers that an exercise declares, each with a sentence
that teaches. Where none fits, a search tries small changes of the right answer:

- **on the way in**: an argument negated, made absolute, transposed, left out; the first image, or
  its class, for all; two arguments exchanged; an option ignored; probabilities for logits;
- **inside**: each step of the right answer is replaced as it runs: a sum for the mean, the
  difference the other way round, no ReLU, another axis, a softmax more, one random draw for all
  images. The steps of other right formulations are tried too;
- **in the code**: one place of a right answer is written otherwise: another comparison, a term or
  an option, a limit or an `if` left out, `|` for `&`, a condition less, a loop that leaves out the
  first or does not end;
- **on the way out**: a ReLU, another scale, axes exchanged or summed, a factor that is a size;
- a step that is missing: the right result is the learner's after one more change;
- a declared mistake with one change more, and two changes at once.

What fits in numbers enough is said: "Your result is what the formula gives when the mean over axes
1 and 2 is replaced by the sum." The sentence is a statement about the result, so it is true
whatever the code is. Cases are explained one by one: an answer that is wrong in two ways, or in
some cases only, is told of the first case that can be explained, and how many are right.

How well does this work? For the table below each wrong answer of a frozen set, the checks of
commit de782e3, was judged by today's checks *without its own declaration*: the others and the
search had to name it. Not counted is what today's checks accept. Written by

```
python tests/coverage/write_page.py
```

"""


def page(named: list[Named]) -> str:
    """The table, one row for each exercise."""
    rows = ["| exercise | wrong answers | named | by the search |", "| --- | --- | --- | --- |"]
    counted = [n for n in named if n.status != "passed"]
    for id in dict.fromkeys(n.exercise for n in counted):
        rows.append(row(id, [n for n in counted if n.exercise == id]))
    rows.append(row("**all**", counted))
    return HEAD + "\n".join(rows) + "\n"


def row(name: str, answers: list[Named]) -> str:
    """Counts of one exercise, or of all."""
    found = [n for n in answers if n.diagnosis]
    searched = sum((n.diagnosis or "").startswith("found: ") for n in found)
    share = f"{len(found)} ({len(found) / len(answers):.0%})"
    return f"| {name} | {len(answers)} | {share} | {searched} |"


if __name__ == "__main__":
    PAGE.write_text(page(list(coverage())), encoding="utf-8")
