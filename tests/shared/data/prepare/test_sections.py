"""Files of sections."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.prepare.sections import SectionFile, write_sections

LINES = st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=5)


@given(st.lists(LINES, min_size=1, max_size=6))
def test_each_section_comes_back_alone(
    tmp_path_factory: pytest.TempPathFactory, sections: list[list[bytes]]
) -> None:
    path = tmp_path_factory.mktemp("sections") / "file"
    write_sections(path, sections, counts={"a": {"b": 1}})
    file = SectionFile(path)
    assert [list(file.lines(number)) for number in range(len(sections))] == sections
    blocks = [b"".join(file.blocks(number)) for number in range(len(sections))]
    assert blocks == [b"".join(lines) for lines in sections]
    assert file.counts() == {"a": {"b": 1}}


def test_a_write_that_fails_leaves_no_file_with_that_name(tmp_path: Path) -> None:
    def broken() -> list[bytes]:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        write_sections(tmp_path / "file", (lines() for lines in (list, broken)), counts={})
    assert not (tmp_path / "file").exists()


def test_the_file_is_its_owners_only(tmp_path: Path) -> None:
    write_sections(tmp_path / "file", [[b"raw text\n"]], counts={})
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
