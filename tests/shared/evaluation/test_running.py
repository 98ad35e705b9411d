"""A suite on a real (tiny) model: killed anywhere it goes on to the same result, and never answers twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sft_shared.data.chat import DataSettings, ToolPromptSettings
from sft_shared.dialogue import Example, Message, write_examples
from sft_shared.errors import DataError, ModelError
from sft_shared.evaluation.answer_cache import ANSWERS
from sft_shared.evaluation.answering import answers
from sft_shared.evaluation.metrics.perplexity import perplexity_of, surprises_of
from sft_shared.evaluation.results import AnswerRow, SuiteResult, read_answers, read_result
from sft_shared.evaluation.running import requests_of, run_suite
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.models.adapters import save_adapter, sha256_of, to_bytes
from sft_shared.models.load import Base
from sft_shared.models.prefix import PrefixSettings
from sft_shared.models.tuning import LoraSettings

LORA = LoraSettings(rank=2, alpha=4)
MakeSuite = Callable[..., SuiteSettings]

CHILD = """
import os, signal, sys
from pathlib import Path
import torch
from sft_shared.data.chat import DataSettings
from sft_shared.evaluation.running import run_suite
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.models.adapters import load_adapter
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.tuning import LoraSettings

suite, model, adapter, cache, kill_at = sys.argv[1:]
torch.set_num_threads(1)

def report(task, done, total):
    if done >= int(kill_at):
        os.kill(os.getpid(), signal.SIGKILL)

run_suite(
    SuiteSettings.model_validate_json(Path(suite).read_bytes()),
    load_base(ModelSettings(name=model, dtype="fp32", device="cpu")),
    load_adapter(Path(adapter)),
    tuning=LoraSettings(rank=2, alpha=4),
    data=DataSettings(),
    cache=Path(cache),
    out=None,
    label="test",
    report=report,
)
"""


@pytest.fixture(scope="module")
def restless(tiny: Base) -> dict[str, torch.Tensor]:
    """A random adapter so strong that what is written depends on every token of the prompt."""
    draw = torch.Generator().manual_seed(5)
    return {name: torch.randn(shape, generator=draw) for name, shape in sorted(LORA.shapes(tiny).items())}


@pytest.fixture
def run(tiny: Base, restless: dict[str, torch.Tensor], tmp_path: Path) -> Callable[..., SuiteResult]:
    """A function: run a suite with the strong adapter; its folders are ``cache`` and ``out``."""

    def call(suite: SuiteSettings, **changes: Any) -> SuiteResult:
        state = changes.pop("state", restless)
        arguments = {
            "tuning": LORA,
            "data": DataSettings(),
            "cache": tmp_path / "cache",
            "out": tmp_path / "out",
            "label": "test",
            **changes,
        }
        return run_suite(suite, tiny, state, **arguments)

    return call


def rows_of(folder: Path) -> list[AnswerRow]:
    return list(read_answers(folder, "tools"))


def timeless(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and result without what a clock says."""
    rows = [row.model_dump(exclude={"seconds"}) for row in rows_of(folder)]
    result = read_result(folder).model_dump()
    for task in result["tasks"]:
        del task["seconds"]
    return rows, result


def test_a_suite_answers_every_example_as_the_model_does(
    run: Callable[..., SuiteResult],
    suite_of: MakeSuite,
    tiny: Base,
    restless: dict[str, torch.Tensor],
    questions: list[Example],
    tmp_path: Path,
) -> None:
    """The rows are in order, hold what plain generation gives, and lie beside the result."""
    told: list[tuple[str, int, int]] = []
    suite = suite_of()
    result = run(suite, report=lambda *progress: told.append(progress))
    texts = answers(tiny, restless, questions, tuning=LORA, data=DataSettings(), settings=suite.generation)
    rows = rows_of(tmp_path / "out")
    assert [(row.id, row.prediction) for row in rows] == [
        (example.id, text) for example, text in zip(questions, texts, strict=True)
    ]
    assert len(set(texts)) > 10
    assert told == [("tools", done, 20) for done in (0, 3, 6, 9, 12, 15, 18, 20)]
    assert read_result(tmp_path / "out") == result
    assert result.model.base_sha256 == tiny.fingerprint
    assert result.model.adapter_sha256 == sha256_of(to_bytes(restless))
    assert (result.constrained, result.tasks[0].num_cut) == (False, 20)


def test_killed_in_the_middle_it_goes_on_to_the_same_result(
    run: Callable[..., SuiteResult],
    suite_of: MakeSuite,
    tiny: Base,
    restless: dict[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    """kill -9 after nine of twenty answers and a torn line: only the others are generated, the rest stays.

    Apart from times the files are those of a run that nobody stopped; run again they are the same bytes.
    """
    suite = suite_of()
    (tmp_path / "suite.json").write_text(suite.model_dump_json())
    save_adapter(tmp_path / "adapter", restless, settings=LORA, base=tiny)
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            CHILD,
            tmp_path / "suite.json",
            tiny.name,
            tmp_path / "adapter",
            tmp_path / "cache",
            "9",
        ],
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    file = tmp_path / "cache" / ANSWERS
    before = file.read_bytes()
    assert before.count(b"\n") == 3
    file.write_bytes(before + b'{"torn')

    told: list[int] = []
    run(suite, report=lambda task, done, total: told.append(done))
    assert told == [9, 12, 15, 18, 20]
    lines = file.read_bytes()
    assert lines.startswith(before)
    keys = [key for line in lines.splitlines() for key in json.loads(line)]
    assert len(keys) == len(set(keys)) == 20

    run(suite, cache=tmp_path / "unstopped", out=tmp_path / "whole")
    assert timeless(tmp_path / "out") == timeless(tmp_path / "whole")

    run(suite, out=tmp_path / "again")
    for name in ("answers-tools.jsonl", "result.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert file.read_bytes() == lines


def test_another_model_prompt_or_form_is_answered_anew(
    run: Callable[..., SuiteResult],
    suite_of: MakeSuite,
    restless: dict[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    """The base, another adapter, other prompts, more tokens, a constraint: none finds the others' answers."""

    def num_known() -> int:
        file = tmp_path / "cache" / ANSWERS
        return sum(len(json.loads(line)) for line in file.read_bytes().splitlines())

    weaker = {name: tensor / 2 for name, tensor in restless.items()}
    other = {"data": DataSettings(tool_prompt=ToolPromptSettings(instruction="Use these:"))}
    generation = {"max_new_tokens": 8, "batch_size": 3}
    for times, (suite, changes) in enumerate(
        [
            (suite_of(), {}),
            (suite_of(), {"state": None, "tuning": None}),
            (suite_of(), {"state": weaker}),
            (suite_of(), {"tuning": LoraSettings(rank=2, alpha=8)}),
            (suite_of(), other),
            (suite_of(generation={**generation, "max_new_tokens": 9}), {}),
            (suite_of(generation={**generation, "constrained": "json"}), {}),
        ],
        start=1,
    ):
        run(suite, **changes)
        assert num_known() == 20 * times
    run(suite_of(generation={**generation, "batch_size": 7}))
    run(suite_of({"name": "renamed"}))
    assert num_known() == 20 * 7


def test_equal_prompts_are_answered_once(
    run: Callable[..., SuiteResult], suite_of: MakeSuite, data_file: Path, tmp_path: Path
) -> None:
    """An example that stands twice, under two ids, has one answer and two rows."""
    lines = [json.loads(line) for line in data_file.read_text().splitlines()[:2]]
    data_file.write_text(
        "".join(json.dumps({**line, "id": f"{line['id']}{end}"}) + "\n" for end in "ab" for line in lines)
    )
    told: list[tuple[int, int]] = []
    run(suite_of(), report=lambda task, *progress: told.append(progress))
    rows = rows_of(tmp_path / "out")
    assert told == [(0, 2), (2, 2)]
    assert [row.prediction for row in rows[:2]] == [row.prediction for row in rows[2:]]


def test_the_perplexity_of_the_reference_answers_is_asked_for_by_task(
    run: Callable[..., SuiteResult],
    suite_of: MakeSuite,
    tiny: Base,
    restless: dict[str, torch.Tensor],
    questions: list[Example],
    tmp_path: Path,
) -> None:
    """It is that of the model with its adapter on, and is shown beside the metrics; else it is not there."""
    asked = run(suite_of({"perplexity": True}))
    arguments = {"tuning": LORA, "data": DataSettings(), "settings": suite_of().generation}
    tuned, bare = (
        perplexity_of(surprises_of(tiny, state, questions, **arguments)) for state in (restless, None)
    )
    found = asked.tasks[0].measured["perplexity"]
    assert found.value == pytest.approx(tuned, rel=1e-4)
    assert found.value != pytest.approx(bare, rel=1e-3)
    assert found.ci95[0] < found.value < found.ci95[1]
    assert (found.n, found.higher_is_better) == (20, False)
    assert read_result(tmp_path / "out") == asked
    assert run(suite_of({"perplexity": True}), state=None, tuning=None).tasks[0].measured[
        "perplexity"
    ].value == pytest.approx(bare, rel=1e-4)
    assert "perplexity" not in run(suite_of()).tasks[0].measured


def test_shots_stand_before_every_question(
    run: Callable[..., SuiteResult],
    suite_of: MakeSuite,
    questions: list[Example],
    tmp_path: Path,
) -> None:
    """Solved examples with their tools change what is written, and one that is asked is refused.

    Without that check the answer would stand in the prompt.
    """
    run(suite_of(), out=tmp_path / "without")
    shots = [each.model_copy(update={"id": f"shot-{number}"}) for number, each in enumerate(questions[:2])]
    write_examples(tmp_path / "shots.jsonl", shots)
    run(suite_of({"shots": tmp_path / "shots.jsonl"}), out=tmp_path / "with")
    without, with_shots = (
        [row.prediction for row in rows_of(tmp_path / name)] for name in ("without", "with")
    )
    assert sum(one != other for one, other in zip(without, with_shots, strict=True)) > 10
    write_examples(tmp_path / "shots.jsonl", questions[:1])
    with pytest.raises(DataError, match=r"shots\.jsonl: the example 'q0' is one of the questions"):
        run(suite_of({"shots": tmp_path / "shots.jsonl"}))


def test_constrained_answers_are_reported_apart(
    run: Callable[..., SuiteResult], suite_of: MakeSuite, tmp_path: Path
) -> None:
    """Whatever the model, what is not cut off is JSON; what is cut off is counted, and not valid."""
    schema = tmp_path / "schema.json"
    properties = {"意图": {"enum": ["退款", "x"]}}
    closed = {"required": ["意图"], "additionalProperties": False}
    schema.write_text(json.dumps({"type": "object", "properties": properties, **closed}))
    free = run(suite_of())
    held = run(
        suite_of(
            {"answer_schema": schema, "metrics": [{"kind": "json_valid"}]},
            generation={"max_new_tokens": 40, "constrained": "json"},
        )
    )
    assert (free.constrained, held.constrained) == (False, True)
    assert free.tasks[0].metrics["json_valid"].value == 0
    rows = rows_of(tmp_path / "out")
    assert held.tasks[0].num_cut == sum(row.cut for row in rows) < len(rows)
    judged = [row for row in rows if row.values["json_valid"] is not None]
    assert all(row.cut or row.values["json_valid"] == 1 for row in judged)
    assert any(not row.cut for row in judged)


def test_stopped_by_the_report_it_keeps_its_answers_and_frees_the_base(
    run: Callable[..., SuiteResult], suite_of: MakeSuite, tmp_path: Path
) -> None:
    """As a server that is told to stop; nothing half-done lies in the out folder."""

    def stop(task: str, done: int, total: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(suite_of(), report=stop)
    assert not (tmp_path / "out").exists()
    told: list[int] = []
    run(suite_of(), report=lambda task, done, total: told.append(done))
    assert told[0] == 6


def test_what_cannot_be_answered_is_refused_before_anything_is(
    run: Callable[..., SuiteResult],
    suite_of: MakeSuite,
    questions: list[Example],
    data_file: Path,
    tiny: Base,
) -> None:
    """A tool whose schema is none, an adapter of another rank: each says so, with the example's name."""
    with pytest.raises(ModelError, match="does not fit"):
        run(suite_of(), state=LoraSettings(rank=4).initial(tiny, seed=0))
    tool = questions[3].tools[0].model_copy(update={"parameters": {"type": "dict"}})
    write_examples(data_file, [*questions[:3], questions[3].model_copy(update={"tools": (tool,)})])
    with pytest.raises(DataError, match=r"task 'tools', example 'q3': .*Unsupported type \"dict\""):
        run(suite_of(generation={"constrained": "calls"}))
    message = Message(role="user", content="<|im_end|>")
    broken = questions[0].model_copy(update={"messages": (message, questions[0].answer)})
    write_examples(data_file, [broken])
    with pytest.raises(DataError, match="'q0': a user message contains the control token"):
        run(suite_of())


def test_a_result_that_is_none_is_refused(run: Callable[..., SuiteResult], tmp_path: Path) -> None:
    """Missing, or of another shape; rows with their line."""
    with pytest.raises(DataError, match=r"result\.json: No such file"):
        read_result(tmp_path)
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(DataError, match=r"result\.json: suite: Field required"):
        read_result(tmp_path)
    (tmp_path / "answers-tools.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"answers-tools\.jsonl:1: id: Field required"):
        rows_of(tmp_path)


def test_a_prompt_that_does_not_fit_with_its_answer_is_refused_before_anything_is_answered(
    run: Callable[..., SuiteResult],
    suite_of: MakeSuite,
    tiny: Base,
    questions: list[Example],
    data_file: Path,
    tmp_path: Path,
) -> None:
    """The model would answer all the same, and get a score. A learned prefix takes its places too."""
    long = Message(role="user", content="word " * 3000)
    example = questions[19].model_copy(update={"messages": (long, questions[19].answer)})
    write_examples(data_file, [*questions[:19], example])
    with pytest.raises(DataError, match=r"task 'tools', example 'q19': a prompt of .* the model's 2,048"):
        run(suite_of())
    assert not (tmp_path / "cache").exists()
    write_examples(data_file, questions)
    with pytest.raises(DataError, match=r"with 2,040 more is longer"):
        run(suite_of(generation={"max_new_tokens": 2040}))
    (task,) = suite_of().load()
    prefix = PrefixSettings(num_virtual_tokens=2030)
    with pytest.raises(DataError, match=r"with 2,038 more is longer"):
        requests_of(task, suite_of(), tiny, tuning=prefix, data=DataSettings())
