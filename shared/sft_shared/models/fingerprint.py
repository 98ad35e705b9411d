"""One digest for a base model, so that adapters are only combined over the same base."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from sft_shared.models.cache import sha256_of_file

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt")
VOLATILE = {"transformers_version", "_name_or_path", "dtype", "torch_dtype", "architectures", "use_cache"}


def fingerprint_of(folder: Path, *, chat_template: str) -> str:
    """Hex SHA-256 over configuration, tokenizer, chat template and weights of the model in ``folder``.

    What does not change the numbers (the dtype to compute in, the library's version, the folder's
    name) is left out, so nodes with different hardware agree.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    parts = {
        "config": {key: value for key, value in config.items() if key not in VOLATILE},
        "chat_template": chat_template,
        "tokenizer": _digests(folder / name for name in TOKENIZER_FILES if (folder / name).is_file()),
        "weights": _digests(folder.glob("*.safetensors")),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digests(files: Iterable[Path]) -> dict[str, str]:
    return {file.name: sha256_of_file(file) for file in files}
