"""State on disk: whole or not at all, private, and held by one process."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sft_shared.errors import StoreError
from sft_shared.files import held_folder, make_private_folder, write_lasting, write_secret


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    """A second server would sign orders of its own, a second client would train twice."""
    folder = tmp_path / "state"
    with (
        held_folder(folder, holder="server"),
        pytest.raises(StoreError, match="in use by another server"),
        held_folder(folder, holder="server"),
    ):
        pass
    with held_folder(folder, holder="server"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_lasting(path, b"old")
    write_lasting(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_secret_is_for_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_secret(path, b"secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_secret(path, b"other")
    assert path.read_bytes() == b"secret"


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be made"):
        make_private_folder(tmp_path / "file" / "state")
