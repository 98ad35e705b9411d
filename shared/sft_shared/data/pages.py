"""A page of HTML from a Jinja2 template, its pictures inside: nothing is requested from outside."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sft_shared.data.page_numbers import duration, percent, points, size
from sft_shared.data.pictures import ACCENT
from sft_shared.files import write_atomic

FILTERS = {"percent": percent, "points": points, "size": size, "duration": duration}
"""What every template can show numbers with."""

_SHOWN = dict.fromkeys({*range(32), *range(0x7F, 0xA0)} - {*map(ord, "\t\n\r")}, "\ufffd")


def write_page(path: Path, template: Path, *, private: bool = False, **values: Any) -> None:
    """Write ``template`` filled with ``values``, every one escaped, and control characters as U+FFFD.

    A ``private`` page is its owner's alone.

    ``{{ house_style | safe }}`` is the look that all our pages share.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8").replace("ACCENT", ACCENT)
    page = environment.get_template(template.name).render(house_style=style, **values)
    write_atomic(path, page.translate(_SHOWN).encode("utf-8", "replace"), private=private)


def data_uri(picture: Path) -> str:
    """A PNG file as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")
