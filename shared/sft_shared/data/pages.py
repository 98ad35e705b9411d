"""A page of HTML from a Jinja2 template, its pictures inside: nothing is requested from outside."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sft_shared.data.pictures import ACCENT
from sft_shared.files import write_atomic


def write_page(path: Path, template: Path, *, filters: dict[str, Callable[..., str]], **values: Any) -> None:
    """Write ``template`` filled with ``values``, every one escaped; ``accent`` is our colour."""
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    page = environment.get_template(template.name).render(accent=ACCENT, **values)
    write_atomic(path, page.encode("utf-8", "replace"))


def data_uri(picture: Path) -> str:
    """A PNG file as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")
