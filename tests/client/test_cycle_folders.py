"""Finished cycles on the disk: what is whole and of the same training is gone on with, nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sft_client.cycle_folders import CycleFolders, CycleSummary
from sft_shared.errors import TrainingError
from sft_shared.models.tuned import AdapterState


def summary(cycle: int) -> CycleSummary:
    """A cycle's numbers."""
    return CycleSummary(
        cycle=cycle,
        stage="selection",
        steps=3,
        resumed_at=0,
        num_examples=6,
        tokens=100,
        supervised_tokens=10,
        first_loss=2.5,
        final_loss=0.1 + cycle,
        best_step=None,
        held_out_loss=None,
        seconds=1.25,
        scores={"selection": (1, 2)},
    )


def state(value: float) -> AdapterState:
    """An adapter that can be told from others."""
    return {"a": torch.full((2,), value)}


@pytest.fixture
def folders(tmp_path: Path) -> CycleFolders:
    """Two cycles are done."""
    folders = CycleFolders(tmp_path / "cycles", key="k")
    folders.begin()
    for cycle in (1, 2):
        folders.put(cycle, state(cycle), summary(cycle))
    return folders


def reopened(folders: CycleFolders, *, key: str = "k") -> tuple[list[CycleSummary], float | None]:
    """What a new process finds: the summaries, and the number in the last adapter."""
    done, found = CycleFolders(folders.path, key=key).finished()
    return done, None if found is None else float(found["a"][0])


def test_what_is_done_comes_back(folders: CycleFolders) -> None:
    """All summaries, to the digit, and the last adapter, which is the only one kept."""
    assert reopened(folders) == ([summary(1), summary(2)], 2.0)
    assert len(list(folders.path.rglob("*.safetensors"))) == 1


def test_nothing_is_found_where_nothing_is_done(tmp_path: Path) -> None:
    """Neither without the folder nor in an empty one."""
    folders = CycleFolders(tmp_path / "cycles", key="k")
    assert reopened(folders) == ([], None)
    folders.begin()
    assert reopened(folders) == ([], None)


def test_another_training_is_not_gone_on_with(folders: CycleFolders) -> None:
    """Another key begins anew, and forgets the cycles and the EWC states, but no checkpoint."""
    (folders.path / "ewc" / "1").mkdir(parents=True)
    checkpoint = folders.path / "checkpoint.safetensors"
    checkpoint.write_bytes(b"x")
    assert reopened(folders, key="other") == ([], None)
    CycleFolders(folders.path, key="other").begin()
    assert list(folders.path.iterdir()) == [checkpoint]
    assert reopened(folders) == ([], None)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b'{"key": "k", "summary": {"cycle": 3}}'])
def test_a_cycle_without_a_whole_summary_is_done_again(folders: CycleFolders, content: bytes | None) -> None:
    """Its adapter alone, as a process killed in between leaves it, counts for nothing."""
    done, third = folders.finished()[0], folders.path / "3"
    adapter = (folders.path / "2" / "adapter_model.safetensors").read_bytes()
    third.mkdir()
    (third / "adapter_model.safetensors").write_bytes(adapter)
    if content is not None:
        (third / "cycle.json").write_bytes(content)
    assert reopened(folders) == (done, 2.0)
    folders.put(3, state(3.0), summary(3))
    assert reopened(folders) == ([*done, summary(3)], 3.0)


@pytest.mark.parametrize("damage", [b"", b"junk"])
def test_a_damaged_adapter_is_said_with_what_to_remove(folders: CycleFolders, damage: bytes) -> None:
    """Two cycles' work is not thrown away in silence."""
    (folders.path / "2" / "adapter_model.safetensors").write_bytes(damage)
    with pytest.raises(
        TrainingError, match=f"cycle 2 is finished, .* Remove the folder {folders.path} to begin"
    ):
        reopened(folders)


def test_a_gap_in_the_cycles_begins_anew(folders: CycleFolders) -> None:
    """The second cycle without the first one's summary is of no use."""
    path = folders.path / "1" / "cycle.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**facts, "key": "other"}), encoding="utf-8")
    assert reopened(folders) == ([], None)


def test_nothing_stays_once_all_is_done(folders: CycleFolders) -> None:
    """Removing twice is no error."""
    folders.remove()
    folders.remove()
    assert not folders.path.exists()
