"""Before the federation starts: its data on disk, a settings file for every process, free ports."""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sft_server.demo.config import DemoConfig, Layout
from sft_shared.data.bfcl import read_bfcl
from sft_shared.data.chat import DataSettings, tokenize
from sft_shared.data.partition import partition_by_category, split_held_out
from sft_shared.dialogue import Example, write_examples
from sft_shared.errors import ConfigError, DataError
from sft_shared.recipe import Recipe


@dataclass(frozen=True)
class DemoData:
    """Who has what. ``held_out`` shares no family with any client's examples."""

    train: dict[str, list[Example]]
    held_out: list[Example]
    shots: list[Example]
    num_too_long: int  # examples left out because they exceed data.max_tokens

    @property
    def unseen_functions(self) -> frozenset[str]:
        """Ids of the held-out examples that call no function which some client calls in training."""
        called = {name for share in self.train.values() for example in share for name in _called(example)}
        return frozenset(example.id for example in self.held_out if called.isdisjoint(_called(example)))


@contextmanager
def own_folder(layout: Layout) -> Iterator[None]:
    """Make ``out`` an empty folder of this run and hold it.

    Raises ConfigError if it holds files that no demo wrote, or if another demo is running in it.
    """
    out = layout.out
    if out.exists() and not layout.lock.is_file() and any(out.iterdir()):
        raise ConfigError(
            f"{out}: not empty, and not written by a demo, so it is not emptied. Remove it or change `out`."
        )
    out.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"{out}: another demo is running in it. Stop it or change `out`.") from None
        for path in out.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != layout.lock:
                path.unlink()
        yield


def prepare_data(config: DemoConfig, *, tokenizer: Any, settings: DataSettings) -> DemoData:
    """Read BFCL, hold out whole families, deal the rest out to the clients and write it all as JSONL.

    Examples longer than ``settings.max_tokens`` are left out beforehand, on all sides alike. Raises
    DataError if BFCL is missing or too small, or if a shot is not a training example.
    """
    examples = read_bfcl(config.categories)
    fitting = [example for example in examples if _fits(example, tokenizer=tokenizer, settings=settings)]
    training, held_out = split_held_out(
        fitting,
        num_held_out=config.held_out.num_examples,
        seed=config.held_out.seed,
        shared_functions=config.held_out.shared_functions,
    )
    train = partition_by_category(training, clients=config.clients)
    by_id = {example.id: example for example in training}
    missing = [identity for identity in config.shots if identity not in by_id]
    if missing:
        raise DataError(
            f"shots: {missing[0]!r} is not among the {len(training)} training examples of this split. "
            f"Choose another, such as {training[0].id!r}."
        )
    shots = [by_id[identity] for identity in config.shots]
    for client, share in train.items():
        write_examples(config.layout.train(client), share)
    write_examples(config.layout.held_out, held_out)
    write_examples(config.layout.shots, shots)
    return DemoData(train=train, held_out=held_out, shots=shots, num_too_long=len(examples) - len(fitting))


def _called(example: Example) -> set[str]:
    return {call.name for call in example.answer.tool_calls}


def _fits(example: Example, *, tokenizer: Any, settings: DataSettings) -> bool:
    unlimited = settings.model_copy(update={"max_tokens": 1 << 30})
    return len(tokenize(example, tokenizer, unlimited).input_ids) <= settings.max_tokens


def write_settings(config: DemoConfig, *, recipe: Recipe, ports: Sequence[int]) -> None:
    """Write the YAML of the server and of every client. ``ports`` are the Fleet's and Control's."""
    layout = config.layout
    fleet_port, control_port = ports
    write_yaml(layout.recipe, recipe.model_dump(mode="json"))
    write_yaml(
        layout.server_config,
        {
            "federation": "demo",
            "state": str(layout.server.resolve()),
            "listen": f"127.0.0.1:{fleet_port}",
            "control_port": control_port,
            "recipe": str(layout.recipe.resolve()),
            "held_out": str(layout.held_out.resolve()),
            "cycle": {
                "interval_s": 0,
                "num_cycles": config.num_cycles,
                "quorum": len(config.clients),
                "deadline_s": config.deadline_s,
            },
            "encoding": config.encoding,
            "evaluation": {"every": config.evaluate_every},
        },
    )
    for client in config.clients:
        write_yaml(
            layout.client_config(client),
            {
                "name": client,
                "state": str(layout.client(client).resolve()),
                "federation": str((layout.server / "federation.json").resolve()),
                "train": str(layout.train(client).resolve()),
                "leak_gate": "off",  # BFCL is public, and its e-mails and numbers are made up
                "recipe": str(layout.recipe.resolve()),
            },
        )


def write_yaml(path: Path, values: dict[str, Any]) -> None:
    """Write settings; JSON values only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(json.loads(json.dumps(values)), sort_keys=False), encoding="utf-8")


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 that nobody listens on now; all are held open until the last is found."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
