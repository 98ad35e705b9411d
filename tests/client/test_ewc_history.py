"""The node's memory of what earlier cycles found important: by cycle, the newest two."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sft_client.ewc_history import EwcHistory
from sft_shared.errors import TrainingError
from sft_shared.training.ewc import EwcState


def state(value: float) -> EwcState:
    """A state that can be told from others."""
    return EwcState(fisher={"a": torch.full((2,), value)}, anchor={"a": torch.zeros(2)})


def before(history: EwcHistory, cycle: int) -> float | None:
    """The number in the state before a cycle."""
    kept = history.before(cycle)
    return None if kept is None else float(kept.fisher["a"][0])


def test_a_cycle_starts_from_the_newest_state_before_it(tmp_path: Path) -> None:
    """Never from its own, so a cycle that is trained again is the same again; also after a gap."""
    history = EwcHistory(tmp_path / "ewc")
    assert before(history, 1) is None
    history.put(1, state(1.0))
    assert before(history, 1) is None
    assert before(history, 2) == 1.0
    history.put(2, state(2.0))
    assert [before(history, cycle) for cycle in (1, 2, 3, 9)] == [None, 1.0, 2.0, 2.0]
    history.put(2, state(2.5))
    assert [before(EwcHistory(tmp_path / "ewc"), cycle) for cycle in (2, 3)] == [1.0, 2.5]


def test_only_the_newest_two_are_kept(tmp_path: Path) -> None:
    """By number, not by name: 10 is later than 9."""
    history = EwcHistory(tmp_path)
    for cycle in range(7, 12):
        history.put(cycle, state(float(cycle)))
    assert sorted(int(entry.name) for entry in tmp_path.iterdir()) == [10, 11]
    assert before(history, 11) == 10.0


def test_going_back_to_an_earlier_cycle_forgets_the_later_ones(tmp_path: Path) -> None:
    """A federation begun anew, or set back, is not pulled to where another one was."""
    history = EwcHistory(tmp_path)
    for cycle in (5, 6, 1):
        history.put(cycle, state(float(cycle)))
    assert [before(history, cycle) for cycle in (1, 2, 7)] == [None, 1.0, 1.0]


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    """Not passed over: without it the training would be another."""
    history = EwcHistory(tmp_path)
    history.put(1, state(1.0))
    (file,) = (tmp_path / "1").iterdir()
    file.write_bytes(b"junk")
    with pytest.raises(TrainingError, match=r"ewc\.safetensors"):
        history.before(2)


def test_what_a_rejected_cycle_learned_does_not_count(tmp_path: Path) -> None:
    """The next cycle begins from the same adapter again; without that check it is pulled to what was held."""
    history = EwcHistory(tmp_path)
    history.put(1, state(1.0), parent="initial")
    history.put(2, state(2.0), parent="one")
    assert before(history, 3) == 2.0

    def rejected(cycle: int) -> float | None:
        kept = history.before(cycle, parent="one")
        return None if kept is None else float(kept.fisher["a"][0])

    assert rejected(3) == 1.0
    for cycle in (3, 4, 5):  # held again and again: the last that counts stays
        history.put(cycle, state(float(cycle)), parent="one")
        assert rejected(cycle + 1) == rejected(cycle) == 1.0
    assert sorted(int(entry.name) for entry in tmp_path.iterdir()) == [1, 5]
    kept = history.before(6, parent="five")
    assert kept is not None
    assert float(kept.fisher["a"][0]) == 5.0


def test_a_state_that_was_torn_is_not_there(tmp_path: Path) -> None:
    """Killed between the adapter's name and the state, the older one counts."""
    history = EwcHistory(tmp_path)
    history.put(1, state(1.0), parent="initial")
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "parent").write_text("one")
    assert before(history, 3) == 1.0
