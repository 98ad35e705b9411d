"""The third stage: the turns of a bucket become sessions, and these become examples."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from sft_shared.data.hygiene.minhash import SIGNATURE
from sft_shared.data.logs.intents import UNKNOWN, Labeller
from sft_shared.data.logs.outcomes import Place
from sft_shared.data.logs.standard import (
    Answer,
    answers,
    as_values,
    given_intent,
    session_name,
    split_of,
)
from sft_shared.data.logs.turns import FIXES, Piece, Turn
from sft_shared.data.prepare.kinds import MakerSettings
from sft_shared.data.prepare.part import EXAMPLES, NEGATIVES, SIGNATURES, Part
from sft_shared.data.prepare.plan import Plan
from sft_shared.data.prepare.reading import KEY_LENGTH, bucket_of, turns_section, unspill
from sft_shared.data.prepare.sections import SectionFile
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.data.prepare.treatment import Treatment
from sft_shared.data.prepare.twins import twin_rule
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Example
from sft_shared.errors import DataError

BATCH_ANSWERS = 256  # whose questions the classifier sees at once

REASONS = {
    "orphan-tool-id": "a tool's result whose call is not in the session ahead of it",
    "duplicate-tool-id": "in a session in which two tool calls have the same id",
    "asked-anew": "an answer that the user had made anew; the later one counts",
}


class Maker:
    """Makes the examples of one bucket after the other."""

    def __init__(
        self, plan: Plan, settings: PrepareSettings, *, label: Labeller, treatment: Treatment
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._key = settings.name_key()
        self._label = label
        self._treatment = treatment

    def make_part(
        self,
        bucket: int,
        *,
        units: Sequence[Path],
        repeats: Sequence[Path],
        path: Path,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Write the examples, negatives and refusals of ``bucket`` to ``path``; ``progress`` is told bytes.

        Raises DataError for a tool's result without its call if the settings say stop.
        """
        files = [SectionFile(unit) for unit in units]
        repeated = {tuple(json.loads(line)) for file in repeats for line in SectionFile(file).lines(bucket)}
        part = Part(self._treatment)
        waiting: list[tuple[str, Answer]] = []
        for rows in self._groups(files, bucket):
            for source, answer in self._answers(rows, part, repeated):
                waiting.append((source, answer))
            if len(waiting) >= BATCH_ANSWERS:
                self._finish(waiting, part)
                waiting = []
            progress(sum(len(row) for _, row in rows) + KEY_LENGTH * len(rows))
        self._finish(waiting, part)
        part.write(path)

    def protect(self, made: Path, *, twins: bytes, path: Path, progress: Callable[[int], None]) -> None:
        """Write what comes of the examples of the part ``made`` to ``path``.

        ``twins`` has a byte for each example, as `find_twins` leaves it; 0 if it stays. Raises LeakError.
        """
        part = Part(self._treatment)
        before = SectionFile(made)
        size = SIGNATURE.itemsize
        signatures = before.data(SIGNATURES)
        for place, (rule, line) in enumerate(zip(twins, before.lines(EXAMPLES), strict=True)):
            example = Example.model_validate_json(line)
            if rule:
                part.refuse(self._treatment.name_of(example), twin_rule(rule))
            else:
                part.protect(example, signature=signatures[place * size : (place + 1) * size])
            progress(len(line))
        for line in before.lines(NEGATIVES):
            part.protect(Example.model_validate_json(line), negative=True)
            progress(len(line))
        part.write(path)

    def make_made(self, maker: MakerSettings, *, path: Path) -> None:
        """Write the examples of ``maker`` to ``path``. Raises DataError or ConfigError for its input."""
        part = Part(self._treatment)
        for made in maker.examples():
            part.counts["made"] += 1
            if isinstance(made, Rejected):
                part.refuse_made(made)
            else:
                part.add(made)
        part.write(path)

    def _groups(self, files: Sequence[SectionFile], bucket: int) -> Iterator[list[tuple[int, bytes]]]:
        """The rows of each key, in the order of the keys; a bucket too large is read in several passes."""
        section = turns_section(bucket)
        passes = 1
        while passes * 2 * self._settings.bucket_bytes < sum(file.place(section)[1] for file in files):
            passes *= 2
        num_buckets = self._plan.num_buckets * passes
        for number in range(bucket * passes, (bucket + 1) * passes):
            groups: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
            for unit, file in enumerate(files):
                for line in file.lines(section):
                    key = line[:KEY_LENGTH]
                    if passes == 1 or bucket_of(key, num_buckets) == number:
                        groups[key].append((unit, line[KEY_LENGTH + 1 :]))
            for key in sorted(groups):
                yield groups.pop(key)

    def _answers(
        self, rows: Sequence[tuple[int, bytes]], part: Part, repeated: set[Place]
    ) -> Iterator[tuple[str, Answer]]:
        settings = self._settings
        pieces: list[Piece] = []
        for unit, row in rows:
            number, piece = unspill(row, unit=unit)
            pieces.append(piece)
        source = settings.sources[number].label
        cutting = settings.sessions(pieces)
        part.counts["turns"] += sum(len(piece.turns) for piece in pieces)
        part.counts["turns_repeated"] += cutting.num_repeated
        for rule, turn in cutting.left_out:
            self._refuse(rule, turn, part)
        for session in cutting.sessions:
            part.counts["sessions"] += 1
            part.counts["turns_in_sessions"] += len(session.turns)
            found = answers(session, settings.outcomes, per=settings.examples, repeated=repeated)
            if not found:
                part.counts["sessions_without_answer"] += 1
            for answer in found:
                yield source, answer

    def _refuse(self, rule: str, turn: Turn, part: Part) -> None:
        unit, line, _ = turn.place
        where = f"{self._plan.units[unit].path}:{self._plan.units[unit].num_lines_before + line}"
        if rule in FIXES and self._settings.on_bad_line == "stop":
            raise DataError(f"{where}: {rule}: {REASONS[rule]}. {FIXES[rule]}")
        part.refuse_turn(where, rule, REASONS[rule], FIXES.get(rule, ""))

    def _finish(self, waiting: Sequence[tuple[str, Answer]], part: Part) -> None:
        """Label, build, treat and file the examples of some answers."""
        asked = [[turn.text or "" for turn in answer.questions()] for _, answer in waiting]
        texts = sorted({text for questions in asked for text in questions})
        known = dict(zip(texts, self._label(texts), strict=True))
        for (source, answer), questions in zip(waiting, asked, strict=True):
            name = session_name(answer.session, source=source, key=None)
            intent = given_intent(answer.session.turns[: answer.at + 1])
            if intent is None and questions:
                found = [known[text] for text in questions]
                intent = next((each for each in found if each.name != UNKNOWN), found[0])
            split = split_of(name, held_out=self._settings.held_out, seed=self._settings.seed)
            values = as_values(answer, source=source, key=self._key, intent=intent, split=split)
            part.counts["answers"] += 1
            outcome = answer.outcome
            if outcome is None and self._settings.outcomes.unclear == "drop":
                part.counts["unclear_dropped"] += 1
                continue
            try:
                example = Example.model_validate(values)
            except ValidationError as error:
                problem = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
                part.refuse_example(values["id"], "not-an-example", problem)
                continue
            for reason in outcome.reasons if outcome else ("unclear",):
                part.outcomes[reason] += 1
            part.add(example, negative=outcome is not None and not outcome.success)
