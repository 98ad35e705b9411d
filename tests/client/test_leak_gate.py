"""The leak gate between a node's files and training: what it keeps out, and what the server hears."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import sft_client.dataset
from sft_client.cli import app
from sft_client.config import ClientConfig
from sft_client.dataset import Dataset
from sft_client.local_training import QUIET, train_locally
from sft_client.node import Refusal, open_node
from sft_shared.config import load_yaml
from sft_shared.data.desensitise.gate import require_clean
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError, LeakError
from sft_shared.training.launch import ALONE

CARD = "4111 1111 1111 1111"
PLACE = "example 'example-3', message 1, characters 5-23: card"


def leak(path: Path, text: str = CARD) -> None:
    """Put a card number into the fourth example of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    example = json.loads(lines[3])
    example["messages"][0]["content"] = f"say {text}"
    lines[3] = json.dumps(example)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_without_the_gate_a_card_number_is_trained_on(home: Any) -> None:
    """The attack: what the recognisers missed is among the tokens of the training rows."""
    leak(home.data)
    rows = Dataset(home.data, leak_gate="off").rows(home.base, home.recipe().data).train
    texts = [home.base.tokenizer.decode(row.input_ids) for row in rows]
    assert [CARD in text for text in texts] == [False, False, False, True, False, False]
    home.configure(leak_gate="off")
    update = home.opened(open_node(home.config).handle(home.order(), home.parent()))
    assert update.num_examples == 6


def test_the_gate_stops_it_before_a_row_is_made(home: Any) -> None:
    """Unless told otherwise; the place is named, the number is not."""
    leak(home.data)
    with pytest.raises(LeakError) as caught:
        Dataset(home.data).rows(home.base, home.recipe().data)
    assert f"train.jsonl: {PLACE}" in str(caught.value)
    assert "1111" not in str(caught.value)


def test_a_node_with_such_a_file_does_not_start(home: Any) -> None:
    """Its operator learns of it before the first order."""
    leak(home.data)
    with pytest.raises(LeakError, match=PLACE):
        open_node(home.config)


def test_an_order_is_refused_and_the_server_hears_only_why(home: Any) -> None:
    """A file that was replaced while the node runs: the reason is `leak`, the place stays here."""
    node = home.open()
    leak(home.data)
    answer = node.handle(home.order(), home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == "leak"
    sent = answer.to_json().decode()
    for private in ("example-3", "message 1", "characters", "card", "1111", "train.jsonl", str(home.folder)):
        assert private not in sent
    assert PLACE in home.said[-1]
    assert home.steps == []
    log = home.config.layout.run_log.read_text(encoding="utf-8")
    assert '"reason": "leak"' in log
    assert "1111" not in log


def test_a_mended_file_is_trained_on(home: Any) -> None:
    """Without a restart."""
    clean = home.data.read_text(encoding="utf-8")
    node = home.open()
    leak(home.data)
    assert isinstance(node.handle(home.order(), home.parent()), Refusal)
    home.data.write_text(clean, encoding="utf-8")
    home.opened(node.handle(home.order(nonce=b"2" * 16), home.parent()))


def test_general_examples_pass_the_gate_too(home: Any) -> None:
    """What is replayed is trained on as well."""
    general = home.folder / "general.jsonl"
    general.write_bytes(home.data.read_bytes())
    leak(general)
    home.configure(replay="general.jsonl")
    order = home.order(recipe=home.recipe(replay={"fraction": 0.5}))
    answer = home.open().handle(order, home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == "leak"
    assert f"general.jsonl: {PLACE}" in home.said[-1]


def test_examples_held_out_pass_the_gate_too(home: Any) -> None:
    """They choose the state that is sent."""
    leak(home.data)
    text = home.data.read_text(encoding="utf-8").splitlines()
    text[3] = text[3].replace('"split": "train"', '"split": "held_out"')
    home.data.write_text("\n".join(text) + "\n", encoding="utf-8")
    with pytest.raises(LeakError, match=PLACE):
        Dataset(home.data).read()


def test_training_alone_stops_with_one_line(home: Any) -> None:
    """`sft-client train`: the place, what to do, exit code 2, and nothing is written."""
    leak(home.data)
    result = CliRunner().invoke(app, ["train", "--config", str(home.settings)])
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line]
    assert line.startswith("error: ")
    assert PLACE in line
    assert "Desensitise the file again" in line
    assert "1111" not in result.output
    assert not home.config.layout.local_training.exists()


def test_training_alone_goes_on_with_the_gate_off(home: Any) -> None:
    """The same file, as it would have been trained on."""
    leak(home.data)
    home.configure(leak_gate="off")
    out = home.folder / "out"
    result = train_locally(home.config, out=out, steps=1, num_cycles=1, processes=ALONE, reports=QUIET)
    assert result.num_examples == 6


def test_a_file_is_looked_through_once(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as its hash is the same; also one that was stopped."""
    looks: list[Path] = []

    def counted(examples: Iterable[Example], path: Path) -> Any:
        looks.append(path)
        return require_clean(examples, path)

    monkeypatch.setattr(sft_client.dataset, "require_clean", counted)
    dataset = Dataset(home.data)
    for _ in range(3):
        dataset.read()
    assert len(looks) == 1
    leak(home.data)
    for _ in range(3):
        with pytest.raises(LeakError, match=PLACE):
            dataset.read()
    assert len(looks) == 2


def test_what_may_be_personal_is_counted_and_told(home: Any) -> None:
    """It does not stop."""
    assert Dataset(home.data).read().doubts == ""
    leak(home.data, "京A12345")
    snapshot = Dataset(home.data).read()
    assert snapshot.suspects == {"plate": 1}
    assert "may be personal data: 1 plate" in snapshot.doubts


@pytest.mark.parametrize(("written", "read"), [("off", "off"), ("'off'", "off"), ("stop", "stop")])
def test_the_gate_is_set_in_yaml(home: Any, written: str, read: str) -> None:
    """A bare off, which YAML takes for false, is off; without a word the gate stops."""
    assert home.config.leak_gate == "stop"
    with home.settings.open("a", encoding="utf-8") as file:
        file.write(f"leak_gate: {written}\n")
    assert home.config.leak_gate == read


def test_another_word_for_the_gate_is_refused(home: Any) -> None:
    """With what is allowed."""
    home.configure(leak_gate="warn")
    with pytest.raises(ConfigError, match=r"leak_gate: found 'warn'.*'stop' or 'off'"):
        load_yaml(home.settings, ClientConfig)
