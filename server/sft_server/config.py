"""Settings of ``sft-server start`` and ``sft-server simulate``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, NonNegativeInt, PositiveFloat, PositiveInt, Tag, model_validator

from sft_server.aggregation.fedavg import FedAvg
from sft_shared.config import LocalPath, Settings
from sft_shared.data.bfcl import BfclCategory
from sft_shared.data.skew import PartitionSettings
from sft_shared.wire.cards import Address, NodeName, split_address
from sft_shared.wire.codec import EncodingName


class CycleSettings(Settings):
    """When cycles start, and when one has enough."""

    interval_s: float = Field(default=600.0, ge=0)  # start to start; 0 is back to back
    num_cycles: PositiveInt | None = None  # number of the last cycle; null goes on for ever
    quorum: PositiveInt = 1  # accepted updates without which a cycle is abandoned
    deadline_s: PositiveFloat = 600.0  # from the start of a cycle to its last accepted update


class LimitSettings(Settings):
    """What an update may claim at most."""

    max_examples: PositiveInt = 100_000  # a larger claim is rejected, not capped
    max_update_norm: PositiveFloat | None = None  # L2 norm of the whole delta; null is no limit


class EvaluationPlan(Settings):
    """How often a new adapter is measured, and on what besides the held-out examples.

    The suite's gates judge what is measured; without a suite every adapter is promoted.
    """

    every: PositiveInt = 1  # in cycles; the last cycle of ``num_cycles`` is always measured
    suite: LocalPath | None = None  # YAML of an evaluation suite


class ServerConfig(Settings):
    """One federation's server."""

    federation: NodeName
    state: LocalPath  # folder of keys, database, updates, adapters and logs
    listen: Address = "127.0.0.1:9092"  # Fleet gRPC, the only port that nodes see
    public_address: Address | None = None  # what nodes dial; null is ``listen``
    control_port: int = Field(default=8000, ge=1, le=65535)  # Flower's HTTP, on loopback only
    recipe: LocalPath
    held_out: LocalPath | None = None
    cycle: CycleSettings = CycleSettings()
    limits: LimitSettings = LimitSettings()
    encoding: EncodingName = "int8"  # of the updates' tensors
    aggregation: FedAvg = FedAvg()
    evaluation: EvaluationPlan = EvaluationPlan()

    @model_validator(mode="after")
    def _address_can_be_dialled(self) -> ServerConfig:
        host, _ = split_address(self.address)
        if host in {"0.0.0.0", "::"}:  # noqa: S104
            raise ValueError(
                f"public_address: nodes cannot dial {host}; set it to the name or address that they reach"
            )
        if split_address(self.listen)[1] == self.control_port:
            raise ValueError(f"control_port and listen are both {self.control_port}; give them two ports")
        return self

    @property
    def address(self) -> str:
        """``host:port`` that nodes dial."""
        return self.public_address or self.listen


class Partition(Settings):
    """One file of examples, dealt out to the clients by a seeded shuffle, as evenly as it goes.

    ``partition`` deals it out with a chosen skew instead, sessions whole, by a seed of its own.
    """

    file: LocalPath
    seed: int = 0
    partition: PartitionSettings | None = None


class BfclPartition(Settings):
    """Questions of the installed ``bfcl-eval`` package, dealt out in the same way.

    ``num_held_out`` of them, in whole families that no client sees, measure the new adapters.
    """

    bfcl: Annotated[tuple[BfclCategory, ...], Field(min_length=1)]
    num_held_out: NonNegativeInt = 0
    seed: int = 0  # of the split, and of the shuffle where there is no partition
    partition: PartitionSettings | None = None


def _form(train: object) -> str:
    if isinstance(train, BfclPartition) or (isinstance(train, dict) and "bfcl" in train):
        return "BfclPartition"
    return "Partition" if isinstance(train, dict | Partition) else "files"


Train = Annotated[
    Annotated[Partition, Tag("Partition")]
    | Annotated[BfclPartition, Tag("BfclPartition")]
    | Annotated[tuple[LocalPath, ...], Field(min_length=1), Tag("files")],
    Discriminator(_form),
]
"""Where the clients' examples come from: one file or BFCL, dealt out, or one file a client."""


class SimulationConfig(Settings):
    """A federation of virtual clients on one host or a Ray cluster."""

    num_clients: PositiveInt
    cpus_per_client: PositiveFloat = 1.0  # a share of a core is allowed
    gpus_per_client: float = Field(default=0.0, ge=0)
    num_cycles: PositiveInt
    recipe: LocalPath
    train: Train
    held_out: LocalPath | None = None
    out: LocalPath  # the server's state folder; a second run carries on from it
    deadline_s: PositiveFloat = 86_400.0
    limits: LimitSettings = LimitSettings()
    encoding: EncodingName = "int8"
    aggregation: FedAvg = FedAvg()
    evaluation: EvaluationPlan = EvaluationPlan()

    @model_validator(mode="after")
    def _one_file_a_client(self) -> SimulationConfig:
        if isinstance(self.train, tuple) and len(self.train) != self.num_clients:
            raise ValueError(
                f"train: found {len(self.train)} files for {self.num_clients} clients; "
                "give one file a client, or {file: ...} to deal out one file"
            )
        if isinstance(self.train, BfclPartition) and self.train.num_held_out and self.held_out:
            raise ValueError("held_out: train.num_held_out holds out examples as well; set one of the two")
        return self

    def server(self) -> ServerConfig:
        """The same federation as a server sees it: back to back, all clients make the quorum."""
        return ServerConfig(
            federation="simulation",
            state=self.out,
            recipe=self.recipe,
            held_out=self.held_out,
            cycle=CycleSettings(
                interval_s=0,
                num_cycles=self.num_cycles,
                quorum=self.num_clients,
                deadline_s=self.deadline_s,
            ),
            limits=self.limits,
            encoding=self.encoding,
            aggregation=self.aggregation,
            evaluation=self.evaluation,
        )
