"""A stage is measured by what the model writes: right answers count, others do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sft_shared.data.chat import DataSettings, tokenize_all
from sft_shared.data.stages import StageSettings, views
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation import stages
from sft_shared.evaluation.answering import EvaluationSettings
from sft_shared.evaluation.stages import StageScore, measure_stage
from sft_shared.models.load import Base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.tuned import AdapterState
from sft_shared.training.loop import train
from sft_shared.training.schedules import ConstantSchedule
from sft_shared.training.settings import TrainingSettings

TUNING = LoraSettings(rank=16, alpha=32, modules_to_save=("lm_head",))
TOOLS = [
    {
        "name": name,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    for name in ("weather", "time")
]


def example(*, result: bool = False, **fields: Any) -> Example:
    """Two calls for Paris, or with ``result`` the words after them."""
    calls = [{"name": name, "arguments": {"city": "Paris"}} for name in ("weather", "time")]
    messages = [
        {"role": "user", "content": "in Paris?"},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "content": "sunny, noon"},
        {"role": "assistant", "content": "Sunny, at noon."},
    ]
    provenance = {"source": "test", "session": "s", "split": "held_out"}
    return Example.model_validate(
        {
            "id": "e",
            "messages": messages if result else messages[:2],
            "tools": TOOLS,
            "provenance": provenance,
            **fields,
        }
    )


def measured(kind: Any, base: Base, state: AdapterState | None, examples: list[Example]) -> StageScore:
    """The score of a stage."""
    stage = StageSettings(kind=kind)
    settings = EvaluationSettings(max_new_tokens=60, threads=1)
    return measure_stage(stage, base, state, examples, tuning=TUNING, data=DataSettings(), settings=settings)


@pytest.mark.parametrize("kind", ["selection", "parameters", "result"])
def test_a_model_that_knows_the_answer_by_heart_is_right_and_the_base_is_not(tiny: Base, kind: Any) -> None:
    """Trained on the stage's own view of one example, it answers that one as the stage asks."""
    stage, examples = StageSettings(kind=kind), [example(result=kind == "result")]
    rows = tokenize_all(views(stage, examples), tiny.tokenizer, stage.data(DataSettings()))
    settings = TrainingSettings(
        steps=40, batch_size=1, learning_rate=0.005, schedule=ConstantSchedule(), threads=1
    )
    state = train(tiny, TUNING.initial(tiny, seed=0), rows, tuning=TUNING, settings=settings).state
    score = measured(kind, tiny, state, examples)
    assert (score.stage, score.n, score.correct, score.accuracy) == (kind, 1, 1, 1.0)
    assert score.ci95[1] == pytest.approx(1.0)
    assert measured(kind, tiny, None, examples).correct == 0


WEATHER, TIME = (f'{{"name": "{name}", "arguments": {{"city": "Paris"}}}}' for name in ("weather", "time"))


@pytest.mark.parametrize(
    ("kind", "text", "right"),
    [
        ("selection", '["weather", "time"]', True),
        ("selection", '["time", "weather"]', True),
        ("selection", '["weather"]', False),
        ("selection", '["weather", "time", "time"]', False),
        ("selection", '["weather", 1]', False),
        ("selection", f"[{WEATHER}, {TIME}]", False),
        ("selection", '{"weather": "time"}', False),
        ("selection", "weather, time", False),
        ("selection", "[" * 100_000, False),
        ("parameters", f"[{WEATHER}, {TIME}]", True),
        ("parameters", f"[{WEATHER}]", False),
        ("parameters", f"[{WEATHER}, {TIME}]".replace("Paris", "Rome"), False),
        ("parameters", '["weather", "time"]', False),
        ("result", "Sunny, at noon.", True),
        ("result", "  sunny,\nat NOON. ", True),
        ("result", "Sunny, at night.", False),
        ("result", "", False),
    ],
)
def test_what_is_right(
    monkeypatch: pytest.MonkeyPatch, tiny: Base, kind: Any, text: str, right: bool
) -> None:
    """Names in any order, calls that match, the same words; all else is wrong, and none of it an error."""
    monkeypatch.setattr(stages, "answers", lambda *arguments, **options: [text])
    score = measured(kind, tiny, None, [example(result=kind == "result")])
    assert (score.n, score.correct) == (1, int(right))


def test_expected_calls_count_before_the_answers_own(monkeypatch: pytest.MonkeyPatch, tiny: Base) -> None:
    """Where an example says what is right, that is right."""
    monkeypatch.setattr(
        stages, "answers", lambda *arguments, **options: [f"[{TIME}]".replace("Paris", "Rome")]
    )
    expected = [{"name": "time", "arguments": {"city": ["Rome", "Oslo"]}}]
    assert measured("parameters", tiny, None, [example(expected_calls=expected)]).correct == 1
    assert measured("parameters", tiny, None, [example()]).correct == 0


def test_a_stage_for_which_nothing_is_held_out_cannot_be_measured(tiny: Base) -> None:
    """That is said, with the stage."""
    with pytest.raises(DataError, match="no held-out example has anything for the stage 'result'"):
        measured("result", tiny, None, [example()])


def test_only_what_the_stage_sees_is_counted(tiny: Base, tmp_path: Path) -> None:
    """The others are no questions of it."""
    assert measured("result", tiny, None, [example(), example(result=True), example()]).n == 1
