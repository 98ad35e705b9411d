"""Pages: every value is escaped, an unknown name is an error, and pictures are inside."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from sft_shared.data.pages import data_uri, write_page
from sft_shared.data.pictures import ACCENT


def test_a_value_is_text_and_never_html(tmp_path: Path) -> None:
    """A name that looks like a script does nothing, unless the template itself asks for it."""
    template = tmp_path / "page.j2"
    template.write_text("<b>{{ name }}</b>{{ more | safe }}{{ 0.5 | percent }}", encoding="utf-8")
    page = tmp_path / "page.html"
    write_page(page, template, name="<i>包</i>", more="<i>x</i>")
    assert page.read_text(encoding="utf-8") == "<b>&lt;i&gt;包&lt;/i&gt;</b><i>x</i>50.0\u202f%"
    with pytest.raises(UndefinedError):
        write_page(page, template, name="")


def test_all_pages_share_one_look(tmp_path: Path) -> None:
    """The style sheet is inside, in our colour, and asks for nothing from outside."""
    template = tmp_path / "page.j2"
    template.write_text("{{ house_style | safe }}", encoding="utf-8")
    write_page(tmp_path / "page.html", template)
    style = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"--accent: {ACCENT};" in style
    assert "url(" not in style
    assert "@import" not in style


def test_a_picture_is_held_by_its_address(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert data_uri(tmp_path / "a.png") == "data:image/png;base64,iVBORw=="


def test_control_characters_are_shown_and_not_written(tmp_path: Path) -> None:
    """A NUL in a hostile answer would make of the page what no browser or editor has to read."""
    template = tmp_path / "page.j2"
    template.write_text("{{ answer }}", encoding="utf-8")
    write_page(tmp_path / "page.html", template, answer="a\0b\x1b[2J\x9b\x7f\tc\n好")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "a\ufffdb\ufffd[2J\ufffd\ufffd\tc\n好"
