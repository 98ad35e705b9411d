"""What a report and a card tell of the training; whoever trained gives it."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from sft_shared.config import Settings


class CycleFacts(Settings):
    """One cycle; None: not known."""

    cycle: PositiveInt
    loss: float | None = None  # mean of the training loss in the cycle's last step, nats per token
    bytes_up: NonNegativeInt | None = None  # from all clients to the server
    bytes_down: NonNegativeInt | None = None  # from the server to all clients
    seconds: NonNegativeFloat | None = None
    epsilon: NonNegativeFloat | None = None  # spent since the first cycle


class RunFacts(Settings):
    """What was trained, on how much, and what it took."""

    base_model: str = Field(min_length=1)  # a name, such as that of a model hub
    method: str = Field(min_length=1)  # in a few words: LoRA, rank 16, all linear layers
    num_examples: NonNegativeInt  # to train on; examples, not steps
    num_clients: PositiveInt = 1
    num_parameters: PositiveInt | None = None  # trained ones
    languages: dict[str, NonNegativeInt] = Field(default_factory=dict)  # language -> examples
    sources: dict[str, NonNegativeInt] = Field(default_factory=dict)  # where examples came from -> examples
    settings: dict[str, str] = Field(default_factory=dict)  # of the training, as they are to be shown
    delta: NonNegativeFloat | None = Field(default=None, lt=1)  # of (epsilon, delta)-differential privacy
    cycles: tuple[CycleFacts, ...] = ()
    intended_use: str = ""
    limits: tuple[str, ...] = ()  # what the model is known not to do well
    license: str = ""  # of the adapter, by its SPDX name

    @property
    def epsilon(self) -> float | None:
        """What the last cycle that says so had spent."""
        return next((cycle.epsilon for cycle in reversed(self.cycles) if cycle.epsilon is not None), None)

    @property
    def bytes_up(self) -> int:
        """Bytes sent to the server in all cycles."""
        return sum(cycle.bytes_up or 0 for cycle in self.cycles)

    @property
    def bytes_down(self) -> int:
        """Bytes sent to the clients in all cycles."""
        return sum(cycle.bytes_down or 0 for cycle in self.cycles)

    @property
    def seconds(self) -> float:
        """Time of all cycles."""
        return sum(cycle.seconds or 0.0 for cycle in self.cycles)
