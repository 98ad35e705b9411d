"""The work of a run: where its pieces lie, and how each is made. A piece that is there is finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Literal

from sft_shared.data.prepare.making import Maker
from sft_shared.data.prepare.plan import Plan
from sft_shared.data.prepare.reading import read_unit
from sft_shared.data.prepare.repeating import find_repeats
from sft_shared.data.prepare.sections import SectionFile
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.data.prepare.treatment import Treatment
from sft_shared.data.prepare.twins import find_twins
from sft_shared.files import make_private_folder, write_atomic

Stage = Literal["read", "repeats", "make", "twins", "protect", "last_twins"]
STAGES: tuple[Stage, ...] = ("read", "repeats", "make", "twins", "protect", "last_twins")


class Work:
    """The pieces of a run in its work folder.

    Units are named by what is in them, so that another run with some of the same lines finds them; what is
    made of all of them is named by the plan.
    """

    def __init__(self, folder: Path, plan: Plan, settings: PrepareSettings) -> None:
        self.folder = folder
        self.plan = plan
        self.settings = settings
        self._units = folder / "units"
        self._repeats = folder / f"repeats-{plan.key}"
        self._parts = folder / f"parts-{plan.key}"

    def save(self) -> None:
        """Make the folders for the workers, and clear away what this run has no use for."""
        for folder in (self._units, self._repeats, self._parts):
            make_private_folder(folder)
        self.plan.save(self.folder / "plan.json")
        settings = self.settings.model_dump_json().encode()
        write_atomic(self.folder / "settings.json", settings, private=True)
        wanted = {self._repeats, self._parts, *(self.unit(at) for at in range(len(self.plan.units)))}
        for path in [*self._units.iterdir(), *self.folder.glob("repeats-*"), *self.folder.glob("parts-*")]:
            if path not in wanted:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for folder in (self._repeats, self._parts):
            for path in folder.glob(".*"):  # left by a process that was killed while writing
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    @staticmethod
    def load(folder: Path) -> Work:
        """What `save` left in the folder."""
        settings = PrepareSettings.model_validate(json.loads((folder / "settings.json").read_bytes()))
        return Work(folder, Plan.load(folder / "plan.json"), settings)

    def unit(self, number: int) -> Path:
        """The turns of a unit."""
        return self._units / self.plan.units[number].key

    def repeats(self, bucket: int) -> Path:
        """The questions of a bucket of users that were asked again."""
        return self._repeats / str(bucket)

    def part(self, number: int) -> Path:
        """The examples of a bucket of sessions, or of a maker, as they were selected."""
        return self._parts / str(number)

    def twins(self, number: int = 0) -> Path:
        """Which of them go because another one says the same; there is one such file."""
        return self._parts / f"twins-{number}"

    def protected(self, number: int) -> Path:
        """What is left of a part's examples, without personal data."""
        return self._parts / f"protected-{number}"

    def last_twins(self, number: int = 0) -> Path:
        """Which of these go; there is one such file."""
        return self._parts / f"last-twins-{number}"

    @property
    def num_parts(self) -> int:
        """Parts: one for each bucket of sessions, then one for each maker."""
        return self.plan.num_buckets + len(self.settings.makers)

    def piece(self, stage: Stage, number: int) -> Path:
        """The file that a task of a stage leaves."""
        return {
            "read": self.unit,
            "repeats": self.repeats,
            "make": self.part,
            "twins": self.twins,
            "protect": self.protected,
            "last_twins": self.last_twins,
        }[stage](number)

    def open_tasks(self, stage: Stage) -> list[int]:
        """The tasks of a stage whose piece is not there, in order."""
        total = {
            "read": len(self.plan.units),
            "repeats": self.plan.num_buckets,
            "make": self.num_parts,
            "twins": 1,
            "protect": self.num_parts,
            "last_twins": 1,
        }[stage]
        return [number for number in range(total) if not self.piece(stage, number).exists()]

    def do(self, stage: Stage, number: int, *, progress: Callable[[int], None]) -> None:
        """Make one piece. Raises DataError."""
        path, num_buckets = self.piece(stage, number), self.plan.num_buckets
        if stage == "read":
            unit = self.plan.units[number]
            read_unit(unit, self.settings, num_buckets=num_buckets, path=path)
            progress(unit.length)
            return
        units = [self.unit(at) for at in range(len(self.plan.units))]
        if stage == "repeats":
            repeat = self.settings.outcomes.repeat
            find_repeats(number, units=units, settings=repeat, num_buckets=num_buckets, path=path)
            return
        if stage in ("twins", "last_twins"):
            place = self.part if stage == "twins" else self.protected
            parts = [place(part) for part in range(self.num_parts)]
            find_twins(parts, settings=self.settings.dedup, threads=self.settings.num_workers, path=path)
            return
        if stage == "protect":
            twins = SectionFile(self.twins()).data(number)
            self._maker.protect(self.part(number), twins=twins, path=path, progress=progress)
            return
        if number >= num_buckets:
            self._maker.make_made(self.settings.makers[number - num_buckets], path=path)
            return
        repeats = [self.repeats(bucket) for bucket in range(num_buckets)]
        self._maker.make_part(number, units=units, repeats=repeats, path=path, progress=progress)

    @cached_property
    def _maker(self) -> Maker:
        label = self.settings.intents.labeller()
        return Maker(self.plan, self.settings, label=label, treatment=Treatment(self.settings))

    def clear(self) -> None:
        """Delete all pieces: they hold raw text."""
        for folder in (self._units, self._repeats, self._parts):
            shutil.rmtree(folder, ignore_errors=True)
        for name in ("plan.json", "settings.json"):
            (self.folder / name).unlink(missing_ok=True)
