"""Which row of a table is which submission. Never a guess: with two candidates, none is taken.

In this order, and the first that fits anybody decides:
1. the submission is named like an id of the row (number, login, e-mail address);
2. it is named as Canvas and Moodle name downloads, by name and number (`doejane_12345_…`,
   `Jane Doe_12345_assignsubmission_file_`), and both fit the row;
3. it is named like the person;
4. it is named like the part of the e-mail address before the @.
Capitals do not count, nor do spaces and punctuation in names. Accents do: Lan is not Lân.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from camlite.grading.exports.table import Row

_DOWNLOAD = re.compile(r"(.+?)(?:_late)?_(\d+)(?:_.*)?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Person:
    """A row of a table. `ids`: whole names of a submission that are theirs. `numbers`: ids that
    count only beside the name. `names`: as written. `blocked`: why the system takes no points for
    them; "" where it does.
    """

    row: Row
    label: str
    ids: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    blocked: str = ""


@dataclass
class Matches:
    """`found`: student -> person. `unmatched`: student -> why. `without`: people without marks."""

    found: dict[str, Person] = field(default_factory=dict)
    unmatched: dict[str, str] = field(default_factory=dict)
    without: list[Person] = field(default_factory=list)


def match(students: Iterable[str], people: Sequence[Person]) -> Matches:
    """Give each student a row, or the reason why there is none."""
    result = Matches()
    for student in students:
        candidates = _candidates(student, people)
        if len(candidates) == 1:
            result.found[student] = candidates[0]
        else:
            lines = ", ".join(str(person.row.number) for person in candidates)
            result.unmatched[student] = f"lines {lines} fit" if candidates else "no row fits"
    _drop_shared_rows(result)
    taken = {person.row.number for person in result.found.values()}
    result.without = [person for person in people if person.row.number not in taken]
    return result


def _drop_shared_rows(result: Matches) -> None:
    """Two submissions for one row: neither is taken."""
    uses = Counter(person.row.number for person in result.found.values())
    for student, person in list(result.found.items()):
        if uses[person.row.number] > 1:
            line = person.row.number
            result.unmatched[student] = f"line {line} fits another submission, too"
            del result.found[student]


def _candidates(student: str, people: Sequence[Person]) -> list[Person]:
    fits: tuple[Callable[[str, Person], bool], ...] = (_id, _name_and_number, _name, _mailbox)
    for fit in fits:
        found = [person for person in people if fit(student, person)]
        if found:
            return found
    return []


def _id(student: str, person: Person) -> bool:
    return _plain(student) in map(_plain, person.ids)


def _name_and_number(student: str, person: Person) -> bool:
    download = _DOWNLOAD.fullmatch(student)
    if download is None or download[2] not in person.numbers:
        return False
    anonymous = _id(f"{download[1]}_{download[2]}", person)  # Participant_1234
    return anonymous or _letters(download[1]) in _spellings(person.names)


def _name(student: str, person: Person) -> bool:
    return bool(_spellings([student]) & _spellings(person.names))


def _mailbox(student: str, person: Person) -> bool:
    boxes = (id.partition("@")[0] for id in person.ids if "@" in id)
    return _plain(student) in map(_plain, boxes)


def _spellings(names: Iterable[str]) -> set[str]:
    """ "Doe, Jane" is Doe Jane and Jane Doe. Without a comma the order stays."""
    found = set()
    for name in names:
        last, _, first = name.partition(",")
        found |= {_letters(last + first), _letters(first + last)}
    return found - {""}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _letters(text: str) -> str:
    """Letters and digits alone, marks of accents included."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in plain if unicodedata.category(sign)[0] in "LMN")
