"""Text of students is never trusted: nothing in it may command a terminal, a browser or an eye."""

from __future__ import annotations

import re
import unicodedata

LONGEST_LINE = 500  # characters
MOST_LINES = 80
MOST = 200_000  # characters that are looked at
_ESCAPES = re.compile(  # what a terminal obeys: colours, titles, links, moves of the cursor
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
_JOINERS = "\u200c\u200d"  # Persian, Indian scripts and emoji are spelled with them
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # categories of Unicode


def plain(text: str) -> str:
    """Without escape codes; a character that is not seen, or turns the direction, becomes �."""
    text = _ESCAPES.sub("", text[:MOST]).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c if c in "\n\t" or _is_seen(c) else "�" for c in text)


def _is_seen(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _UNSEEN


def one_line(text: str, longest: int = 200) -> str:
    """A name or a title: plain, on one line, not too long."""
    return _shortened(" ".join(plain(text).split()), longest)


def lines(text: str) -> str:
    """A message: plain, with its lines; very long lines and very many lines are cut."""
    every = plain(text).rstrip().split("\n")
    shown = [_shortened(line, LONGEST_LINE) for line in every[:MOST_LINES]]
    left = len(every) - len(shown)
    return "\n".join([*shown, f"… ({left} more lines)"] if left else shown)


def _shortened(line: str, longest: int) -> str:
    left = len(line) - longest
    return f"{line[:longest]}… ({left} more characters)" if left > 0 else line
