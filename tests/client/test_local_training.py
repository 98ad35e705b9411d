"""Training without a server, and its equality with what the node does in a federation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from sft_client.dataset import Dataset
from sft_client.local_training import LocalResult, Reports, train_locally
from sft_client.node import Stopped
from sft_shared.errors import ConfigError, DataError, StoreError, TrainingError
from sft_shared.files import held_folder
from sft_shared.models.adapters import from_bytes, load_adapter, to_bytes
from sft_shared.recipe import Recipe
from sft_shared.runlog import read_run_log
from sft_shared.training.launch import ALONE
from sft_shared.training.loop import train
from sft_shared.training.records import StepRecord
from sft_shared.wire.adapter_pb2 import AdapterUpdate, Signed
from sft_shared.wire.codec import decode_tensors

ADAPTER = "adapter_model.safetensors"
EWC = "ewc.safetensors"
TOOL = {
    "name": "get_weather",
    "description": "Return the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALL = {"name": "get_weather", "arguments": {"city": "Paris"}}


def tool_example(name: str, *, split: str = "train", result: bool = False) -> dict[str, Any]:
    """A tool call, or with ``result`` the words that follow one, as a line of the file."""
    ask = {"role": "user", "content": "weather in Paris?"}
    call = {"role": "assistant", "tool_calls": [CALL]}
    words = [{"role": "tool", "content": "sunny"}, {"role": "assistant", "content": "It is sunny."}]
    return {
        "id": name,
        "messages": [ask, call, *(words if result else [])],
        "tools": [TOOL],
        "provenance": {"source": "test", "session": name, "split": split},
    }


def write(path: Path, examples: list[dict[str, Any]]) -> None:
    """A JSONL file."""
    path.write_text("".join(json.dumps(example) + "\n" for example in examples), encoding="utf-8")


def staged(home: Any, *stages: dict[str, Any], **training: Any) -> Recipe:
    """A recipe with stages, in the home's recipe.yaml."""
    values = home.recipe(**training).model_dump(mode="json")
    recipe = Recipe.model_validate({**values, "stages": stages})
    home.train_by(recipe)
    return recipe


def local(
    home: Any,
    *,
    out: Path,
    steps: int | None = None,
    num_cycles: int | None = None,
    stop_at: tuple[str, int] | None = None,
    origin: Path | None = None,
) -> LocalResult:
    """Train locally, noting what is said and the steps; raises Stopped at ``stop_at``, (label, step)."""

    def note(label: str, record: StepRecord) -> None:
        home.said.append(label)
        home.steps.append(record)
        if (label, record.step) == stop_at:
            raise Stopped

    return train_locally(
        home.config,
        out=out,
        steps=steps,
        num_cycles=num_cycles,
        processes=ALONE,
        origin=origin,
        reports=Reports(say=home.said.append, plan=lambda plan, num_dropped: None, step=note),
    )


def test_it_writes_an_adapter_a_result_and_a_log(home: Any) -> None:
    """All three are there, the numbers agree, and the adapter has moved from where it began."""
    out = home.folder / "out"
    result = local(home, out=out, num_cycles=2)
    saved = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert saved["steps"] == result.steps == len(home.steps) == 6
    assert saved["final_loss"] == home.steps[-1].loss
    assert saved["num_examples"] == 6
    events = [json.loads(line)["event"] for line in (out / "run.jsonl").read_text().splitlines()]
    cycle = ["plan", *["step"] * 3]
    assert events == ["start", *cycle, *cycle, "finished"]
    start = home.recipe().tuning.initial(home.base, seed=0)
    assert any(not torch.equal(tensor, start[name]) for name, tensor in load_adapter(out).items())


def test_it_is_what_the_node_does_for_a_server(home: Any) -> None:
    """One local cycle gives, bit for bit, the adapter that an order for cycle 1 would add up to."""
    out = home.folder / "out"
    local(home, out=out)
    parent = home.recipe().tuning.initial(home.base, seed=0)
    signed = home.open().handle(home.order(parent=to_bytes(parent)), to_bytes(parent))
    update = AdapterUpdate.FromString(Signed.FromString(signed).body)
    expected = {name: tuple(tensor.shape) for name, tensor in parent.items()}
    delta = decode_tensors(update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=expected)
    for name, tensor in load_adapter(out).items():
        assert torch.equal(tensor - parent[name], delta[name])
    assert from_bytes(to_bytes(load_adapter(out))).keys() == parent.keys()


def test_a_second_run_gives_the_same_adapter(home: Any) -> None:
    """Nothing but the recipe and the data decides."""
    for name in ("one", "two"):
        local(home, out=home.folder / name)
    one, two = ((home.folder / name / "adapter_model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_steps_override_the_recipe(home: Any) -> None:
    """--steps counts for each cycle."""
    assert local(home, out=home.folder / "out", steps=1, num_cycles=2).steps == 2


def test_steps_that_the_recipe_cannot_have_are_named(home: Any) -> None:
    """A warm-up longer than the training is an error, as it is in the recipe."""
    text = (home.folder / "recipe.yaml").read_text(encoding="utf-8")
    text = text.replace("kind: constant", "kind: cosine").replace("warmup_steps: 0", "warmup_steps: 2")
    (home.folder / "recipe.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"--steps 1: .*warmup_steps is 2"):
        local(home, out=home.folder / "out", steps=1)


def test_a_recipe_is_needed(home: Any) -> None:
    """Without one in client.yaml there is nothing to train by."""
    home.configure(recipe=None)
    with pytest.raises(ConfigError, match="recipe: missing"):
        local(home, out=home.folder / "out")


def test_each_stage_goes_on_from_the_one_before(home: Any) -> None:
    """Two stages are, to the bit, two trainings: the second begins with the first one's adapter."""
    write(home.data, [tool_example("a"), tool_example("b"), tool_example("c", result=True)])
    recipe = staged(home, {"kind": "selection"}, {"kind": "result"})
    result = local(home, out=home.folder / "out")
    assert [(cycle.cycle, cycle.stage) for cycle in result.cycles] == [(1, "selection"), (2, "result")]
    assert [cycle.num_examples for cycle in result.cycles] == [2, 1]
    assert home.said.count("cycle 1/2 (selection)") == home.said.count("cycle 2/2 (result)") == 3

    dataset, states = Dataset(home.data), [recipe.tuning.initial(home.base, seed=0)]
    for cycle, stage in enumerate(recipe.stages, start=1):
        rows = dataset.rows(home.base, recipe.data, stage).train
        trained = train(
            home.base, states[-1], rows, tuning=recipe.tuning, settings=recipe.training, cycle=cycle
        )
        states.append(trained.state)
    assert to_bytes(states[1]) != to_bytes(states[0])
    saved = (home.folder / "out" / ADAPTER).read_bytes()
    assert saved == to_bytes(states[2])
    alone = train(home.base, states[0], rows, tuning=recipe.tuning, settings=recipe.training, cycle=2)
    assert saved != to_bytes(alone.state)


def test_after_each_stage_every_stage_is_measured_on_what_is_held_out(home: Any) -> None:
    """A model that has learnt its one example by heart gets that stage right, and the numbers are kept."""
    train_lines = [tool_example("a"), tool_example("b")]
    held_out = [tool_example("h1", split="held_out"), tool_example("h2", split="held_out")]
    write(home.data, [*train_lines, *held_out])
    recipe = staged(home, {"kind": "selection"}, {"kind": "parameters"}, steps=40, learning_rate=0.005)
    wide = recipe.tuning.model_copy(update={"rank": 16, "alpha": 32.0, "modules_to_save": ("lm_head",)})
    home.train_by(recipe.model_copy(update={"tuning": wide}))
    result = local(home, out=home.folder / "out")
    assert result.cycles[0].scores == {"selection": (2, 2), "parameters": (0, 2)}
    assert result.cycles[1].scores["parameters"] == (2, 2)
    saved = json.loads((home.folder / "out" / "result.json").read_text(encoding="utf-8"))
    assert [cycle["scores"]["selection"][1] for cycle in saved["cycles"]] == [2, 2]
    assert saved["cycles"][0]["scores"] == {"selection": [2, 2], "parameters": [0, 2]}


@pytest.mark.parametrize("num_cycles", [None, 1, 4])
def test_cycles_are_those_of_the_stages_unless_told_otherwise(home: Any, num_cycles: int | None) -> None:
    """Stages of 2 and 1 cycles make 3; further cycles are of the last stage; scores come at a stage's end."""
    write(home.data, [tool_example("a"), tool_example("h", split="held_out")])
    staged(home, {"kind": "selection", "cycles": 2}, {"kind": "parameters"}, steps=1)
    result = local(home, out=home.folder / "out", num_cycles=num_cycles)
    kinds = ["selection", "selection", "parameters", "parameters"]
    assert [cycle.stage for cycle in result.cycles] == kinds[: num_cycles or 3]
    assert [bool(cycle.scores) for cycle in result.cycles] == [False, True, True, False][: num_cycles or 3]


def test_without_stages_one_cycle_is_trained(home: Any) -> None:
    """Nothing else is asked for."""
    assert local(home, out=home.folder / "out", steps=1).num_cycles == 1


@pytest.mark.parametrize(
    ("held_out", "words"), [(False, "none of the 1 examples has"), (True, "none of the 1 examples held out")]
)
def test_a_stage_without_examples_is_told_before_the_first_step(
    home: Any, held_out: bool, words: str
) -> None:
    """Also for a later stage, and also if only the examples to measure it on are missing."""
    lines = [tool_example("a", result=held_out), tool_example("b", split="held_out", result=False)]
    write(home.data, lines if held_out else lines[:1])
    staged(home, *([] if held_out else [{"kind": "selection"}]), {"kind": "result"})
    with pytest.raises(DataError, match=words) as caught:
        local(home, out=home.folder / "out")
    assert "'result'" in str(caught.value)
    assert home.steps == []


def test_replay_and_what_earlier_cycles_found_important_count(home: Any) -> None:
    """Two cycles with general examples and EWC are, to the bit, two trainings by hand with both."""
    general = home.folder / "general.jsonl"
    lines = home.data.read_text(encoding="utf-8").replace("example-", "general-").replace("say", "tell")
    general.write_text(lines, encoding="utf-8")
    home.configure(replay="general.jsonl")
    recipe = home.recipe(replay={"fraction": 0.5}, ewc={"strength": 1e4, "fisher_examples": 4})
    home.train_by(recipe)
    out = home.folder / "out"
    local(home, out=out, num_cycles=2)

    rows = Dataset(home.data).rows(home.base, recipe.data).train
    replayed = Dataset(general).rows(home.base, recipe.data).train
    state, ewc = recipe.tuning.initial(home.base, seed=0), None
    for cycle in (1, 2):
        result = train(
            home.base,
            state,
            rows,
            tuning=recipe.tuning,
            settings=recipe.training,
            cycle=cycle,
            general=replayed,
            ewc=ewc,
        )
        state, ewc = result.state, result.ewc
    assert ewc is not None
    assert (out / ADAPTER).read_bytes() == to_bytes(state)
    assert (out / EWC).read_bytes() == ewc.to_bytes()


# Killed trainings


def killable(home: Any) -> Recipe:
    """A recipe in which much has to come back: dropout, moments, Fisher, the best state so far."""
    recipe: Recipe = home.recipe(
        steps=60,
        checkpoint_every=5,
        ewc={"strength": 10.0, "fisher_examples": 4},
        validation={"every": 10},
        schedule={"kind": "cosine", "span_cycles": 2},
    )
    recipe = recipe.model_copy(update={"tuning": recipe.tuning.model_copy(update={"dropout": 0.2})})
    home.train_by(recipe)
    lines = [json.loads(line) for line in home.data.read_text(encoding="utf-8").splitlines()]
    lines[-1]["provenance"]["split"] = "held_out"
    write(home.data, lines)
    return recipe


def command(home: Any, *, out: Path) -> list[str]:
    """``sft-client train`` of two cycles."""
    arguments = ["train", "--config", str(home.settings), "--out", str(out), "--cycles", "2"]
    return [sys.executable, "-m", "sft_client", *arguments]


def killed_at(home: Any, *, out: Path, cycle: int, step: int) -> None:
    """Start the command and end it with SIGKILL once its log shows a step."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command(home, out=out), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 120
        while not any(
            entry["event"] == "step" and (entry["cycle"], entry["step"]) >= (cycle, step)
            for entry in read_run_log(out / "run.jsonl")
        ):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL


def plans(out: Path) -> list[int]:
    """At which step each training of the log went on."""
    return [entry["resumed_at"] for entry in read_run_log(out / "run.jsonl") if entry["event"] == "plan"]


def test_a_training_killed_twice_gives_the_bytes_of_one_that_was_not(home: Any) -> None:
    """SIGKILL to the command in cycle 1 and in cycle 2: adapter and Fisher information are the same bytes."""
    killable(home)
    whole, out = home.folder / "whole", home.folder / "out"
    local(home, out=whole, num_cycles=2)
    killed_at(home, out=out, cycle=1, step=7)
    assert not (out / ADAPTER).exists()
    killed_at(home, out=out, cycle=2, step=12)
    assert not (out / ADAPTER).exists()
    last = subprocess.run(
        command(home, out=out), env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert last.returncode == 0, last.stderr
    for name in (ADAPTER, EWC):
        assert (out / name).read_bytes() == (whole / name).read_bytes()

    first, again, second, final = plans(out)
    assert (first, second) == (0, 0)
    assert again % 5 == 0
    assert 5 <= again < 60
    assert final % 5 == 0
    assert 10 <= final < 60
    assert "going on after cycle 1, which an earlier run finished" in last.stdout
    assert f"going on after step {final}, from a checkpoint" in last.stdout
    assert not (out / "cycles").exists()


@pytest.mark.parametrize("stop_at", [("cycle 1/2", 12), ("cycle 2/2", 12)])
def test_with_changed_data_it_begins_anew(home: Any, stop_at: tuple[str, int]) -> None:
    """What was done with other examples counts for nothing: not the checkpoint, not the finished cycle."""
    killable(home)
    out = home.folder / "out"
    with pytest.raises(Stopped):
        local(home, out=out, num_cycles=2, steps=20, stop_at=stop_at)
    assert (out / "cycles" / "checkpoint.safetensors").exists()
    lines = home.data.read_text(encoding="utf-8").splitlines(keepends=True)
    home.data.write_text("".join(lines[1:]), encoding="utf-8")
    home.said.clear()
    local(home, out=out, num_cycles=2, steps=20)
    local(home, out=home.folder / "fresh", num_cycles=2, steps=20)
    assert plans(out)[-2:] == [0, 0]
    assert not any("going on" in line for line in home.said)
    assert any("is of another training and is not used" in line for line in home.said)
    for name in (ADAPTER, EWC):
        assert (out / name).read_bytes() == (home.folder / "fresh" / name).read_bytes()


def test_fewer_cycles_than_an_earlier_run_finished_begin_anew(home: Any) -> None:
    """One cycle is asked for, so the adapter is that of one cycle, whatever a killed run of three left."""
    out = home.folder / "out"
    with pytest.raises(Stopped):
        local(home, out=out, num_cycles=3, stop_at=("cycle 3/3", 1))
    assert local(home, out=out, num_cycles=1).num_cycles == 1
    local(home, out=home.folder / "one", num_cycles=1)
    assert (out / ADAPTER).read_bytes() == (home.folder / "one" / ADAPTER).read_bytes()


def test_a_second_task_starts_from_the_first_ones_adapter_and_its_ewc(home: Any) -> None:
    """With EWC the pull is towards the first task's end; without it the old state does not stay beside."""
    first, second = home.folder / "first", home.folder / "second"
    home.train_by(home.recipe(ewc={"strength": 1e4}))
    local(home, out=first)
    home.steps.clear()
    local(home, out=second, origin=first)
    assert home.steps[0].penalty == 0.0  # still where the first one ended
    assert home.steps[-1].penalty > 0.0
    home.train_by(home.recipe())
    local(home, out=second, origin=first)
    assert not (second / "ewc.safetensors").exists()


def test_what_ewc_kept_is_not_missed_in_silence(home: Any) -> None:
    """Cycle 2 without what cycle 1 left would be another training."""
    out = home.folder / "out"
    home.train_by(home.recipe(ewc={"strength": 10.0}))
    with pytest.raises(Stopped):
        local(home, out=out, num_cycles=2, stop_at=("cycle 2/2", 1))
    (out / "cycles" / "ewc" / "1" / "ewc.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"what EWC kept of cycle 1 is missing. Remove the folder"):
        local(home, out=out, num_cycles=2)


def test_one_training_to_a_result_folder(home: Any) -> None:
    """A second one would write the same checkpoint."""
    out = home.folder / "out"
    with held_folder(out, holder="training"), pytest.raises(StoreError, match="in use by another training"):
        local(home, out=out)
