"""Who handed in what, in every form in which learning systems export it."""

from __future__ import annotations

import io
import json
import os
import zipfile

import pytest

from camlite.course.lessons import find_lesson
from camlite.grading.submissions import answers_to, find_students

CODE = "def channel_weights(G):\n    return G.mean((2, 3))\n"
EIGHT = find_lesson(8)


def written(folder, **files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def zipped(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def owners(path):
    """Student -> the file that counts for lesson 8."""
    found = {}
    for one in find_students(path):
        files = answers_to(EIGHT, one)
        found[one.name] = files[0].path if files else None
    return found


def test_a_folder_for_each_student(tmp_path):
    files = {
        "An Nguyễn/08_grad_cam.py": CODE,
        "o,brien/deep/er/08_grad_cam.ipynb": json.dumps({"cells": []}),
        '李 "x"/Lesson 8.py': CODE,
        "nothing/notes.pdf": "…",
        "An Nguyễn/.ipynb_checkpoints/08_grad_cam-checkpoint.ipynb": "{}",
        "__MACOSX/an/._08_grad_cam.py": "x",
    }
    written(tmp_path, **files)
    assert owners(tmp_path) == {
        "An Nguyễn": "08_grad_cam.py",
        "o,brien": "deep/er/08_grad_cam.ipynb",
        '李 "x"': "Lesson 8.py",
        "nothing": None,
    }


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("an_08_grad_cam.py", "an"),
        ("Nguyễn Văn An - 08_grad_cam.py", "Nguyễn Văn An"),
        ("o'brien,k_08_grad_cam.ipynb", "o'brien,k"),
        ("doejane_12345_678910_08_grad_cam.py", "doejane_12345"),
        ("doejane_LATE_12345_678910_08_grad_cam-2.py", "doejane_12345"),
        ("Jane Doe_4711_assignsubmission_file_08_grad_cam.ipynb", "Jane Doe_4711"),
    ],
)
def test_files_whose_names_begin_with_the_student(tmp_path, name, student):
    written(tmp_path, **{name: CODE, "zz_08_grad_cam.py": CODE})
    assert owners(tmp_path) == {student: name, "zz": "zz_08_grad_cam.py"}


def test_moodle_folders_and_zips_in_zips(tmp_path):
    inner = zipped(**{"mine/08_grad_cam.py": CODE})
    written(
        tmp_path,
        **{
            "Jane Doe_4711_assignsubmission_file_/08_grad_cam.py": CODE,
            "bi.zip": zipped(**{"again.zip": inner, "readme.txt": "hello"}),
        },
    )
    assert owners(tmp_path) == {"Jane Doe": "08_grad_cam.py", "bi": "again/mine/08_grad_cam.py"}
    whole = tmp_path / "all.zip"
    data = zipped(
        **{"submissions/an/08_grad_cam.py": CODE, "submissions/bi/08_grad_cam.py": CODE + "\n"}
    )
    whole.write_bytes(data)
    assert owners(whole) == {"an": "08_grad_cam.py", "bi": "08_grad_cam.py"}


def test_the_latest_copy_counts(tmp_path):
    written(
        tmp_path,
        **{
            "an/08_grad_cam.py": CODE,
            "an/08_grad_cam (1).py": CODE,
            "an/08_grad_cam-2.py": CODE,
        },
    )
    for path in tmp_path.rglob("*.py"):
        os.utime(path, (0, 1000))
    assert owners(tmp_path) == {"an": "08_grad_cam-2.py"}
    os.utime(tmp_path / "an/08_grad_cam.py", (0, 2000))
    assert owners(tmp_path) == {"an": "08_grad_cam.py"}


def test_a_file_of_another_name_is_known_by_its_functions(tmp_path):
    written(tmp_path, **{"an/homework.py": CODE, "bi/03_class_activation_map.py": CODE})
    assert owners(tmp_path) == {"an": "homework.py", "bi": None}


def test_an_archive_leads_nowhere_and_fills_nothing(tmp_path):
    bomb = zipped(**{"08_grad_cam.py": b"#" * (30 * 2**20)})
    written(
        tmp_path,
        **{
            "path.zip": zipped(**{"../../etc/08_grad_cam.py": CODE, "C:\\x\\notes.py": "a = 1"}),
            "bomb.zip": bomb,
            "broken.zip": b"PK\3\4 no zip",
            "deep.zip": zipped(
                **{"a.zip": zipped(**{"b.zip": zipped(**{"c.zip": zipped(**{"d.zip": bomb})})})}
            ),
        },
    )
    before = sorted(tmp_path.rglob("*"))
    found = {one.name: one for one in find_students(tmp_path)}
    assert list(found) == ["bomb", "broken", "deep", "path"]
    assert [f.path for f in found["path"].files] == ["etc/08_grad_cam.py", "x/notes.py"]
    assert found["bomb"].problems == ["08_grad_cam.py is too large"]
    assert "cannot be unpacked" in found["broken"].problems[0]
    assert "too deep" in found["deep"].problems[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_text(CODE)
    written(tmp_path / "in", **{"an/notes.txt": "x", "bi/08_grad_cam.py": CODE})
    (tmp_path / "in/an/08_grad_cam.py").symlink_to(secret)
    (tmp_path / "in/cy").symlink_to(tmp_path / "in/bi")
    os.link(secret, tmp_path / "in/bi/hard.py")
    found = {one.name: one for one in find_students(tmp_path / "in")}
    assert owners(tmp_path / "in")["an"] is None
    assert found["an"].problems == ["08_grad_cam.py is a link: not followed"]
    assert found["bi"].problems == ["hard.py is a hard link: not read"]
    assert "cy" not in found or not found["cy"].files


def test_a_name_in_somebody_elses_folder_is_no_student(tmp_path):
    written(tmp_path, **{"an/bi_08_grad_cam.py": CODE, "bi/08_grad_cam.py": "x = 1"})
    assert owners(tmp_path) == {"an": "bi_08_grad_cam.py", "bi": "08_grad_cam.py"}


def test_one_student_in_a_folder_of_folders_stays_one(tmp_path):
    written(tmp_path, **{"an/mine/08_grad_cam.py": CODE})
    assert owners(tmp_path) == {"an": "mine/08_grad_cam.py"}


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match="holds no submissions"):
        find_students(tmp_path)
    with pytest.raises(ValueError, match="there is no folder or zip"):
        find_students(tmp_path / "nowhere")
