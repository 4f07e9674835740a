"""The course: lessons, checks that say what went wrong, hints and progress.

In a lesson: `from camlite.course import check, hint`. The formulas of `camlite.methods` know
nothing of this package.
"""

from camlite.course.exercises import Case, Exercise, normal
from camlite.course.notebook import check, hint

__all__ = ["Case", "Exercise", "check", "hint", "normal"]
