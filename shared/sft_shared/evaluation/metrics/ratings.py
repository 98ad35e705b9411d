"""Human ratings: a sheet of blinded answers goes out, and comes back as means and agreement."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import re
import string
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field, PositiveInt, ValidationError

from sft_shared.config import Settings
from sft_shared.data.chat import answer_text
from sft_shared.data.hygiene.records import read_records
from sft_shared.data.logs.signs import fold
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation.metrics.agreement import Agreement, agreements
from sft_shared.files import write_atomic
from sft_shared.lines import BadLine, decode, parse_object

BOM = "\ufeff"  # without it Excel reads UTF-8 as the system's own encoding
MAX_CELL = 32_000  # characters; Excel cuts a cell at 32,767
MAX_SYSTEMS = 26
_FORMULA = re.compile(r"[\s\u200b\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")  # OWASP: CSV injection


class SheetKey(Settings):
    """Which system wrote which answer of a sheet: kept from the raters, needed to read their sheets.

    ``systems`` holds, for each row's name, the systems in the order of its answers.
    """

    scale: PositiveInt
    examples: dict[str, str]  # row -> example id
    systems: dict[str, tuple[str, ...]] = Field(min_length=1)


@dataclass(frozen=True)
class HumanRating:
    """What one person gave one system's answer to one example, 1 (worst) to the scale's end (best)."""

    rater: str
    example_id: str
    system: str
    value: int


@dataclass(frozen=True)
class MeanRating:
    """Mean of all ratings of a system; the interval is over examples, of which there are ``n``."""

    system: str
    mean: float
    ci95: tuple[float, float]
    n: int


@dataclass(frozen=True)
class RatingResult:
    """Mean ratings, systems sorted by name, and how far the raters agree on all answers."""

    means: tuple[MeanRating, ...]
    agreement: tuple[Agreement, ...]


def write_sheet(
    sheet: Path,
    key: Path,
    examples: Sequence[Example],
    answers: Mapping[str, Sequence[str]],
    *,
    seed: int,
    scale: int = 5,
) -> SheetKey:
    """Write a CSV for raters, and beside it the ``key`` as JSON; ``answers`` are by system, then by example.

    A row is a question with one answer and one empty rating column a system, in an order drawn anew for each
    row; rows are shuffled. Give every rater a copy of the sheet. A row's name says of which sheet it is, by
    a hash of all that raters see. Raises ValueError if answers and examples are not one to one, or for more
    than 26 systems, DataError if a file is there: it may hold ratings, or be all that tells them apart.
    """
    taken = next((path for path in (sheet, key) if path.exists()), None)
    if taken is not None:
        raise DataError(f"{taken}: is there already, and ratings may depend on it. Give another --out.")
    if (
        not answers
        or len(answers) > MAX_SYSTEMS
        or any(len(each) != len(examples) for each in answers.values())
    ):
        raise ValueError(f"a sheet needs 1 to {MAX_SYSTEMS} systems, each with an answer to every example")
    rng = random.Random(seed)  # noqa: S311 (an order of answers, not a secret)
    order = list(range(len(examples)))
    rng.shuffle(order)
    letters = string.ascii_uppercase[: len(answers)]
    shown: list[list[str]] = []
    orders: list[tuple[str, ...]] = []
    for place in order:
        systems = sorted(answers)
        rng.shuffle(systems)
        orders.append(tuple(systems))
        written = [safe_cell(answers[system][place]) for system in systems]
        example = examples[place]
        shown.append([safe_cell(example.id), safe_cell(_prompt(example)), *written])
    digest = hashlib.sha256(json.dumps([scale, shown]).encode()).hexdigest()[:8]
    names = [f"row-{digest}-{number}" for number in range(1, len(order) + 1)]
    empty = [""] * (len(answers) + 1)
    rows = [[name, *row, *empty, guide(scale)] for name, row in zip(names, shown, strict=True)]
    header = ["row", "example_id", "prompt", *(f"answer_{letter}" for letter in letters)]
    header += [*(f"rating_{letter}" for letter in letters), "comment", "guide"]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    ids = {name: examples[place].id for name, place in zip(names, order, strict=True)}
    made = SheetKey(scale=scale, examples=ids, systems=dict(zip(names, orders, strict=True)))
    write_atomic(sheet, (BOM + text.getvalue()).encode(), private=True)
    write_atomic(key, made.model_dump_json(indent=1).encode(), private=True)
    return made


def guide(scale: int) -> str:
    """What raters are to do, in both languages; it stands in every row, so sorting does not lose it."""
    return (
        f"Rate each answer from 1 (useless or wrong) to {scale} (right, complete, polite), on its own; "
        "leave what you cannot judge empty. "
        f"每个答案单独评分：1（无用或错误）到 {scale}（正确、完整、得体），无法判断则留空。"
    )


def safe_cell(text: str) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula: such a beginning gets a quote before it.

    >>> safe_cell('=HYPERLINK("http://x","y")'), safe_cell("-5 degrees"), safe_cell("fine")
    ('\\'=HYPERLINK("http://x","y")', "'-5 degrees", 'fine')
    """
    text = text.replace("\0", "")
    if len(text) > MAX_CELL:
        text = text[:MAX_CELL] + " […]"
    return "'" + text if _FORMULA.match(text) else text


def read_key(path: Path) -> SheetKey:
    """Read what `write_sheet` wrote. Raises DataError for a file that is missing or no key."""
    try:
        return SheetKey.model_validate(parse_object(decode(path.read_bytes())))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Give the key of the sheet.") from None
    except (BadLine, ValidationError):
        raise DataError(f"{path}: no key of a rating sheet. Give the one written beside the sheet.") from None


def read_sheet(path: Path, key: SheetKey, *, rater: str | None = None) -> list[HumanRating]:
    """The ratings of a sheet that came back, by system; the rater is the file's name unless given.

    Raises DataError with ``file:line`` for a row that is unknown or there twice, a missing column, and a
    rating that is no whole number of the scale.
    """
    ratings: list[HumanRating] = []
    seen: dict[str, str] = {}
    for record in read_records(path):
        if isinstance(record, Rejected):
            raise DataError(f"{record.where}: {record.detail}")
        row = str(record.value.get("row", "")).strip()
        if row not in key.systems:
            raise DataError(
                f"{record.where}: row: {row[:40]!r} is not of the key's sheet. Keep that column as it was, "
                "and give the key that was written with this sheet."
            )
        if row in seen:
            raise DataError(f"{record.where}: row: {row!r} again, after {seen[row]}. Keep one of them.")
        seen[row] = record.where
        for letter, system in zip(string.ascii_uppercase, key.systems[row], strict=False):
            column = f"rating_{letter}"
            if column not in record.value:
                raise DataError(f"{record.where}: {column}: missing. Keep the columns of the sheet.")
            value = _rating(str(record.value[column]), where=f"{record.where}: {column}", scale=key.scale)
            if value is not None:
                ratings.append(HumanRating(rater or path.stem, key.examples[row], system, value))
    return ratings


def summarise(ratings: Sequence[HumanRating], *, seed: int, num_resamples: int = 2_000) -> RatingResult:
    """Means by system with bootstrap intervals over examples, and the raters' agreement.

    Raises DataError without ratings, or if somebody rated the same answer twice.
    """
    if not ratings:
        raise DataError("no ratings in the sheets. Fill in the rating columns.")
    units: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    by_system: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for each in ratings:
        unit = units[each.example_id, each.system]
        if each.rater in unit:
            raise DataError(f"{each.rater!r} rated example {each.example_id!r} twice. Give each sheet once.")
        unit[each.rater] = each.value
        by_system[each.system][each.example_id].append(each.value)
    raters = sorted({each.rater for each in ratings})
    table = [tuple(unit.get(rater) for rater in raters) for _, unit in sorted(units.items())]
    means = tuple(
        _mean(system, list(by_system[system].values()), seed=seed, num_resamples=num_resamples)
        for system in sorted(by_system)
    )
    return RatingResult(means, tuple(agreements(table, seed=seed)))


def _mean(system: str, by_example: Sequence[Sequence[int]], *, seed: int, num_resamples: int) -> MeanRating:
    sums = np.array([(sum(values), len(values)) for values in by_example], dtype=np.float64)
    n = len(sums)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=num_resamples) @ sums
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    total, count = sums.sum(axis=0)
    return MeanRating(system, float(total / count), (float(low), float(high)), n)


def _rating(cell: str, *, where: str, scale: int) -> int | None:
    """Excel may have made 4 into 4.0, and a Chinese keyboard into ４."""
    text = fold(cell).strip().removesuffix(".0").removesuffix(",0")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= scale):
        raise DataError(f"{where}: no rating. Give a whole number from 1 to {scale}, or nothing.")
    return int(text)


def _prompt(example: Example) -> str:
    return "\n\n".join(_turns(example))


def _turns(example: Example) -> Iterator[str]:
    for message in example.prompt:
        if message.role != "system":
            yield f"{message.role}: {answer_text(message)}"
