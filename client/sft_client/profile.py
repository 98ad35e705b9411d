"""``sft-client profile``: what a dataset is made of, on the screen and as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sft_shared.data.hygiene.dataset import DatasetSettings
from sft_shared.data.hygiene.dedup import DedupSettings
from sft_shared.data.hygiene.formats import FORMATS, Detection, FormatName, detect_format
from sft_shared.data.hygiene.profile import Profile, Spread, profile
from sft_shared.data.hygiene.report import write_profile
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Example, Split
from sft_shared.errors import DataError

MAX_NAMES = 6


@dataclass(frozen=True)
class Profiled:
    """A profile, how each file was read, and the files that were written."""

    profile: Profile
    detected: tuple[Detection, ...]
    paths: tuple[Path, ...]


def profile_files(
    files: Sequence[Path],
    *,
    held_out: Sequence[Path],
    form: FormatName | None,
    category_field: str | None,
    out: Path,
) -> Profiled:
    """Profile all files as one dataset and write profile.json, .png and .html into ``out``.

    The records of ``held_out`` count as held out. Raises DataError for a file that is missing or in no known
    format, and if no record of any can be read.
    """
    detected = tuple(detect_format(path) for path in (*files, *held_out)) if form is None else ()
    splits: list[tuple[Path, Split]] = [(path, "train") for path in files]
    splits += [(path, "held_out") for path in held_out]

    def examples() -> Iterator[Example | Rejected]:
        return chain.from_iterable(
            DatasetSettings(
                path=path, format=form or "auto", category_field=category_field, split=split
            ).examples()
            for path, split in splits
        )

    found = profile(examples(), dedup=DedupSettings())
    if not found.num_examples:
        raise DataError(f"{files[0]}: no record became an example. First: {found.first_rejected}.")
    title = ", ".join(path.name for path, _ in splits)
    return Profiled(found, detected, tuple(write_profile(found, title=title, folder=out)))


def format_name(text: str) -> FormatName | None:
    """The format of that name; None for ``auto``. Raises DataError with the names there are."""
    if text == "auto":
        return None
    for name in FORMATS:
        if name == text:
            return name
    raise DataError(f"--format: found {text!r}. Allowed: auto, {', '.join(FORMATS)}.")


def show_profile(console: Console, result: Profiled) -> None:
    """A table of the numbers, then the advice, then where the files are."""
    found = result.profile
    table = Table(title="Profile", show_header=False)
    rows = [
        ("format", "; ".join(dict.fromkeys(each.reason for each in result.detected))),
        ("examples", f"{found.num_examples:,} of {found.num_sessions:,} sessions"),
        ("splits", _names(found.splits)),
        ("categories", _names(found.categories)),
        ("intents", _names(found.intents)),
        ("balance", _balance(found)),
        ("languages", _names(found.languages)),
        ("sources", _names(found.sources)),
        ("outcomes", _names(found.outcomes)),
        ("turns", _spread(found.turns, "of the user")),
        ("prompt", _spread(found.prompt_chars, "characters")),
        ("answer", _spread(found.answer_chars, "characters")),
        ("duplicates", _names(found.duplicates)),
        ("filters", _names(found.filtered)),
        ("bad records", _names(found.rejected)),
    ]
    for name, value in rows:
        if value:
            table.add_row(name, escape(value))
    console.print(table)
    for line in found.advice:
        console.print(f"- {line}", markup=False, soft_wrap=True)
    console.print(f"written to {', '.join(map(str, result.paths))}", markup=False, soft_wrap=True)


def _names(counts: dict[str, int]) -> str:
    if set(counts) <= {""}:
        return ""
    shown = [f"{name or '(none)'} {count:,}" for name, count in list(counts.items())[:MAX_NAMES]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _balance(found: Profile) -> str:
    balance = found.balance
    if balance.num_classes < 2:
        return ""
    return (
        f"{balance.num_classes} classes, entropy {balance.entropy_bits:.2f} bits, "
        f"evenness {balance.evenness:.2f}, largest {balance.max_min_ratio:.1f} times the smallest"
    )


def _spread(spread: Spread, unit: str) -> str:
    ends = f"{spread.smallest:,} to {spread.largest:,} {unit}"
    return f"{ends}, median {spread.median:,.0f}, 95 % up to {spread.p95:,.0f}"
