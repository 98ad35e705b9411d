"""A profile on disk: numbers, a picture, and a page without any outside request."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from sft_shared.data.hygiene.profile import Profile
from sft_shared.data.hygiene.profile_picture import are_numbered, classes_of, draw
from sft_shared.data.pages import data_uri, write_page
from sft_shared.files import write_atomic

MAX_ROWS = 200
"""Rows of a table on the page; profile.json has all."""


def write_profile(found: Profile, *, title: str, folder: Path) -> list[Path]:
    """Write profile.json, profile.png and profile.html into ``folder``; return their paths."""
    paths = [folder / f"profile.{suffix}" for suffix in ("json", "png", "html")]
    write_atomic(paths[0], (json.dumps(asdict(found), ensure_ascii=False, indent=1) + "\n").encode())
    draw(found).savefig(paths[1], dpi=130)
    write_page(
        paths[2],
        Path(__file__).with_name("profile.html.j2"),
        found=found,
        title=title,
        picture=data_uri(paths[1]),
        classes=classes_of(found),
        numbered=are_numbered(found),
        max_rows=MAX_ROWS,
    )
    return paths
