"""The command line: exit codes, and one line for each mistake."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner, Result

from sft_client.cli import app
from sft_shared.models.adapters import save_adapter
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.tuning import TuningSettings


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
    assert f"6 examples in {home.data}\n" in result.output
    assert f"loading base model {home.model}\n" in result.output
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


def test_train_shows_its_plan(home: Any) -> None:
    """Before the first step: what is trained, on how many examples, and what would travel."""
    result = run("train", "--config", str(home.settings), "--steps", "1")
    assert result.exit_code == 0, result.output
    shapes = home.recipe().tuning.shapes(home.base).values()
    count = sum(math.prod(shape) for shape in shapes)
    assert f"{count:,} of {home.base.num_parameters:,} numbers" in result.output
    assert "6 to train on, 0 held out" in result.output
    assert f"{4 * count / 1e3:.1f} kB in fp32" in result.output
    assert result.output.index("Plan") < result.output.index("step 1/1")


def test_merge_writes_a_model_that_needs_no_adapter(home: Any) -> None:
    """It says what it made; an adapter of another base is refused, and so is a folder without one."""
    out, merged = home.folder / "out", home.folder / "merged"
    assert run("train", "--config", str(home.settings), "--out", str(out)).exit_code == 0
    result = run("merge", str(out), "--out", str(merged))
    assert result.exit_code == 0, result.output
    assert f"lora adapter merged into {home.model}: {merged}" in result.output
    assert f"({home.base.num_parameters:,} numbers)" in result.output
    base = load_base(ModelSettings(name=str(merged), dtype="fp32", device="cpu"))
    assert base.num_parameters == home.base.num_parameters
    assert base.fingerprint != home.base.fingerprint


@pytest.mark.parametrize("kind", ["adapter", "prefix"])
def test_a_method_that_cannot_be_merged_is_refused(home: Any, kind: str) -> None:
    """What it does is no change of the weights: exit 2, the reason, and no folder."""
    tuning = TypeAdapter[Any](TuningSettings).validate_python({"kind": kind})
    save_adapter(home.folder / "out", tuning.initial(home.base, seed=0), settings=tuning, base=home.base)
    _refused(home, "merge", str(home.folder / "out"), words=f"'{kind}' cannot be merged into the weights")


def test_merge_names_a_wrong_folder_and_a_wrong_base(home: Any, other_model: Path) -> None:
    """Exit 2 with one line each."""
    _refused(home, "merge", str(home.folder), words="fedsft.json: No such file")
    tuning, out = home.recipe().tuning, home.folder / "out"
    save_adapter(out, tuning.initial(home.base, seed=0), settings=tuning, base=home.base)
    _refused(home, "merge", str(out), "--model", str(other_model), words=home.base.fingerprint)
    _refused(home, "merge", str(out), "--model", "nowhere", words="nowhere")
    (out / "adapter_model.safetensors").unlink()
    _refused(home, "merge", str(out), words="adapter_model.safetensors: No such file")
    (out / "fedsft.json").write_text("{}", encoding="utf-8")
    _refused(home, "merge", str(out), words="fedsft.json: damaged")


def test_methods_with_an_unknown_model_is_one_error(home: Any) -> None:
    """It is told before anything is measured."""
    _refused(home, "methods", "--model", "nowhere", words="nowhere")


def _refused(home: Any, *arguments: str, words: str) -> None:
    result = run(*arguments, "--out", str(home.folder / "made"))
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert words in result.stderr
    assert not (home.folder / "made").exists()
