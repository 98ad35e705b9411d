"""Diagnosis dialogues: four checks in order, and a conclusion that only these results allow."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from sft_shared.config import load_yaml
from sft_shared.data.operations.incidents import STAGES, IncidentFile, Incidents, root_cause
from sft_shared.data.toolcalls.check import CheckTools
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError

FILE = Path(__file__).parents[4] / "configs" / "synthesis" / "incidents.yaml"


def made(**settings: object) -> list[Example]:
    found = list(
        Incidents.model_validate({"file": FILE, "seed": 3, "dialogues_per_fault": 4, **settings}).examples()
    )
    assert all(isinstance(each, Example) for each in found)
    return [each for each in found if isinstance(each, Example)]


def conclusions(examples: list[Example]) -> list[Example]:
    return [each for each in examples if not each.answer.tool_calls]


def results(example: Example) -> dict[str, object]:
    texts = [message.content or "" for message in example.messages if message.role == "tool"]
    return dict(zip(STAGES, map(json.loads, texts), strict=False))


def test_the_checks_come_in_order_and_stop_at_the_cause() -> None:
    """Status, codes, dependencies, network: as many as it takes, never another order."""
    file = load_yaml(FILE, IncidentFile)
    order = [file.checks[stage].tool for stage in STAGES]
    needed = {fault.name: STAGES.index(fault.found_at) + 1 for fault in file.faults} | {"healthy": 4}
    for each in conclusions(made()):
        called = [call.name for message in each.messages for call in message.tool_calls]
        assert called == order[: needed[each.category]]
    assert {needed[each.category] for each in conclusions(made())} == {1, 2, 3, 4}


def test_with_all_checks_every_dialogue_has_four() -> None:
    """The cause is the same, wherever it was found."""
    for each in conclusions(made(all_checks=True)):
        assert sum(bool(message.tool_calls) for message in each.messages) == 4


def test_the_conclusion_follows_from_the_results_and_nothing_else() -> None:
    """The cause is found again in the results alone; a constant conclusion would be wrong for most."""
    file = load_yaml(FILE, IncidentFile)
    by_answer: dict[str, set[str]] = defaultdict(set)
    for each in conclusions(made(all_checks=True)):
        found = root_cause(file, results(each))
        assert (found or "healthy") == each.category
        by_answer[each.answer.content or ""].add(each.category)
    assert all(len(causes) == 1 for causes in by_answer.values())
    assert len({cause for causes in by_answer.values() for cause in causes}) == len(file.faults) + 1


def test_complaints_do_not_tell_the_cause() -> None:
    """The same complaint leads to different causes: the results must be read."""
    causes = defaultdict(set)
    for each in conclusions(made(dialogues_per_fault=12)):
        service = each.messages[1].tool_calls[0].arguments["service"]
        causes[(each.messages[0].content or "").replace(service, "X")].add(each.category)
    assert all(len(each) > 3 for each in causes.values())


def test_every_turn_is_sound_in_both_languages() -> None:
    """Tools, arguments, ids, and no number in a conclusion that no result holds."""
    examples = made()
    check = CheckTools()
    assert [check(each) for each in examples] == examples
    assert {each.provenance.session.split("-")[2] for each in examples} == {"zh", "en"}
    assert made() == examples
    assert made(seed=4) != examples


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("packet_loss_percent: \"{{ loss }}\", latency", "packet_loss_percent: 0, latency", "to nothing"),
        ("{state: stopped, instances_up: 0,", "{state: stopped, instances_up: 0, extra: 1,", None),
        ("when: result.state == 'stopped'", "when: result.state == 'running'", "point to|two faults"),
        ("memory_percent: 58,", "memory_percent: 97,", "two faults at once|point to memory"),
        ("result.dns != 'ok'", "result.dsn != 'ok'", "cannot be filled|point to"),
        ("  network:\n    tool: check_network", "  netwerk:\n    tool: check_network", "netwerk"),
    ],
)  # fmt: skip
def test_a_file_that_contradicts_itself_is_refused(
    tmp_path: Path, before: str, after: str, message: str | None
) -> None:
    """With this guard off, a conclusion would not follow from its results."""
    text = FILE.read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "incidents.yaml"
    path.write_text(text.replace(before, after), encoding="utf-8")
    maker = Incidents(file=path, seed=1, dialogues_per_fault=3)
    if message is None:
        assert list(maker.examples())
        return
    with pytest.raises(ConfigError, match=message):
        list(maker.examples())
