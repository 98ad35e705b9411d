"""Draws by key, and the key's file."""

from __future__ import annotations

import stat
from collections import Counter
from pathlib import Path

import pytest

from sft_shared.data.desensitise.keyed import Draw, keyed_letters, load_key
from sft_shared.errors import ConfigError


def test_a_key_is_made_once_and_is_its_owner_s(tmp_path: Path) -> None:
    """32 random bytes that nobody else may read."""
    path = tmp_path / "keys" / "pseudonyms"
    key = load_key(path)
    assert len(key) == 32
    assert load_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(tmp_path / "another") != key


def test_a_wrong_key_file_is_refused_without_its_content(tmp_path: Path) -> None:
    """The message names the path and the length."""
    path = tmp_path / "key"
    path.write_bytes(b"hunter2")
    with pytest.raises(ConfigError, match="found 7 bytes, a key has 32") as caught:
        load_key(path)
    assert "hunter2" not in str(caught.value)


def test_draws_depend_on_the_key_and_on_what_they_are_for() -> None:
    """Also on where one part of it ends and the next begins."""
    rows = {
        Draw(key, *what).digits(30)
        for key in (b"a" * 32, b"b" * 32)
        for what in (("x", "yz"), ("xy", "z"), ("xyz",))
    }
    assert len(rows) == 6
    assert keyed_letters(b"a" * 32, "x", length=16) != keyed_letters(b"b" * 32, "x", length=16)


def test_draws_are_even() -> None:
    """10,000 digits: each appears about 1,000 times."""
    draw = Draw(b"k" * 32, "digits")
    counts = Counter("".join(draw.digits(10) for _ in range(1000)))
    assert set(counts) == set("0123456789")
    assert all(850 < count < 1150 for count in counts.values())
