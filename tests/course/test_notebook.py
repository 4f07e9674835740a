"""What `check` shows in a notebook: HTML that wraps, and plain text beside it."""

from __future__ import annotations

import pytest

from camlite.course.notebook import html


def test_html_wraps_and_is_escaped():
    shown = html([("✘ wrong", "bold red"), ('  "a" < b & <b>bold</b>', "")])
    assert shown.startswith('<pre style="margin: 0; white-space: pre-wrap; word-break: normal')
    assert '<span style="font-weight: bold; color: #e53935">✘ wrong</span>\n' in shown
    assert "  &quot;a&quot; &lt; b &amp; &lt;b&gt;bold&lt;/b&gt;</pre>" in shown


@pytest.mark.slow  # it starts a kernel
def test_in_a_kernel_it_is_html_with_plain_text(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("CAMLITE_HOME", str(tmp_path))
    source = 'from camlite.course import check\ncheck("3.3", lambda M: 0 * M)'
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(book, timeout=300, kernel_name="python3").execute()
    (data,) = [o["data"] for o in book.cells[0].outputs if o.output_type == "display_data"]
    assert data["text/plain"].startswith("✘ 3.3 normalize: wrong\n  Case: ")
    assert "pre-wrap" in data["text/html"]
    assert "✘ 3.3 normalize: wrong" in data["text/html"]
