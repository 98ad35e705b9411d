"""What earlier cycles found important (EWC), kept by cycle: one that is trained twice is the same twice."""

from __future__ import annotations

import shutil
from pathlib import Path

from sft_shared.files import write_lasting
from sft_shared.training.ewc import FILE, EwcState, load_ewc, save_ewc

KEPT = 2  # cycles: the last, and the one before it in case the last is trained again or was not promoted
PARENT = "parent"


class EwcHistory:
    """A folder with one EWC state a cycle, the newest ones, each with the adapter that its cycle began from.

    Nobody tells a node whether a cycle was promoted, but a later one that begins from the same adapter does:
    it was rejected or abandoned, and what it learned is not in the model.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def before(self, cycle: int, *, parent: str | None = None) -> EwcState | None:
        """The newest state of a cycle before ``cycle``, which begins from the adapter ``parent`` (SHA-256).

        Cycles that began from it too do not count; without ``parent`` all count. None if there is none.
        Raises TrainingError.
        """
        earlier = self._learned(cycle, parent)
        return load_ewc(self._folder / str(earlier[-1])) if earlier else None

    def put(self, cycle: int, state: EwcState, *, parent: str | None = None) -> None:
        """Keep ``state`` as that after ``cycle``.

        States that do not count go, old ones, and later ones, which are of another history.
        """
        kept = self._learned(cycle, parent)[-(KEPT - 1) :]
        if parent is not None:
            write_lasting(self._folder / str(cycle) / PARENT, parent.encode())
        save_ewc(self._folder / str(cycle), state)
        for number in set(self._cycles()) - {*kept, cycle}:
            shutil.rmtree(self._folder / str(number))

    def _learned(self, cycle: int, parent: str | None) -> list[int]:
        """The cycles before ``cycle`` whose adapter it goes on from."""
        earlier = [number for number in self._cycles() if number < cycle]
        return [number for number in earlier if parent is None or self._parent(number) != parent]

    def _parent(self, cycle: int) -> str | None:
        path = self._folder / str(cycle) / PARENT
        return path.read_text() if path.exists() else None

    def _cycles(self) -> list[int]:
        whole = (path.parent.name for path in self._folder.glob(f"*/{FILE}"))
        return sorted(int(name) for name in whole if name.isdecimal())
