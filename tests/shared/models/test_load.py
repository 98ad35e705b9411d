"""A base model is loaded once, known by its content, and missed with advice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from sft_shared.config import Settings, load_yaml
from sft_shared.errors import ModelError
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.tiny import make_tiny_model


def test_the_base_is_kept_for_the_process(tiny: Base, tiny_folder: Path) -> None:
    """The same settings give the same object; frozen, in evaluation mode, attention as torch has it."""
    assert load_base(ModelSettings(name=str(tiny_folder), dtype="fp32", device="cpu")) is tiny
    assert not any(parameter.requires_grad for parameter in tiny.model.parameters())
    assert not tiny.model.training
    assert tiny.model.config._attn_implementation == "sdpa"


def test_the_dtype_is_what_was_asked_for(tiny: Base, tiny_folder: Path) -> None:
    """Another dtype is another base in memory with the same fingerprint: nodes may differ in hardware."""
    other = load_base(ModelSettings(name=str(tiny_folder), dtype="bf16", device="cpu"))
    assert (tiny.dtype, other.dtype) == (torch.float32, torch.bfloat16)
    assert next(other.model.parameters()).dtype == torch.bfloat16
    assert other.fingerprint == tiny.fingerprint


def test_the_fingerprint_knows_content_not_place(tiny: Base, tmp_path: Path) -> None:
    """A copy has the same fingerprint; other weights, another tokenizer or template or setting another."""

    def fingerprint(folder: Path) -> str:
        return load_base(ModelSettings(name=str(folder), dtype="fp32")).fingerprint

    assert fingerprint(make_tiny_model(tmp_path / "copy")) == tiny.fingerprint
    seen = {tiny.fingerprint, fingerprint(make_tiny_model(tmp_path / "weights", seed=1))}
    template = make_tiny_model(tmp_path / "template")
    with (template / "chat_template.jinja").open("a") as file:
        file.write(" ")
    config = make_tiny_model(tmp_path / "config")
    values = json.loads((config / "config.json").read_text())
    (config / "config.json").write_text(json.dumps({**values, "rms_norm_eps": 0.001}))
    tokenizer = make_tiny_model(tmp_path / "tokenizer")
    values = json.loads((tokenizer / "tokenizer.json").read_text())
    values["model"]["merges"] = values["model"]["merges"][:-1]
    (tokenizer / "tokenizer.json").write_text(json.dumps(values))
    seen |= {fingerprint(template), fingerprint(config), fingerprint(tokenizer)}
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("smollm3", "no such folder, and not a known name. .* one of: smollm2-135m"),
        ("/nowhere/at/all", "no such folder, and not a known name"),
    ],
)
def test_an_unknown_name_says_what_can_be_given(name: str, advice: str) -> None:
    """The message lists the known names and the other ways to name a model."""
    with pytest.raises(ModelError, match=advice):
        load_base(ModelSettings(name=name))


def test_a_hub_id_without_network_fails_at_once(tmp_path: Path) -> None:
    """Offline the answer comes in seconds, without retries, and says what was tried."""
    code = (
        "import time; from sft_shared.models.sources import model_folder; import huggingface_hub, torch\n"
        "start = time.perf_counter()\n"
        "try: model_folder('nobody/no-such-model')\n"
        "except Exception as error: print(type(error).__name__, time.perf_counter() - start, error)"
    )
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    kind, seconds, message = found.split(maxsplit=2)
    assert kind == "ModelError"
    assert float(seconds) < 5
    assert "not in the local hub cache" in message
    assert "give a local folder" in message


def test_damaged_and_incomplete_folders_are_one_clear_error(tmp_path: Path) -> None:
    """No configuration, no weights, half a weight file, pickled weights, no template, no end token."""

    def complaint(folder: Path) -> str:
        with pytest.raises(ModelError) as caught:
            load_base(ModelSettings(name=str(folder)))
        return str(caught.value)

    whole = make_tiny_model(tmp_path / "whole")
    (tmp_path / "empty").mkdir()
    assert "no config.json" in complaint(tmp_path / "empty")
    pickled = shutil.copytree(whole, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert "pickled weights (*.bin) are not read" in complaint(pickled)
    half = shutil.copytree(whole, tmp_path / "half")
    (half / "model.safetensors").write_bytes((whole / "model.safetensors").read_bytes()[:4000])
    assert "cannot be loaded" in complaint(half)
    silent = shutil.copytree(whole, tmp_path / "silent")
    (silent / "chat_template.jinja").unlink()
    assert "no chat template" in complaint(silent)
    endless = shutil.copytree(whole, tmp_path / "endless")
    values = json.loads((endless / "tokenizer_config.json").read_text())
    del values["eos_token"]
    (endless / "tokenizer_config.json").write_text(json.dumps(values))
    assert "no end token" in complaint(endless)


def test_a_folder_beside_the_yaml_file_is_found(tiny_folder: Path, tmp_path: Path) -> None:
    """A relative folder counts from the settings file; a name that is no folder is left alone."""

    class Holder(Settings):
        model: ModelSettings

    (tmp_path / "model").symlink_to(tiny_folder)
    (tmp_path / "a.yaml").write_text("model: {name: model}")
    (tmp_path / "b.yaml").write_text("model: {name: smollm2-135m}")
    assert load_yaml(tmp_path / "a.yaml", Holder).model.name == str(tmp_path / "model")
    assert load_yaml(tmp_path / "b.yaml", Holder).model.name == "smollm2-135m"


def test_cuda_without_cuda_is_refused() -> None:
    """A recipe that insists on CUDA does not fall back to the CPU in silence."""
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ModelError, match="torch sees no CUDA device"):
        load_base(ModelSettings(device="cuda"))


def test_unknown_settings_are_refused() -> None:
    """Only dtypes that training can compute in."""
    with pytest.raises(ValidationError):
        ModelSettings.model_validate({"dtype": "fp8"})
