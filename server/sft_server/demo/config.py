"""Settings of ``sft-server demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from sft_shared.config import LocalPath, Settings
from sft_shared.data.bfcl import BfclCategory
from sft_shared.wire.cards import NodeName
from sft_shared.wire.codec import EncodingName


class HeldOutSettings(Settings):
    """What no client sees: whole families of questions, drawn by ``seed``.

    Held-out questions are about functions that no client calls in training, but for those of the categories
    ``shared_functions``: there, as with an agent's own tools, the questions are new and the functions may
    be known.
    """

    num_examples: PositiveInt = 120
    seed: NonNegativeInt = 0
    shared_functions: tuple[BfclCategory, ...] = ()


class DemoConfig(Settings):
    """One federation on this machine's loopback, over BFCL's tool-calling questions."""

    out: LocalPath  # folder that is made anew by every run
    recipe: LocalPath
    clients: Annotated[
        dict[NodeName, tuple[BfclCategory, ...]], Field(min_length=2)
    ]  # client -> its categories
    held_out: HeldOutSettings = HeldOutSettings()
    num_cycles: PositiveInt = 3
    evaluate_every: PositiveInt = 1  # in cycles; the last one is measured in any case
    encoding: EncodingName = "int8"
    shots: Annotated[
        tuple[str, ...], Field(min_length=1)
    ]  # training examples put before the base's questions
    start_timeout_s: PositiveFloat = 180.0  # for the server to listen, and for a node to be asked
    deadline_s: PositiveFloat = 900.0  # of a cycle

    @model_validator(mode="after")
    def _categories_are_given_once(self) -> DemoConfig:
        for name, categories in self.clients.items():
            if not categories:
                raise ValueError(f"client {name!r} has no category; give it at least one")
            if len(set(categories)) != len(categories):
                raise ValueError(f"client {name!r} has a category twice; name each once")
        return self

    @property
    def categories(self) -> tuple[BfclCategory, ...]:
        """All categories that some client has, in the order of the file."""
        named = [category for categories in self.clients.values() for category in categories]
        return tuple(dict.fromkeys(named))

    @property
    def layout(self) -> Layout:
        """Where things lie in ``out``."""
        return Layout(self.out)


class Layout:
    """Paths in the demo's folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.lock = out / ".demo"  # marks the folder as the demo's own, and is locked while one runs
        self.data = out / "data"
        self.held_out = self.data / "held_out.jsonl"
        self.shots = self.data / "shots.jsonl"
        self.recipe = out / "recipe.yaml"
        self.server_config = out / "server.yaml"
        self.server = out / "server"
        self.logs = out / "logs"
        self.measurements = out / "measurements"
        self.result = out / "result.json"
        self.report = out / "report.html"

    def train(self, client: str) -> Path:
        """The client's examples."""
        return self.data / client / "train.jsonl"

    def client(self, client: str) -> Path:
        """The client's state folder."""
        return self.out / "clients" / client

    def client_config(self, client: str) -> Path:
        """The client's settings."""
        return self.out / f"{client}.yaml"

    def alone(self, client: str) -> Path:
        """The adapter that the client trains without the federation."""
        return self.out / "alone" / client
