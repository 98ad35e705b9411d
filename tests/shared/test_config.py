"""Settings: a wrong YAML is answered with file:line, the field, what was found and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, PositiveInt, ValidationError

from sft_shared.config import LocalPath, Settings, load_yaml, refuse_twins
from sft_shared.errors import ConfigError


class Inner(Settings):
    kind: Literal["a", "b"]
    size: PositiveInt = 1


class Outer(Settings):
    name: str
    inner: Inner
    rows: tuple[Inner, ...] = ()
    folder: LocalPath | None = None
    share: float = Field(default=0.5, ge=0, le=1)


def complaint(tmp_path: Path, text: str) -> str:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, Outer)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_a_right_file_is_read_and_relative_paths_count_from_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("name: 节点\ninner: {kind: a}\nfolder: state/x\n", encoding="utf-8")
    settings = load_yaml(path, Outer)
    assert settings.name == "节点"
    assert settings.folder == tmp_path / "state/x"
    with pytest.raises(ValidationError):
        settings.name = "frozen"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name: x\ninner:\n  kind: c\n", ["settings.yaml:3: inner.kind: found 'c'", "'a' or 'b'"]),
        (
            "name: x\ninner:\n  kind: a\n  size: -4\n",
            ["settings.yaml:4: inner.size: found -4", "greater than 0"],
        ),
        (
            "name: x\ninner:\n  kind: a\n  sise: 4\n",
            ["settings.yaml:4: inner.sise: unknown field", "kind, size"],
        ),
        ("name: x\n", ["settings.yaml:1: inner: missing"]),
        ("name: x\ninner: {kind: a}\nshare: 3\n", ["settings.yaml:3: share: found 3"]),
        ("name: x\nname: y\ninner: {kind: a}\n", ["settings.yaml:2: name: given twice (first on line 1)"]),
        (
            "name: x\ninner: {kind: a}\nrows:\n- kind: a\n- kind: q\n",
            ["settings.yaml:5: rows.1.kind: found 'q'"],
        ),
        ("name: [x\n", ["settings.yaml:2: not valid YAML"]),
        ("- 1\n", ["settings.yaml:1: found a list, expected fields such as name"]),
        ("", ["settings.yaml:1: found an empty file"]),
        ("name: 2020-13-45\n", ["settings.yaml:1: holds a value that cannot be read"]),
        ("name: " + "[" * 3000 + "]" * 3000, ["settings.yaml:1: holds a value that cannot be read"]),
        ("name: x\ninner: &a {kind: a}\nrows: [*a]\n", ["settings.yaml:3: *a: aliases are not read"]),
    ],
)
def test_every_complaint_names_line_field_and_remedy(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = complaint(tmp_path, text)
    for part in parts:
        assert part in message


def test_all_wrong_fields_are_named_at_once(tmp_path: Path) -> None:
    message = complaint(tmp_path, "inner: {kind: c, size: 0}\n")
    assert len(message.splitlines()) == 3


def test_a_tag_that_would_build_an_object_is_refused(tmp_path: Path) -> None:
    message = complaint(tmp_path, "name: !!python/object/apply:os.getcwd []\ninner: {kind: a}\n")
    assert "settings.yaml:1: not valid YAML" in message


def test_a_missing_or_undecodable_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml: no such file"):
        load_yaml(tmp_path / "nowhere.yaml", Outer)
    (tmp_path / "bad.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path / "bad.yaml", Outer)


def test_a_name_that_is_there_twice_is_refused() -> None:
    """With its field, so that the complaint finds the line."""
    refuse_twins("rules", ["a", "b"])
    with pytest.raises(ValueError, match="rules: 'b' is there twice"):
        refuse_twins("rules", ["a", "b", "b"])
