"""Folders that a run writes to: what it has not made stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sft_shared.data.prepare import run
from sft_shared.errors import ConfigError, DataError, FedsftError

FOREIGN = ("units/mine", "settings.json", "plan.json", "parts-mine/a", "notes.txt", "lock")


def _fill(folder: Path, names: tuple[str, ...] = FOREIGN) -> dict[Path, str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"precious {name}")
    return _content(folder)


def _content(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_work_folder_with_other_files_is_refused_and_left_alone(
    tmp_path: Path, road: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the guard off such files are lost."""
    road.write_logs()
    before = _fill(tmp_path / "mine", (name,))
    with pytest.raises(
        ConfigError, match=r"holds .*, which no run of prepare made.*set `work` to a new folder"
    ):
        road.run(work=str(tmp_path / "mine"))
    assert _content(tmp_path / "mine") == before
    monkeypatch.setattr(run, "claim_folders", lambda _: road.out.mkdir())
    road.run(work=str(tmp_path / "mine"))
    assert name == "notes.txt" or _content(tmp_path / "mine") != before


@pytest.mark.parametrize("name", ["examples.jsonl", "negatives.jsonl", "rejected.jsonl", "manifest.json"])
def test_another_programs_outputs_are_not_replaced(tmp_path: Path, road: Any, name: str) -> None:
    road.write_logs()
    before = _fill(tmp_path / "out", (name,))
    with pytest.raises(ConfigError, match=f"{name}: would be replaced, and no run of prepare made it"):
        road.run()
    assert _content(tmp_path / "out") == before


def test_files_beside_the_outputs_stay(tmp_path: Path, road: Any) -> None:
    road.write_logs()
    before = _fill(tmp_path / "out", ("notes.txt", "units/mine", "settings.json"))
    road.run()
    road.run(seed=1)
    assert before.items() <= _content(tmp_path / "out").items()


def test_a_run_goes_on_in_a_folder_of_its_own_and_of_a_manifest_without_marker(
    tmp_path: Path, road: Any
) -> None:
    """As earlier versions left it."""
    road.write_logs()
    road.run(work=str(tmp_path / "work"))
    (tmp_path / "out" / ".sft-prepare-out").unlink()
    (tmp_path / "out" / ".work" / ".sft-prepare-work").unlink()
    assert road.run(work=str(tmp_path / "work"), seed=1).changed


@pytest.mark.parametrize("work", [".", "logs", "link", "out"])
def test_a_work_folder_that_holds_inputs_or_outputs_is_refused(tmp_path: Path, road: Any, work: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "logs")
    path = road.write("logs/a.jsonl", *road.session(1))
    (tmp_path / "logs" / ".sft-prepare-work").write_text("")  # whoever put it there
    source = {"kind": "jsonl", "path": str(path)}
    with pytest.raises(FedsftError, match="Set `work` to a folder of its own"):
        road.run(sources=[source], work=str(tmp_path / work))
    assert path.exists()


@pytest.mark.parametrize("place", ["work/words.jsonl", "out/examples.jsonl"])
def test_files_that_settings_name_are_inputs_too(tmp_path: Path, road: Any, place: str) -> None:
    road.write_logs()
    (tmp_path / place).parent.mkdir()
    maker = {"kind": "dataset", "path": str(road.write(place, {"prompt": "q", "completion": "a"}))}
    before = _content((tmp_path / place).parent)
    with pytest.raises(DataError, match=r"to (another|a) folder"):
        road.run(makers=[maker], work=str(tmp_path / "work"))
    assert _content((tmp_path / place).parent) == before
