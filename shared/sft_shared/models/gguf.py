"""A GGUF file becomes a safetensors folder, once per content."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sft_shared.errors import ModelError
from sft_shared.models.cache import cache_folder, locked, sha256_of_file
from sft_shared.models.quiet import quiet_transformers

CONVERTER = 1  # part of the cache key: raise it when the conversion changes


def converted(file: Path) -> Path:
    """Return the safetensors folder for ``file``, converting it if no process has done so yet.

    The folder is keyed by the file's SHA-256, built under a lock beside its final place and moved
    there in one step, so several processes may ask at once and a crash leaves nothing half made.
    Weights are kept as bf16: that is finer than any 4- to 8-bit GGUF, and nodes that compute in
    fp32 and in bf16 then start from the same numbers. Raises ModelError if ``gguf`` is not
    installed or the file cannot be converted.
    """
    folder = cache_folder("models")
    target = folder / f"{sha256_of_file(file)}-v{CONVERTER}"
    if target.is_dir():
        return target
    with locked(folder / f"{target.name}.lock"):
        if not target.is_dir():
            partial = folder / f".{target.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            _convert(file, into=partial)
            os.rename(partial, target)
    return target


def _convert(file: Path, *, into: Path) -> None:
    try:
        import gguf  # noqa: F401 - transformers needs it and says so less plainly
    except ModuleNotFoundError:
        raise ModelError(f"{file}: reading a GGUF needs the gguf package. Run: pip install gguf") from None
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
            model = AutoModelForCausalLM.from_pretrained(
                str(file.parent), gguf_file=file.name, dtype=torch.float32
            )
            if hasattr(model.config, "quantization_config"):
                del model.config.quantization_config
            model.hf_quantizer = None
            model.to(torch.bfloat16)
            into.mkdir(parents=True)
            model.save_pretrained(into)
            tokenizer.save_pretrained(into)
    except (OSError, ValueError, KeyError, NotImplementedError, RuntimeError) as error:
        reason = (
            str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        )
        raise ModelError(
            f"{file}: cannot be converted: {reason}. Give a safetensors model instead."
        ) from None
    for written in (*into.iterdir(), into):
        descriptor = os.open(written, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
