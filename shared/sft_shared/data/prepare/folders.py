"""The folders that a run writes to: no file in them is lost that a run has not made."""

from __future__ import annotations

import json
from pathlib import Path

from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.errors import ConfigError, DataError, StoreError
from sft_shared.files import make_private_folder, write_secret

OUTPUTS = ("examples.jsonl", "negatives.jsonl", "rejected.jsonl")
MANIFEST = "manifest.json"
OUT_MARKER, WORK_MARKER = ".sft-prepare-out", ".sft-prepare-work"
"""Files that say that runs may replace and delete what they leave in a folder."""


def claim_folders(settings: PrepareSettings) -> None:
    """Make ``out`` and ``work`` this program's own, unless they hold what it has not made.

    Raises DataError for an input in them, ConfigError for other files, StoreError if one cannot be made.
    """
    _refuse_inputs(settings)
    out, work = settings.out, settings.work_folder
    if not _is_out(out) and (found := [name for name in (*OUTPUTS, MANIFEST) if (out / name).exists()]):
        raise ConfigError(
            f"{out / found[0]}: would be replaced, and no run of prepare made it. Move it away, or set "
            "`out` to another folder."
        )
    folders = sorted({out / ".work", work})
    for folder in folders:
        if not (folder / WORK_MARKER).exists() and (others := _others(folder)):
            raise ConfigError(
                f"{folder}: holds {others[0]}, which no run of prepare made; a work folder's files are "
                "deleted. Empty it, or set `work` to a new folder."
            )
    _mark(out, OUT_MARKER, "out")
    for folder in folders:
        _mark(folder, WORK_MARKER, "work")


def _refuse_inputs(settings: PrepareSettings) -> None:
    out, work = settings.out.resolve(), settings.work_folder.resolve()
    if out.is_relative_to(work):
        raise ConfigError(
            f"{settings.work_folder}: `work` holds `out`, and its files are deleted at the end. Set `work` "
            "to a folder of its own."
        )
    sources = [path for source in settings.sources for path in source.files()]
    for path in sources:
        if path.resolve().is_relative_to(out):
            raise DataError(f"{path}: lies in `out`, with what is made of it. Set `out` to another folder.")
    for path in settings.named_paths():
        if path.resolve() in [out / name for name in (*OUTPUTS, MANIFEST)]:
            raise DataError(f"{path}: would be replaced by what is made of it. Set `out` to another folder.")
    for path in (*sources, *settings.named_paths()):
        if path.resolve().is_relative_to(work):
            raise DataError(
                f"{path}: lies in `work`, whose files are deleted. Set `work` to a folder of its own."
            )


def _is_out(folder: Path) -> bool:
    """Whether a run has made the folder its own, or left its manifest before runs did so."""
    if (folder / OUT_MARKER).exists():
        return True
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"key", "inputs", "counts", "outputs"} <= manifest.keys()


def _others(folder: Path) -> list[str]:
    """What is in a folder besides the lock of a run."""
    if not folder.is_dir():
        return []
    return sorted(
        path.name
        for path in folder.iterdir()
        if not (path.name == "lock" and path.is_file() and path.read_bytes().strip(b"0123456789") == b"")
    )


def _mark(folder: Path, marker: str, setting: str) -> None:
    make_private_folder(folder, setting=setting)
    try:
        write_secret(folder / marker, b"sft-client prepare replaces and deletes its files in this folder.\n")
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written to: {error.strerror}. Set `{setting}` elsewhere."
        ) from None
