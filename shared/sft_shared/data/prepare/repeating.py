"""The second stage: among the questions of each user, those that were asked again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sft_shared.data.logs.repeats import Asked, RepeatSettings
from sft_shared.data.prepare.reading import KEY_LENGTH, bucket_of, questions_section
from sft_shared.data.prepare.rows import decode_row
from sft_shared.data.prepare.sections import SectionFile, write_sections


def find_repeats(
    bucket: int, *, units: Sequence[Path], settings: RepeatSettings, num_buckets: int, path: Path
) -> None:
    """Read the questions of the users in ``bucket`` and write the places of those asked again to ``path``.

    The places stand in the section of the bucket that their session is in.
    """
    asked: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    num_questions = 0
    for number, unit in enumerate(units):
        for line in SectionFile(unit).lines(questions_section(bucket, num_buckets)):
            asked[line[:KEY_LENGTH]].append((number, line[KEY_LENGTH + 1 :]))
            num_questions += 1
    found: list[list[bytes]] = [[] for _ in range(num_buckets)]
    for user in sorted(asked):
        if len(asked[user]) > 1:
            questions = [_asked(number, note) for number, note in asked[user]]
            for question in settings(questions):
                place = json.dumps(question.place).encode() + b"\n"
                found[bucket_of(question.session, num_buckets)].append(place)
    write_sections(path, found, counts={"questions": num_questions})


def _asked(unit: int, note: bytes) -> Asked:
    time, text, twin, session, line, at = decode_row(note)
    return Asked(time, text, twin, session, (unit, line, at))
