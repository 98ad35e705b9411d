"""The union of metrics: named in YAML, told apart by name, and with bounds that hold for any answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.config import Settings, load_yaml
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError
from sft_shared.evaluation.metrics.kinds import Metric
from sft_shared.evaluation.metrics.metric import MetricSettings

Make = Callable[..., Example]
VARIANTS: tuple[type[MetricSettings], ...] = get_args(get_args(Metric)[0])
WORDS = Path(__file__).parents[4] / "configs" / "evaluation" / "words_en.txt"
NEEDED: dict[str, dict[str, object]] = {
    "schema_valid": {"fields": {"type": "object"}},
    "compliance": {"words": [str(WORDS)]},
}
STRUCTURED = '{"intent": "greet", "parameters": {"city": "Rome"}, "response": "Hello there, friend."}'


class Named(Settings):
    metrics: tuple[Metric, ...]


ALL = [variant.model_validate(NEEDED.get(variant.model_fields["kind"].default, {})) for variant in VARIANTS]


def test_a_suite_names_its_metrics_in_yaml(tmp_path: Path) -> None:
    """Paths count from the file; an unknown kind is answered with those there are."""
    (tmp_path / "bad.txt").write_text("nonsense\n", encoding="utf-8")
    path = tmp_path / "suite.yaml"
    path.write_text(
        "metrics:\n  - {kind: bleu4, part: response}\n  - {kind: compliance, words: [bad.txt]}\n",
        encoding="utf-8",
    )
    bleu, compliance = load_yaml(path, Named).metrics
    assert bleu.name == "bleu4-response"
    assert compliance("nonsense", Example.model_construct()) == 0
    path.write_text("metrics:\n  - {kind: bleu5}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"suite\.yaml:2: .*found 'bleu5'.*bleu4"):
        load_yaml(path, Named)


def test_every_metric_says_how_it_is_read() -> None:
    """Whether more is better, whether values are 0 and 1, and a name of its own."""
    assert len({metric.name for metric in ALL}) == len(VARIANTS) == 13
    assert all(isinstance(variant.higher_is_better, bool) for variant in VARIANTS)
    graded = {metric.name for metric in ALL if not metric.binary}
    assert graded == {"slot_f1", "bleu4", "rouge_l", "distinct_2"}


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
@given(prediction=st.text(max_size=40) | st.sampled_from([STRUCTURED, "[]", "{}", "null"]))
def test_any_answer_gets_a_share_and_the_total_is_one_too(
    make: Make, metric: MetricSettings, prediction: str
) -> None:
    """Binary metrics give nothing between."""
    examples = [
        make(STRUCTURED, category="greet"),
        make(None, tools=[{"name": "f"}], tool_calls=[{"name": "f", "arguments": {}}]),
        make("您好，很高兴为您服务。"),
    ]
    values = [metric(prediction, example) for example in examples]
    known = [value for value in values if value is not None]
    assert known
    assert all(0 <= value <= 1 for value in known)
    assert 0 <= metric.total([prediction] * 3, examples, values) <= 1
    if metric.binary:
        assert set(known) <= {0.0, 1.0}


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_the_reference_is_right_and_silence_is_not(make: Make, metric: MetricSettings) -> None:
    """By every metric; but nothing forbidden is said in silence, and this reference refuses nothing."""
    example = make(STRUCTURED, category="greet", tools=[{"name": "f"}])
    assert metric(STRUCTURED, example) == pytest.approx(0 if metric.name == "refused" else 1)
    assert metric("", example) == (1 if metric.name == "compliance" else 0)
