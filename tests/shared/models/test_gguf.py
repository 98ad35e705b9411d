"""A GGUF is converted once, faithfully, by however many processes ask for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sft_shared.errors import ModelError
from sft_shared.models.gguf import converted
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.sources import PACKAGES, model_folder

CONVERT = (
    "import sys; from pathlib import Path; from sft_shared.models.gguf import converted\n"
    "print(converted(Path(sys.argv[1])))"
)


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a query or key projection in GGUF's order for rotary embeddings (llama.cpp's permute)."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_gguf(base: Base, folder: Path) -> Path:
    """The tiny model as llama.cpp would store it, in fp32."""
    import gguf

    folder.mkdir()
    config, tokenizer = base.model.config, base.tokenizer
    writer = gguf.GGUFWriter(str(folder / "tiny.gguf"), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([3 if number < 3 else 1 for _, number in vocabulary])
    writer.add_token_merges([" ".join(merge) for merge in bpe["model"]["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_chat_template(tokenizer.chat_template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in base.model.state_dict().items():
        if name == "lm_head.weight":
            continue
        projection = name.split(".")[-2]
        stored = interleaved(tensor, heads[projection]) if projection in heads else tensor
        key = names.get_name(name, try_suffixes=(".weight",))
        writer.add_tensor(key, stored.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "tiny.gguf"


@pytest.fixture(scope="module")
def file(tiny: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tiny, tmp_path_factory.mktemp("gguf") / "package")


def test_the_converted_model_computes_what_the_original_does(tiny: Base, file: Path) -> None:
    """To the rounding of bf16 weights; tokens, end token and chat template are the same."""
    base = load_base(ModelSettings(name=str(file), dtype="fp32", device="cpu"))
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    with torch.no_grad():
        expected, found = tiny.model(input_ids=ids).logits, base.model(input_ids=ids).logits
    assert (found - expected).norm() < 0.02 * expected.norm()
    text = "<|im_start|>user\nWhat is the weather?<|im_end|>\n"
    assert base.tokenizer(text)["input_ids"] == tiny.tokenizer(text)["input_ids"]
    assert base.tokenizer.eos_token == tiny.tokenizer.eos_token
    assert base.tokenizer.chat_template == tiny.tokenizer.chat_template


def test_a_folder_with_one_gguf_is_a_model(file: Path) -> None:
    """The folder of a package that ships a GGUF can be named as such; a second call converts nothing."""
    folder = model_folder(str(file.parent))
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert model_folder(str(file)) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_three_processes_at_once_get_one_whole_conversion(file: Path, tmp_path: Path) -> None:
    """Started together on an empty cache that a crashed process left half written."""
    name = converted(file).name
    partial = tmp_path / "models" / f".{name}.partial"
    partial.mkdir(parents=True)
    (partial / "model.safetensors").write_bytes(b"half")
    environment = {**os.environ, "FEDSFT_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CONVERT, str(file)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    found = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert found == {str(tmp_path / "models" / name)}
    assert not partial.exists()
    (folder,) = found
    mine = converted(file)
    for part in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (Path(folder) / part).read_bytes() == (mine / part).read_bytes()


def test_a_file_that_is_no_gguf_is_one_clear_error(tmp_path: Path) -> None:
    """The message names the file, and nothing is left in the cache."""
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"not a gguf at all" * 10)
    with pytest.raises(ModelError, match=r"wrong.gguf: cannot be converted"):
        model_folder(str(wrong))
    with pytest.raises(ModelError, match=r"wrong.gguf: cannot be converted"):
        model_folder(str(wrong))


def test_a_package_that_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is the command."""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=PACKAGES["smollm2-135m"].install):
        model_folder("smollm2-135m")


@pytest.mark.slow
def test_smollm2_comes_out_of_its_package() -> None:
    """The packaged model converts and answers a question with its own chat template."""
    from sft_shared.models.generate import generate

    base = load_base(ModelSettings(name="smollm2-135m", dtype="fp32", device="cpu"))
    prompt = base.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=False,
    )
    (text,) = generate(base, [prompt], max_new_tokens=16, batch_size=1)
    assert "Paris" in text
