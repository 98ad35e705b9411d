"""Pages: every value is escaped, an unknown name is an error, and pictures are inside."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from sft_shared.data.pages import data_uri, write_page


def test_a_value_is_text_and_never_html(tmp_path: Path) -> None:
    """A name that looks like a script does nothing, unless the template itself asks for it."""
    template = tmp_path / "page.j2"
    template.write_text("<b>{{ name | loud }}</b>{{ more | safe }}", encoding="utf-8")
    page = tmp_path / "page.html"
    write_page(page, template, filters={"loud": str.upper}, name="<i>包</i>", more="<i>x</i>")
    assert page.read_text(encoding="utf-8") == "<b>&lt;I&gt;包&lt;/I&gt;</b><i>x</i>"
    with pytest.raises(UndefinedError):
        write_page(page, template, filters={"loud": str.upper}, name="")


def test_a_picture_is_held_by_its_address(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert data_uri(tmp_path / "a.png") == "data:image/png;base64,iVBORw=="
