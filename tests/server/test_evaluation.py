"""A cycle's adapter is measured by a suite, and by the held-out examples as one more task of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sft_server.config import EvaluationPlan
from sft_server.evaluation import measuring
from sft_server.records import State
from sft_shared.dialogue import Example, ExpectedCall, Message, Provenance, Tool, ToolCall
from sft_shared.errors import ConfigError, DataError
from sft_shared.evaluation.answering import EvaluationSettings
from sft_shared.evaluation.results import read_answers, read_result


def held_out_example(number: int) -> Example:
    return Example(
        id=f"h{number}",
        messages=(
            Message(role="user", content=f"What is the weather on day {number}?"),
            Message(role="assistant", tool_calls=(ToolCall(name="get", arguments={"day": number}),)),
        ),
        tools=(Tool(name="get", parameters={"type": "object", "properties": {"day": {"type": "integer"}}}),),
        expected_calls=(ExpectedCall(name="get", arguments={"day": [number]}),),
        provenance=Provenance(source="test", session=str(number), split="held_out"),
    )


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    """A suite of one task with five questions."""
    lines = [{"prompt": f"Question {number}?", "completion": "[]"} for number in range(5)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = tmp_path / "suite.yaml"
    task = {"name": "json", "data": "pairs.jsonl", "metrics": [{"kind": "json_valid"}]}
    generation = {"max_new_tokens": 3, "batch_size": 2, "threads": 1}
    path.write_text(yaml.safe_dump({"name": "s", "tasks": [task], "generation": generation, "latency": None}))
    return path


@pytest.fixture
def fleet(bench: Any, make_node: Any, make_fleet: Any) -> Any:
    """Two nodes that answer at once."""
    nodes = [make_node(name) for name in ("a", "b")]
    for node in nodes:
        bench.store.add_node(node.card)
    delta = bench.delta(0.001)
    return make_fleet(
        nodes, {node.name: (lambda order, node=node: node.update(order, delta)) for node in nodes}
    )


def with_suite(bench: Any, path: Path | None, **changes: Any) -> None:
    plan = EvaluationPlan(suite=path, **changes)
    bench.config = bench.config.model_copy(update={"evaluation": plan})


def test_a_suite_measures_the_new_adapter(bench: Any, fleet: Any, suite_file: Path) -> None:
    """The record has the first metric in front and all tasks; result and answers lie in the state folder."""
    with_suite(bench, suite_file)
    runner = bench.runner()
    cycle = runner.run(fleet)
    assert cycle.state is State.PROMOTED
    assert cycle.evaluation["measure"] == "json: json_valid"
    assert (cycle.evaluation["n"], cycle.evaluation["value"]) == (5, 0.0)
    assert cycle.evaluation["tasks"]["json"]["json_valid"]["n"] == 5
    assert bench.told("cycle-evaluated")[0]["value"] == 0.0
    (folder,) = runner.layout.evaluations.glob(f"*/{cycle.adapter_sha256}")
    result = read_result(folder)
    assert result.model.adapter_sha256 == cycle.adapter_sha256
    assert len(list(read_answers(folder, "json"))) == 5
    assert not (folder / "cache").exists()


def test_held_out_examples_are_a_task_of_their_own(bench: Any, fleet: Any, suite_file: Path) -> None:
    """Alone, and in front of a suite's tasks."""
    bench.held_out = [held_out_example(number) for number in range(4)]
    short = EvaluationSettings(max_new_tokens=3, threads=1)
    bench.recipe = bench.recipe.model_copy(update={"evaluation": short})
    first = bench.runner().run(fleet)
    assert first.evaluation["measure"] == "held-out: tool_calls"
    assert first.evaluation["n"] == 4
    assert list(first.evaluation["tasks"]) == ["held-out"]
    with_suite(bench, suite_file)
    second = bench.runner().run(fleet)
    assert second.evaluation["measure"] == "held-out: tool_calls"
    assert list(second.evaluation["tasks"]) == ["held-out", "json"]


def test_without_examples_and_where_none_is_due_nothing_is_measured(
    bench: Any, fleet: Any, suite_file: Path
) -> None:
    """Every second cycle, and always the last of them."""
    assert bench.runner().run(fleet).evaluation is None
    with_suite(bench, suite_file, every=2)
    runner = bench.runner(num_cycles=3)
    assert runner.run(fleet).evaluation is not None
    assert runner.run(fleet).evaluation is not None
    assert [event["cycle"] for event in bench.told("cycle-evaluated")] == [2, 3]


def test_stopped_while_it_measures_it_goes_on_with_the_rest(bench: Any, fleet: Any, suite_file: Path) -> None:
    """The cycle stays open; the answers that were there are not generated again."""
    with_suite(bench, suite_file)
    runner = bench.runner()
    emit = runner._emit

    def stop_at_two(event: str, **fields: Any) -> None:
        emit(event, **fields)
        if event == "evaluating" and fields["done"] == 2:
            bench.stop.set()

    runner._emit = stop_at_two
    assert runner.run(fleet) is None
    assert bench.store.last_cycle().state is State.AGGREGATED
    bench.stop.clear()
    bench.events.clear()
    assert bench.runner().run(fleet).state is State.PROMOTED
    told = bench.told("evaluating")
    assert [event["done"] for event in told if event["model"] == "cycle 1"] == [4, 5]


def test_a_suite_that_cannot_be_run_is_told_when_the_server_starts(
    bench: Any, suite_file: Path, tmp_path: Path
) -> None:
    """No file, no data, a task that is named like the held-out one."""
    recipe = bench.recipe
    with pytest.raises(ConfigError, match="no such file"):
        measuring(tmp_path / "none.yaml", recipe=recipe, held_out=[])
    (tmp_path / "none.yaml").write_text(suite_file.read_text().replace("pairs", "missing"))
    with pytest.raises(DataError, match=r"missing\.jsonl"):
        measuring(tmp_path / "none.yaml", recipe=recipe, held_out=[])
    suite_file.write_text(suite_file.read_text().replace("name: json", "name: held-out"))
    with pytest.raises(ConfigError, match="'held-out' is the name of the task"):
        measuring(suite_file, recipe=recipe, held_out=[held_out_example(1)])
    assert measuring(None, recipe=recipe, held_out=[]) is None


def test_held_out_examples_that_cannot_be_measured_are_told_when_the_server_starts(bench: Any) -> None:
    """Longer than the model holds, or without anything to judge by: no cycle is trained for nothing."""
    example = held_out_example(1)
    long = (Message(role="user", content="word " * 3000), example.answer)
    bench.held_out = [example.model_copy(update={"messages": long})]
    with pytest.raises(DataError, match=r"task 'held-out', example 'h1': a prompt of .* tokens"):
        bench.runner()
    words = (example.messages[0], Message(role="assistant", content="Sunny."))
    bench.held_out = [example.model_copy(update={"messages": words, "tools": (), "expected_calls": ()})]
    with pytest.raises(DataError, match="task 'held-out': the metric 'tool_calls' says nothing"):
        bench.runner()


def test_a_gate_that_cannot_be_asked_of_the_held_out_examples_is_told_at_the_start(
    bench: Any, suite_file: Path
) -> None:
    """They have the role new, and no other metric than that of their calls; without them the gate is fine."""
    suite = yaml.safe_load(suite_file.read_text())
    suite["tasks"][0]["metrics"].append({"kind": "exact_match"})
    suite["gates"] = [{"kind": "no_worse", "roles": ["new"], "metric": "exact_match"}]
    suite_file.write_text(yaml.safe_dump(suite))
    assert measuring(suite_file, recipe=bench.recipe, held_out=[]) is not None
    with pytest.raises(ConfigError, match="'exact_match' is no metric of the task 'held-out'"):
        measuring(suite_file, recipe=bench.recipe, held_out=[held_out_example(1)])
