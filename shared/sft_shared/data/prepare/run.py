"""The run of ``sft-client prepare``: plan, read, find repeats, make examples, put the results in place."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, Protocol

from sft_shared.data.logs.turns import FIXES
from sft_shared.data.prepare.folders import MANIFEST, claim_folders
from sft_shared.data.prepare.manifest import account, add_up
from sft_shared.data.prepare.part import (
    EXAMPLES,
    NEGATIVES,
    REFUSED_EXAMPLES,
    REFUSED_TURNS,
    intent_of,
    rejection,
)
from sft_shared.data.prepare.plan import BLOCK_BYTES, Plan, make_plan
from sft_shared.data.prepare.reading import rejected_section
from sft_shared.data.prepare.sections import SectionFile
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.data.prepare.treatment import name_of
from sft_shared.data.prepare.twins import twin_rule
from sft_shared.data.prepare.work import STAGES, Stage, Work
from sft_shared.data.prepare.workers import Workers
from sft_shared.dialogue import Example
from sft_shared.files import held_folder, sync_folder, write_lasting

LABELS: dict[Stage, str] = {
    "read": "reading",
    "repeats": "finding repeated questions",
    "make": "making examples",
    "twins": "finding duplicates",
    "protect": "desensitising",
    "last_twins": "finding duplicates again",
}


class Report(Protocol):
    """Where a run tells how far it is."""

    def stage(self, label: str, *, total_bytes: int) -> None:
        """A stage begins."""

    def advance(self, num_bytes: int) -> None:
        """So many bytes more are done."""


@dataclass(frozen=True)
class Prepared:
    """The end of a run; ``changed`` is False if all was there already."""

    manifest: dict[str, Any]
    changed: bool


def prepare(settings: PrepareSettings, *, report: Report) -> Prepared:
    """Make the examples, or go on where an earlier run stopped.

    The result depends on the inputs and the settings alone: not on the number of workers, nor on how often
    it was stopped. Raises DataError, ConfigError, StoreError, LeakError.
    """
    claim_folders(settings)
    if settings.desensitise is not None:
        settings.desensitise.open()  # makes the key, on which the result depends
    with ExitStack() as stack:
        for folder in sorted({settings.out / ".work", settings.work_folder}):
            stack.enter_context(held_folder(folder, holder="prepare", setting="work"))
        sizes = sum(path.stat().st_size for source in settings.sources for path in source.files())
        report.stage("looking through the inputs", total_bytes=sizes)
        plan = make_plan(settings, progress=report.advance)
        work = Work(settings.work_folder, plan, settings)
        before = finished(settings.out, plan)
        if before is not None:
            work.clear()
            return Prepared(before, changed=False)
        work.save()
        with stack.enter_context(Workers(work.folder, limit=settings.num_workers)) as workers:
            for stage in STAGES:
                _run_stage(stage, work, workers, report)
        manifest = put_in_place(work, settings.out)
        work.clear()
        return Prepared(manifest, changed=True)


def _run_stage(stage: Stage, work: Work, workers: Workers, report: Report) -> None:
    tasks = work.open_tasks(stage)
    units = [work.plan.units[number] for number in tasks] if stage == "read" else []
    total = sum(unit.length for unit in units)
    if stage == "make":
        files = [SectionFile(work.unit(number)) for number in range(len(work.plan.units))]
        spilled = sum(file.counts().get("spilled_bytes", 0) for file in files)
        total = spilled * len(tasks) // work.plan.num_buckets
    if stage == "protect":
        made = [SectionFile(work.part(number)) for number in tasks]
        total = sum(part.place(section)[1] for part in made for section in (EXAMPLES, NEGATIVES))
    report.stage(LABELS[stage], total_bytes=total)
    if stage in ("twins", "last_twins"):
        workers.end()  # fingerprints need the memory that texts and dictionaries took
    workers.run(stage, tasks, progress=report.advance)


def finished(out: Path, plan: Plan) -> dict[str, Any] | None:
    """The manifest of an earlier run that did the same, if all that it wrote is still there and whole."""
    try:
        manifest: dict[str, Any] = json.loads((out / MANIFEST).read_bytes())
        if manifest["key"] != plan.key:
            return None
        for name, output in manifest["outputs"].items():
            if _sha256(out / name) != output["sha256"]:
                return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest


def put_in_place(work: Work, out: Path) -> dict[str, Any]:
    """Write the outputs in their defined order and rename them, the manifest last."""
    plan = work.plan
    units = [SectionFile(work.unit(number)) for number in range(len(plan.units))]
    made = [SectionFile(work.part(number)) for number in range(work.num_parts)]
    parts = [SectionFile(work.protected(number)) for number in range(work.num_parts)]
    twins = SectionFile(work.last_twins())
    twin_counts: dict[str, Counter[str]] = {"split": Counter(), "intent": Counter()}
    refused = tempfile.TemporaryFile(dir=work.folder)  # noqa: SIM115 (read once the examples are written)
    contents: dict[str, Iterable[bytes]] = {
        "examples.jsonl": _without_twins(parts, twins, refused, twin_counts, work.settings.name_key()),
        "negatives.jsonl": (block for part in parts for block in part.blocks(NEGATIVES)),
        "rejected.jsonl": chain(_rejected(plan, units, [*made, *parts]), _from_start(refused)),
    }
    outputs = {name: _write(out / f".{name}.new", lines) for name, lines in contents.items()}
    manifest = {
        "key": plan.key,
        "inputs": [each.__dict__ for each in plan.inputs],
        "counts": account(
            add_up(unit.counts() for unit in units),
            add_up(part.counts() for part in (*made, *parts)),
            twins=SectionFile(work.twins()).counts()["twins"],
            last_twins={**twins.counts(), **twin_counts},
        ),
        "outputs": outputs,
    }
    (out / MANIFEST).unlink(missing_ok=True)  # it would speak of files that are no longer there
    sync_folder(out)
    for name in contents:
        os.replace(out / f".{name}.new", out / name)
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    write_lasting(out / MANIFEST, text.encode(), private=True)
    return manifest


def _without_twins(
    parts: Sequence[SectionFile],
    twins: SectionFile,
    refused: IO[bytes],
    counts: Mapping[str, Counter[str]],
    key: bytes | None,
) -> Iterator[bytes]:
    """The lines of the examples that stay, some at a time; the others go to ``refused`` and are counted."""
    for number, part in enumerate(parts):
        rules = twins.data(number)
        if not any(rules):
            yield from part.blocks(EXAMPLES)
            continue
        for rule, line in zip(rules, part.lines(EXAMPLES), strict=True):
            if not rule:
                yield line
                continue
            example = Example.model_validate_json(line)
            why = twin_rule(rule)
            refused.write(rejection(name_of(example, key=key), why.rule, why.detail, ""))
            counts["split"][example.provenance.split] += 1
            counts["intent"][intent_of(example)] += 1


def _from_start(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        yield from file


def _rejected(plan: Plan, units: Sequence[SectionFile], parts: Sequence[SectionFile]) -> Iterable[bytes]:
    for unit, file in zip(plan.units, units, strict=True):
        for line in file.lines(rejected_section(plan.num_buckets)):
            number, rule, reason = json.loads(line)
            yield rejection(f"{unit.path}:{unit.num_lines_before + number}", rule, reason, FIXES[rule])
    for section in (REFUSED_TURNS, REFUSED_EXAMPLES):
        for part in parts:
            yield from part.blocks(section)


def _write(path: Path, blocks: Iterable[bytes]) -> dict[str, Any]:
    digest, num_bytes, num_lines = hashlib.sha256(), 0, 0
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", BLOCK_BYTES) as file:
        os.fchmod(file.fileno(), 0o600)  # one that a crash left may be open to others
        for block in blocks:
            file.write(block)
            digest.update(block)
            num_bytes += len(block)
            num_lines += block.count(b"\n")
        file.flush()
        os.fsync(file.fileno())
    return {"lines": num_lines, "bytes": num_bytes, "sha256": digest.hexdigest()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
