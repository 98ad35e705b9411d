"""The command line: exit codes, and one line for each mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sft_client.cli import app


def run(*arguments: str) -> Result:
    """Run ``sft-client`` in this process."""
    return CliRunner().invoke(app, list(arguments))


def test_keys_init_says_what_to_do_next(home: Any) -> None:
    """Three steps: send the card, put the other card in place, start."""
    home.configure(state="fresh")
    result = run("keys", "init", "--config", str(home.settings))
    assert result.exit_code == 0, result.output
    assert str(home.folder / "fresh" / "node.json") in result.output
    assert "sft-server nodes add" in result.output
    assert str(home.folder / "federation.json") in result.output
    assert f"sft-client start --config {home.settings}" in result.output
    assert (home.folder / "fresh" / "keys" / "auth_key").exists()


def test_train_shows_a_table_and_saves(home: Any) -> None:
    """--out, --steps and --cycles do what they say."""
    out = home.folder / "out"
    result = run("train", "--config", str(home.settings), "--out", str(out), "--steps", "2", "--cycles", "2")
    assert result.exit_code == 0, result.output
    assert "step 1/2" in result.output
    assert f"6 examples in {home.data}; loading base model" in result.output
    assert (out / "adapter_model.safetensors").exists()


def test_train_without_out_saves_in_the_state_folder(home: Any) -> None:
    """The place is shown."""
    result = run("train", "--config", str(home.settings))
    assert result.exit_code == 0, result.output
    assert (home.config.layout.local_training / "result.json").exists()


def _no_config(home: Any) -> None:
    home.settings.unlink()


def _no_data(home: Any) -> None:
    home.data.unlink()


def _empty_data(home: Any) -> None:
    home.data.write_text("", encoding="utf-8")


def _no_recipe(home: Any) -> None:
    (home.folder / "recipe.yaml").unlink()


def _no_model(home: Any) -> None:
    path = home.folder / "recipe.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(str(home.model), "nowhere"), encoding="utf-8")


def _no_keys(home: Any) -> None:
    home.config.layout.sign_key.unlink()


def _no_card(home: Any) -> None:
    (home.folder / "federation.json").unlink()


def _bad_certificate(home: Any) -> None:
    home.write_card("federation.json", ca_cert="junk")


def _unknown_field(home: Any) -> None:
    home.configure(insecure=True)


@pytest.mark.parametrize(
    ("command", "spoil", "words"),
    [
        ("start", _no_config, "client.yaml: no such file"),
        ("start", _unknown_field, "insecure: unknown field"),
        ("start", _no_data, "train.jsonl: no such file"),
        ("start", _empty_data, "no examples"),
        ("start", _no_keys, "no such key"),
        ("start", _no_card, "federation.json: no such file"),
        ("start", _bad_certificate, "not a PEM certificate"),
        ("start", _no_recipe, "recipe.yaml: no such file"),
        ("train", _no_data, "train.jsonl: no such file"),
        ("train", _no_recipe, "recipe.yaml: no such file"),
        ("train", _no_model, "model"),
        ("keys", lambda home: None, "exists already"),
    ],
)
def test_a_mistake_is_answered_with_one_line_and_exit_2(
    home: Any, command: str, spoil: Callable[[Any], None], words: str
) -> None:
    """On stderr, beginning with error:, naming what was found; never a traceback."""
    spoil(home)
    subcommand = ["init"] if command == "keys" else []
    result = run(command, *subcommand, "--config", str(home.settings))
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert words in result.stderr


@pytest.mark.parametrize(
    "arguments", [["train", "--steps", "0"], ["train", "--cycles", "0"], ["start", "--x"]]
)
def test_wrong_options_are_refused(home: Any, arguments: list[str]) -> None:
    """As the command line's own mistakes: exit 2 as well."""
    assert run(*arguments, "--config", str(home.settings)).exit_code == 2
