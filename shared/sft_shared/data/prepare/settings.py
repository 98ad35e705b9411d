"""Settings of ``sft-client prepare``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, PositiveInt, model_validator

from sft_shared.config import LocalPath, Settings
from sft_shared.data.augment.kinds import Augmentation
from sft_shared.data.desensitise.desensitise import DesensitiseSettings
from sft_shared.data.desensitise.keyed import load_key
from sft_shared.data.hygiene.dedup import DedupSettings
from sft_shared.data.hygiene.filters import DEFAULT_FILTERS
from sft_shared.data.logs.intents import IntentSettings
from sft_shared.data.logs.outcomes import OutcomeSettings
from sft_shared.data.logs.sessions import SessionSettings
from sft_shared.data.logs.sources import SourceSettings
from sft_shared.data.logs.standard import ExamplesPer
from sft_shared.data.prepare.kinds import MakerSettings, StepSettings

# Where and how fast, not what comes out.
NOT_MEANING = {"out", "work", "workers", "unit_bytes", "bucket_bytes"}


class PrepareSettings(Settings):
    """From raw logs, and what examples are made from besides, to clean examples."""

    sources: tuple[SourceSettings, ...] = ()
    makers: tuple[MakerSettings, ...] = ()  # examples from templates, triples, datasets, ...
    out: LocalPath  # folder of examples.jsonl, negatives.jsonl, rejected.jsonl, manifest.json
    work: LocalPath | None = None  # folder of unfinished work, with raw text; without it `.work` in out
    on_bad_line: Literal["drop", "stop"] = "drop"
    max_line_bytes: PositiveInt = 1 << 20
    sessions: SessionSettings = SessionSettings()
    intents: IntentSettings = IntentSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    examples: ExamplesPer = "last_answer"
    steps: tuple[StepSettings, ...] = DEFAULT_FILTERS  # what every example goes through first, in this order
    desensitise: DesensitiseSettings | None  # null leaves personal data in: for public data only
    augment: tuple[Augmentation, ...] = ()  # copies of training examples
    leak_gate: Literal["drop", "stop", "off"] = (
        "drop"  # what becomes of an example with personal data left in
    )
    dedup: DedupSettings | None = DedupSettings()  # null keeps twins, also across splits
    held_out: float = Field(default=0.1, ge=0, lt=1)  # share of the sessions
    seed: int = 0
    workers: PositiveInt | None = None  # processes; without it one for each core
    unit_bytes: PositiveInt = 8 << 20  # of log lines that are read at a time, about; what a crash may cost
    bucket_bytes: PositiveInt = 8 << 20  # of turns that a process brings together at a time, about

    @model_validator(mode="after")
    def _has_input(self) -> PrepareSettings:
        if not self.sources and not self.makers:
            raise ValueError("sources: missing, and so are makers. Give at least one of either")
        return self

    @model_validator(mode="after")
    def _sources_have_names(self) -> PrepareSettings:
        labels = [source.label for source in self.sources]
        if doubled := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(f"sources: two are called {doubled[0]!r}; give each a name of its own")
        return self

    @property
    def work_folder(self) -> Path:
        """Where unfinished work lies."""
        return self.work or self.out / ".work"

    @property
    def num_workers(self) -> int:
        """Processes that work at the same time."""
        return self.workers or len(os.sched_getaffinity(0))

    def name_key(self) -> bytes | None:
        """What names are hashed with in place of ids; None if personal data is left in."""
        return None if self.desensitise is None else load_key(self.desensitise.key)

    def meaning(self) -> dict[str, Any]:
        """What the result depends on besides inputs and code: settings, and the files that they name."""
        values = self.model_dump(mode="json", exclude=NOT_MEANING)
        return {"settings": values, "files": {str(path): _content_hash(path) for path in self.named_paths()}}

    def named_paths(self) -> list[Path]:
        """The files and folders that settings name besides logs, ``out`` and ``work``."""
        return sorted(set(_paths(self)) - {source.path for source in self.sources})


def _paths(value: Any) -> Iterator[Path]:
    """The files that settings name, ``out`` and ``work`` apart."""
    if isinstance(value, BaseModel):
        for name, _ in type(value).model_fields.items():
            if name not in NOT_MEANING:
                yield from _paths(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _paths(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _paths(item)
    elif isinstance(value, Path):
        yield value


def _content_hash(path: Path) -> str | None:
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    if not path.exists():
        return None
    content = hashlib.blake2b(digest_size=16)
    for file in files:
        content.update(str(file.relative_to(path)).encode())
        content.update(hashlib.blake2b(file.read_bytes()).digest())
    return content.hexdigest()
