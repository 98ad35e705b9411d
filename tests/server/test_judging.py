"""A bad candidate is held and its parent stays; the reason can be read; a crash changes no decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from sft_server.config import EvaluationPlan
from sft_server.console import Display, cycle_table
from sft_server.judging import why_held
from sft_server.records import State
from sft_shared.dialogue import Example, Message, Provenance
from sft_shared.errors import DataError
from sft_shared.evaluation.answering import EvaluationSettings, answers
from sft_shared.evaluation.results import read_result

NUM_QUESTIONS = 8
GENERATION = {"max_new_tokens": 4, "batch_size": 8, "threads": 1}


class Shop:
    """Two nodes that send the change they are told to, and a suite of what a first change teaches."""

    def __init__(self, bench: Any, fleet: Any, folder: Path) -> None:
        self.bench, self.fleet, self.folder = bench, fleet, folder
        self.change: dict[str, torch.Tensor] = {}
        chance = torch.Generator().manual_seed(5)
        self.good = {
            name: torch.randn(shape, generator=chance) for name, shape in bench.runner().shapes.items()
        }
        self.hardly = {name: tensor * 1e-6 for name, tensor in self.good.items()}
        self.bad = {name: -tensor for name, tensor in self.good.items()}

    def measure_by(self, **suite: Any) -> None:
        """A suite whose right answers are those of the adapter that ``good`` makes."""
        initial = self.bench.recipe.tuning.initial(self.bench.base, seed=self.bench.recipe.training.seed)
        asked = [
            Example(
                id=str(number),
                messages=(
                    Message(role="user", content=f"Question {number} " + "word " * number),
                    Message(role="assistant", content="?"),
                ),
                provenance=Provenance(source="test", session=str(number)),
            )
            for number in range(NUM_QUESTIONS)
        ]
        right = answers(
            self.bench.base,
            {name: tensor + self.good[name] for name, tensor in initial.items()},
            asked,
            tuning=self.bench.recipe.tuning,
            data=self.bench.recipe.data,
            settings=EvaluationSettings.model_validate(GENERATION),
        )
        lines = [
            {"prompt": example.messages[0].content, "completion": text}
            for example, text in zip(asked, right, strict=True)
        ]
        (self.folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        task = {"name": "shop", "data": "pairs.jsonl", "metrics": [{"kind": "exact_match"}]}
        values = {"name": "s", "tasks": [task], "generation": GENERATION, "latency": None, **suite}
        (self.folder / "suite.yaml").write_text(yaml.safe_dump(values))
        self.plan(suite=self.folder / "suite.yaml")

    def plan(self, **changes: Any) -> None:
        self.bench.config = self.bench.config.model_copy(update={"evaluation": EvaluationPlan(**changes)})

    def cycle(self, change: dict[str, torch.Tensor], **settings: Any) -> Any:
        """Run one cycle in which every node sends ``change``."""
        self.change = change
        return self.bench.runner(**settings).run(self.fleet)


@pytest.fixture
def shop(bench: Any, make_node: Any, make_fleet: Any, tmp_path: Path) -> Shop:
    tuning = {"kind": "lora", "rank": 2, "alpha": 4}  # on all layers: strong enough to change every answer
    recipe = bench.recipe.model_dump() | {"tuning": tuning}
    bench.recipe = type(bench.recipe).model_validate(recipe)
    nodes = [make_node(name) for name in ("a", "b")]
    for node in nodes:
        bench.store.add_node(node.card)
    fleet = make_fleet(nodes, {})
    made = Shop(bench, fleet, tmp_path)
    fleet.answers = {node.name: (lambda order, node=node: node.update(order, made.change)) for node in nodes}
    return made


def test_a_bad_candidate_is_held_and_the_next_cycle_starts_from_its_parent(shop: Shop) -> None:
    """The suite names no gate, so no loss above 2 points is allowed: what forgets everything stays out."""
    shop.measure_by()
    learned = shop.cycle(shop.good)
    assert learned.state is State.PROMOTED
    assert (learned.evaluation["value"], learned.evaluation["against"]) == (1.0, "initial adapter")
    forgot = shop.cycle(shop.bad)
    assert forgot.state is State.REJECTED
    assert forgot.adapter_sha256 not in (None, learned.adapter_sha256)
    assert forgot.reason == (
        "no worse: all metrics on all tasks: exact_match on shop lost 100.0 points (100.0 % to 0.0 %, n=8); "
        "no more than 2.0 points lost is allowed."
    )
    assert shop.bench.store.promoted_adapter() == learned.adapter_sha256
    following = shop.cycle(shop.hardly)
    assert (following.cycle, following.state) == (3, State.PROMOTED)
    assert following.parent_sha256 == learned.adapter_sha256


def test_with_the_gate_off_the_same_candidate_is_promoted(shop: Shop) -> None:
    """An empty list judges nothing."""
    shop.measure_by(gates=[])
    shop.cycle(shop.good)
    forgot = shop.cycle(shop.bad)
    assert (forgot.state, forgot.evaluation["value"], forgot.reason) == (State.PROMOTED, 0.0, None)
    assert shop.bench.store.promoted_adapter() == forgot.adapter_sha256


def test_without_a_suite_everything_is_promoted(shop: Shop) -> None:
    """As it was before there were gates."""
    assert [shop.cycle(change).state for change in (shop.good, shop.bad)] == [State.PROMOTED] * 2


def test_why_is_shown_wherever_an_operator_looks(shop: Shop) -> None:
    """In the run log, on the screen and in the table of cycles; no word of it draws on the screen."""
    shop.measure_by()
    shop.cycle(shop.good)
    held = shop.cycle(shop.bad)
    (told,) = shop.bench.told("cycle-rejected")
    assert (told["cycle"], told["adapter"], told["parent"]) == (2, held.adapter_sha256, held.parent_sha256)
    console = Console(width=200, record=True)
    with Display(console, quorum=2) as display:
        display.show("cycle-rejected", **told)
        display.show("cycle-rejected", **{**told, "reason": "[red]x[/red]\x1b[2J"})
    console.print(cycle_table(shop.bench.store.cycles(), shop.bench.store.updates))
    shown = console.export_text()
    assert f"cycle 2: adapter {held.adapter_sha256[:12]} is held: no worse: all metrics" in shown
    assert "[red]x[/red]" in shown
    assert "\x1b" not in shown
    assert "rejected" in shown
    assert "cycle 2 rejected: no worse: all metrics on all tasks: exact_match on shop lost" in " ".join(
        shown.split()
    )


def test_the_promoted_adapter_is_measured_once(shop: Shop) -> None:
    """The initial one when the first candidate comes, later ones as candidates; the same bytes once."""
    shop.measure_by()
    shop.cycle(shop.good)
    assert [(each["model"], each["done"]) for each in shop.bench.told("evaluating")] == [
        ("cycle 1", 0),
        ("cycle 1", 8),
        ("initial adapter", 0),
        ("initial adapter", 8),
    ]
    shop.bench.events.clear()
    shop.cycle(shop.bad)
    assert {each["model"] for each in shop.bench.told("evaluating")} == {"cycle 2"}
    shop.bench.events.clear()
    again = shop.cycle(shop.bad)
    assert (again.state, shop.bench.told("evaluating")) == (State.REJECTED, [])


def test_another_suite_measures_the_promoted_adapter_anew(shop: Shop) -> None:
    """Results of other examples cannot be compared; other gates alone change no result."""
    shop.measure_by()
    shop.cycle(shop.good)
    shop.bench.events.clear()
    shop.measure_by(gates=[{"kind": "at_least", "task": "shop", "metric": "exact_match", "bar": 0.5}])
    assert shop.cycle(shop.bad).state is State.REJECTED
    assert {each["model"] for each in shop.bench.told("evaluating")} == {"cycle 2"}
    shop.bench.events.clear()
    lines = (shop.folder / "pairs.jsonl").read_text().splitlines(keepends=True)
    (shop.folder / "pairs.jsonl").write_text("".join(lines[1:]))
    cycle = shop.cycle(shop.hardly)
    assert {each["model"] for each in shop.bench.told("evaluating")} == {"cycle 1", "cycle 3"}
    assert cycle.evaluation["n"] == NUM_QUESTIONS - 1


def test_a_damaged_result_is_made_again(shop: Shop) -> None:
    """What lies on the disk is only a copy of what the model says."""
    shop.measure_by()
    first = shop.cycle(shop.good)
    (folder,) = shop.bench.runner().layout.evaluations.glob(f"*/{first.adapter_sha256}")
    assert read_result(folder).model.adapter_sha256 == first.adapter_sha256
    (folder / "answers-shop.jsonl").write_text("{}\n")
    assert shop.cycle(shop.bad).state is State.REJECTED
    assert read_result(folder).tasks[0].n == NUM_QUESTIONS


def test_stopped_while_the_parent_is_measured_it_goes_on(shop: Shop) -> None:
    """The candidate is not measured again, and the decision is the same."""
    shop.measure_by(gates=[{"kind": "at_least", "task": "shop", "metric": "exact_match", "bar": 0.5}])
    shop.change = shop.hardly
    runner = shop.bench.runner()
    emit = runner._emit

    def stop_at_the_parent(event: str, **fields: Any) -> None:
        emit(event, **fields)
        if event == "evaluating" and fields["model"] == "initial adapter":
            shop.bench.stop.set()

    runner._emit = stop_at_the_parent
    assert runner.run(shop.fleet) is None
    assert shop.bench.store.last_cycle().state is State.AGGREGATED
    shop.bench.stop.clear()
    shop.bench.events.clear()
    cycle = shop.bench.runner().run(shop.fleet)
    assert cycle.state is State.REJECTED
    assert cycle.reason.startswith("at least: exact_match on shop: exact_match on shop is 0.0 %")
    assert "cycle 1" not in {each["model"] for each in shop.bench.told("evaluating")}


def test_a_decision_once_committed_does_not_change_with_the_suite(shop: Shop) -> None:
    """Killed between measuring and promoting, a candidate is held though the gates were taken out since."""
    shop.measure_by()
    shop.cycle(shop.good)
    runner = shop.bench.runner()
    runner._decide = lambda cycle: shop.bench.stop.set()
    shop.change = shop.bad
    assert runner.run(shop.fleet) is None
    assert shop.bench.store.last_cycle().state is State.EVALUATED
    shop.bench.stop.clear()
    shop.measure_by(gates=[])
    assert shop.bench.runner().run(shop.fleet).state is State.REJECTED


def test_a_cycle_that_is_not_measured_is_promoted_without_a_gate(shop: Shop) -> None:
    """``every: 2``: gates judge what is measured, against what was promoted before."""
    shop.measure_by()
    shop.plan(suite=shop.folder / "suite.yaml", every=2)
    assert [shop.cycle(change).state for change in (shop.good, shop.bad)] == [
        State.PROMOTED,
        State.REJECTED,
    ]


def test_several_gates_say_how_many_hold() -> None:
    """The first of them gives the reason; a record from before there were gates holds nothing."""
    verdicts = [
        {"gate": name, "held": held, "reason": "why."} for name, held in zip("abc", (0, 1, 1), strict=True)
    ]
    assert why_held({"gates": verdicts}) == "b: why. 2 of 3 gates hold it."
    assert why_held({"gates": verdicts[:2]}) == "b: why."
    assert why_held({"gates": verdicts[:1]}) is None
    assert why_held({}) is None


def test_a_missing_file_of_a_metric_is_told_when_the_server_starts(shop: Shop) -> None:
    """Not in the middle of a cycle."""
    metric = {"kind": "compliance", "words": ["none.txt"]}
    shop.measure_by(tasks=[{"name": "shop", "data": "pairs.jsonl", "metrics": [metric]}])
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        shop.bench.runner()


def test_a_candidate_that_is_its_parent_to_the_byte_passes(shop: Shop) -> None:
    """Both are one result under two names."""
    shop.measure_by()
    cycle = shop.cycle({name: torch.zeros_like(tensor) for name, tensor in shop.good.items()})
    assert (cycle.state, cycle.adapter_sha256) == (State.PROMOTED, cycle.parent_sha256)
