"""JUnit XML: one test suite for each student, one test case for each exercise.

The form is that of Jenkins' xUnit plugin (junit-10.xsd), which GitLab and others read too.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from camlite.grading.exports import common
from camlite.grading.marks import Mark


def document(marks: Sequence[Mark]) -> str:
    """A wrong answer is a failure; no verdict (timeout, crash, no file, …) is an error."""
    root = ET.Element("testsuites", {"name": "camlite", **_counts(marks)})
    for student, own in common.by_student(marks).items():
        suite = ET.SubElement(root, "testsuite", {"name": common.one_line(student), **_counts(own)})
        properties = ET.SubElement(suite, "properties")
        ET.SubElement(properties, "property", name="points", value=_of(own))
        for mark in own:
            _case(suite, mark)
    ET.indent(root)
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{declaration}{ET.tostring(root, encoding='unicode')}\n"


def _counts(marks: Sequence[Mark]) -> dict[str, str]:
    kinds = [_kind(mark) for mark in marks]
    return {
        "tests": str(len(marks)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
        "time": f"{sum(mark.seconds for mark in marks):.2f}",
    }


def _kind(mark: Mark) -> str:
    if common.full(mark):
        return "passed"
    return "failure" if mark.status == "graded" or mark.by_hand else "error"


def _of(marks: Sequence[Mark]) -> str:
    points, top = common.points(marks), common.max_points(marks)
    return f"{common.number(points)} of {common.number(top)}"


def _case(suite: ET.Element, mark: Mark) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"lesson_{mark.lesson:02}",
        name=mark.exercise,
        time=f"{mark.seconds:.2f}",
    )
    if _kind(mark) != "passed":
        reason = mark.diagnosis or mark.status
        why = ET.SubElement(case, _kind(mark), type=common.one_line(reason))
        why.set("message", f"{_of([mark])} points")
        why.text = common.told(mark)
