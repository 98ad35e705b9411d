"""One task family of `bench.claims`: a federation, every client alone, and all data in one place.

Everything is done by the commands that a person would type, in processes of their own: `sft-server simulate`,
`sft-client train`, `sft-client evaluate`, `sft-client compare`. What a command has finished is kept as long
as the files that it read stay the same: a killed run goes on behind it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from sft_server.layout import Layout
from sft_server.store import Store
from sft_shared.config import load_yaml
from sft_shared.dialogue import Example, write_examples
from sft_shared.errors import FedsftError
from sft_shared.evaluation.results import RESULT
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.files import write_atomic

SCHEMA = "answer.json"
ANSWERS_AT_ONCE = 160  # by a suite; their prompts begin alike, so that they take little memory
BASE, FEW_SHOT, FEDERATED, CENTRAL = "base", "base, few-shot", "federated", "central"
HELD = f"{FEW_SHOT}, constrained"
"""The base that is shown solved examples and can write nothing but the right form."""
progress = Console(stderr=True, markup=False, highlight=False)


@dataclass(frozen=True)
class Family:
    """Who has what, what measures it, and how it is trained.

    ``steps`` are those of one client in one cycle. Central training takes as many steps a cycle as all
    clients together, a client alone as many as it takes in the federation: all see as many examples.
    """

    name: str
    clients: Mapping[str, Sequence[Example]]
    held_out: Sequence[Example]
    shots: Sequence[Example]  # solved ones that the base is shown before each question
    constrained: str  # how answers can be held to a form: json or calls
    metrics: Sequence[Mapping[str, Any]]
    answer_schema: Mapping[str, Any] | None  # of an answer in JSON
    main_metric: str
    recipe: Mapping[str, Any]
    num_cycles: int

    @property
    def steps(self) -> int:
        """Of one client in one cycle."""
        return int(self.recipe["training"]["steps"])


class FamilyRun:
    """The family's files and commands in one folder."""

    def __init__(self, family: Family, folder: Path) -> None:
        self.family, self.folder = family, folder
        self.recipe = folder / "recipe.yaml"
        self.suite = folder / "suite.yaml"
        self._simulation = folder / "simulation.yaml"
        self._threads = int(family.recipe["training"].get("threads", 1))

    def prepare(self) -> None:
        """Write data and settings."""
        family, folder = self.family, self.folder
        pooled = [example for share in family.clients.values() for example in share]
        for name, share in {**family.clients, CENTRAL: pooled}.items():
            write_examples(folder / f"{name}.jsonl", share)
            settings = {"name": name, "state": f"state-{name}", "federation": "federation.json"}
            self._yaml(f"{name}.yaml", {**settings, "train": f"{name}.jsonl", **NODE})
        write_examples(folder / "held_out.jsonl", family.held_out)
        write_examples(folder / "shots.jsonl", family.shots)
        self._yaml(self.recipe.name, family.recipe)
        if family.answer_schema is not None:
            write_atomic(folder / SCHEMA, (json.dumps(family.answer_schema, indent=1) + "\n").encode())
        self._suite(self.suite.name, data="held_out.jsonl")
        self._suite("few_shot.yaml", data="held_out.jsonl", shots="shots.jsonl")
        self._suite(
            "few_shot_held.yaml", data="held_out.jsonl", shots="shots.jsonl", constrained=family.constrained
        )
        self._yaml(
            self._simulation.name,
            {
                "num_clients": len(family.clients),
                "cpus_per_client": self._threads,
                "gpus_per_client": 0,
                "num_cycles": family.num_cycles,
                "recipe": self.recipe.name,
                "train": [f"{name}.jsonl" for name in family.clients],
                "out": "federation",
                "encoding": "int8",
            },
        )

    def train(self) -> dict[str, Path]:
        """Label -> the folder of its adapter. As many trainings at once as there are cores for."""
        names = (*self.family.clients, CENTRAL)
        with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // self._threads)) as pool:
            federated = pool.submit(self.federate)
            alone = list(pool.map(self.train_alone, names))
        return {FEDERATED: federated.result(), **dict(zip(names, alone, strict=True))}

    def federate(self) -> Path:
        """The folder of the federation's last promoted adapter."""
        out = self.folder / "federation"
        shares = [self.folder / f"{name}.jsonl" for name in self.family.clients]
        command = ["sft_server", "simulate", str(self._simulation)]
        self.once("federation", command, reads=[self._simulation, self.recipe, *shares], out=out)
        layout = Layout(out)
        store = Store(layout.database)
        promoted = layout.adapter(str(store.promoted_adapter()))
        store.close()
        return promoted

    def train_alone(self, name: str) -> Path:
        """The folder of the adapter of one client, or of central training, without a server."""
        out = self.folder / f"adapter-{name}"
        steps = self.family.steps * (len(self.family.clients) if name == CENTRAL else 1)
        command = ["sft_client", "train", "--config", str(self.folder / f"{name}.yaml"), "--out", str(out)]
        self.once(
            f"train-{name}",
            [*command, "--cycles", str(self.family.num_cycles), "--steps", str(steps)],
            reads=[self.recipe, self.folder / f"{name}.jsonl"],
            out=out,
        )
        return out

    def measure(self, adapters: Mapping[str, Path]) -> dict[str, Path]:
        """Label -> the folder of its measurement; the base too, with and without solved examples."""
        found = {}
        plans: list[tuple[str, Path, Path | None]] = [
            (BASE, self.suite, None),
            (FEW_SHOT, self.folder / "few_shot.yaml", None),
            (HELD, self.folder / "few_shot_held.yaml", None),
            *((label, self.suite, adapter) for label, adapter in adapters.items()),
        ]
        for label, suite, adapter in plans:
            found[label] = self.evaluate(label, suite=suite, adapter=adapter)
        return found

    def evaluate(self, label: str, *, suite: Path, adapter: Path | None) -> Path:
        """Measure by ``suite`` and return the folder of the result."""
        out = self.folder / f"measured-{label.replace(', ', '-')}"
        command = ["sft_client", "evaluate", "--suite", str(suite), "--recipe", str(self.recipe)]
        shown = label.removesuffix(", constrained")  # which the result adds by itself
        command += ["--cache", str(self.folder / "answers"), "--label", shown, "--out", str(out)]
        reads = [suite, self.recipe, *named_in(suite)]
        if adapter is not None:
            command += ["--adapter", str(adapter)]
            reads += sorted(adapter.glob("*.safetensors"))
        self.once(out.name, command, reads=reads, out=out)
        return out

    def compare(self, measured: Mapping[str, Path]) -> dict[str, Any]:
        """What `sft-client compare` says of the federated adapter against all others."""
        out = self.folder / "report"
        command = ["sft_client", "compare", "--ours", str(measured[FEDERATED]), "--out", str(out)]
        for label, folder in measured.items():
            if label != FEDERATED:
                command += ["--against", str(folder)]
        self.once("compare", command, reads=[folder / RESULT for folder in measured.values()], out=out)
        found: dict[str, Any] = json.loads((out / "comparison.json").read_bytes())
        return found

    def measure_more(
        self,
        name: str,
        examples: Sequence[Example],
        *,
        adapter: Path | None,
        shots: bool = False,
        constrained: str = "off",
    ) -> Path:
        """Ask an adapter, or the base, other questions; free, or held to the family's answer schema."""
        write_examples(self.folder / f"{name}.jsonl", examples)
        shown = "shots.jsonl" if shots else None
        suite = self._suite(f"{name}.yaml", data=f"{name}.jsonl", shots=shown, constrained=constrained)
        return self.evaluate(name, suite=suite, adapter=adapter)

    def finished(self) -> list[str]:
        """The commands that have finished."""
        return sorted(path.stem for path in (self.folder / "done").glob("*.json"))

    def seconds(self, name: str) -> float:
        """How long a finished command took."""
        return float(json.loads((self.folder / "done" / f"{name}.json").read_bytes())["seconds"])

    def once(self, name: str, arguments: Sequence[str], *, reads: Sequence[Path], out: Path) -> None:
        """Run a command, unless it finished on files that say the same. Raises FedsftError.

        What it left in ``out`` for other files is removed first.
        """
        done = self.folder / "done" / f"{name}.json"
        key = hashlib.sha256(json.dumps(list(arguments)).encode())
        for path in reads:
            key.update(hashlib.sha256(path.read_bytes()).digest())
        if done.is_file():
            if json.loads(done.read_bytes())["key"] == key.hexdigest():
                return
            shutil.rmtree(out, ignore_errors=True)
            done.unlink()
        progress.print(f"{self.family.name}: {name}", soft_wrap=True)
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with log.open("ab") as file:
            ended = subprocess.run([sys.executable, "-m", *arguments], stdout=file, stderr=file, check=False)
        if ended.returncode:
            raise FedsftError(f"{name} ended with exit code {ended.returncode}; see {log}.")
        seconds = time.monotonic() - started
        record = {"seconds": seconds, "command": list(arguments), "key": key.hexdigest()}
        write_atomic(done, json.dumps(record).encode())

    def _suite(self, name: str, *, data: str, shots: str | None = None, constrained: str = "off") -> Path:
        """Write a suite of one task and read it back, so that what is wrong with it is told at once."""
        settings = suite_settings(self.family, data=data, shots=shots, constrained=constrained)
        self._yaml(name, settings)
        load_yaml(self.folder / name, SuiteSettings)
        return self.folder / name

    def _yaml(self, name: str, values: Mapping[str, Any]) -> None:
        text = yaml.safe_dump(json.loads(json.dumps(values)), sort_keys=False)
        write_atomic(self.folder / name, text.encode())


NODE = {
    "leak_gate": "off",
    "recipe": "recipe.yaml",
}  # the sets are public, and what is personal in them made up


def named_in(suite: Path) -> list[Path]:
    """The files of examples that a suite reads."""
    (task,) = load_yaml(suite, SuiteSettings).tasks
    return [task.data] if task.shots is None else [task.data, task.shots]


def suite_settings(
    family: Family, *, data: str, shots: str | None = None, constrained: str = "off"
) -> dict[str, Any]:
    """A suite of one task."""
    evaluation = family.recipe["evaluation"]
    return {
        "name": family.name,
        "tasks": [
            {
                "name": family.name,
                "data": data,
                "shots": shots,
                "answer_schema": SCHEMA if constrained == "json" else None,
                "metrics": list(family.metrics),
                "slices": ["category", "length"],
            }
        ],
        "generation": {**evaluation, "batch_size": ANSWERS_AT_ONCE, "constrained": constrained},
        "latency": None,
    }
