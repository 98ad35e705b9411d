"""What earlier cycles found important (EWC), kept by cycle: one that is trained twice is the same twice."""

from __future__ import annotations

import shutil
from pathlib import Path

from sft_shared.training.ewc import EwcState, load_ewc, save_ewc

KEPT = 2  # cycles: the last, and the one before it in case the last is trained again


class EwcHistory:
    """A folder with one EWC state a cycle, the newest ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def before(self, cycle: int) -> EwcState | None:
        """The newest state of a cycle before ``cycle``, None if there is none. Raises TrainingError."""
        earlier = [number for number in self._cycles() if number < cycle]
        return load_ewc(self._folder / str(earlier[-1])) if earlier else None

    def put(self, cycle: int, state: EwcState) -> None:
        """Keep ``state`` as that after ``cycle``; old ones go, and later ones, of another history."""
        save_ewc(self._folder / str(cycle), state)
        earlier = [number for number in self._cycles() if number <= cycle]
        for number in set(self._cycles()) - set(earlier[-KEPT:]):
            shutil.rmtree(self._folder / str(number))

    def _cycles(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        return sorted(int(entry.name) for entry in self._folder.iterdir() if entry.name.isdecimal())
