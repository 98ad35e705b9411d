"""A dataset of another tool, read as examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError

from sft_shared.config import LocalPath, Settings
from sft_shared.data.hygiene.formats import FORMATS, Draft, FormatName, detect_format, field_names
from sft_shared.data.hygiene.raw import MAX_RECORD_BYTES, Record
from sft_shared.data.hygiene.records import read_records
from sft_shared.data.hygiene.turns import Unfit
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Example, Intent, Provenance, Split

SESSION_FIELDS = ("session", "session_id", "conversation_id", "id")


OWN_RULES = {
    "empty-answer": "assistant message needs content",
    "duplicate-key": "an object has a key twice",
}
"""Rule -> what the schema's complaint says where it is broken."""


class DatasetSettings(Settings):
    """A file of dialogues in a common format: .jsonl, .json (an array), .csv or .tsv.

    Formats: our own examples, OpenAI messages, ShareGPT, Alpaca, prompt and completion, and texts with an
    intent label, whose answer becomes ``{"intent": label}``. Examples of our own keep their id, category and
    provenance; others get them from here. A record's own ``session_id``, ``conversation_id`` or ``id`` is
    its session, so that records of one session stay together in every split.
    """

    kind: Literal["dataset"] = "dataset"
    path: LocalPath
    format: FormatName | Literal["auto"] = "auto"
    source: str = ""  # name of the dataset in provenance; without it the file's name
    category_field: str | None = Field(default=None, min_length=1)  # else ``category``, where a record has it
    split: Split = "train"
    answers: Literal["last", "every"] = "last"  # ``every``: an example for each answer, with what came before
    max_record_bytes: PositiveInt = MAX_RECORD_BYTES  # of a line or array element; memory is a few times this

    def examples(self) -> Iterator[Example | Rejected]:
        """Yield the examples in the file's order, and why a record is none.

        Raises DataError if the file is missing, or its format is unknown or mixed among the first records.
        """
        name = self.format
        if name == "auto":
            name = detect_format(self.path, max_record_bytes=self.max_record_bytes).format
        reader = _Reader(self, name)
        for record in read_records(self.path, max_record_bytes=self.max_record_bytes):
            if isinstance(record, Rejected):
                yield record
                continue
            try:
                yield from reader.read(record)
            except Unfit as unfit:
                yield Rejected(record.where, unfit.rule, unfit.detail)


def read_dataset(
    path: Path,
    *,
    format: FormatName | Literal["auto"] = "auto",  # noqa: A002 (the field's word)
    **settings: Any,
) -> Iterator[Example | Rejected]:
    """The examples of a file; for ``settings`` see `DatasetSettings`."""
    return DatasetSettings(path=path, format=format, **settings).examples()


class _Reader:
    """Makes examples of one file's records, and remembers the ids that were used."""

    def __init__(self, settings: DatasetSettings, name: FormatName) -> None:
        self._settings = settings
        self._name = name
        self._source = settings.source or settings.path.stem
        self._seen: set[str] = set()

    def read(self, record: Record) -> list[Example]:
        """Raises Unfit."""
        form = FORMATS[self._name]
        if not form.matches(record.value):
            found = field_names(record.value)
            raise Unfit("other-format", f"found the fields {found}; {self._name} needs {form.needs}")
        if self._name == "example":
            return [self._own(record)]
        draft = form.read(record.value)
        ends = [place for place, message in enumerate(draft.messages) if message.role == "assistant"]
        if not ends:
            raise Unfit("no-answer", "no turn is the assistant's; add the answer or drop the record")
        if self._settings.answers == "last":
            if ends[-1] != len(draft.messages) - 1:
                last = draft.messages[-1].role
                raise Unfit("no-answer", f"the last turn is the {last}'s; add the answer or cut the turn")
            ends = ends[-1:]
        return [self._made(record, draft, end, part) for part, end in enumerate(ends)]

    def _own(self, record: Record) -> Example:
        try:
            example = Example.model_validate(record.value)
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(str(part) for part in problem["loc"]) or "example"
            message = str(problem["msg"]).removeprefix("Value error, ")
            rule = next((rule for rule, sign in OWN_RULES.items() if sign in message), "bad-example")
            raise Unfit(rule, f"{field}: {message}; mend it") from None
        ids = [call.id for message in example.messages for call in message.tool_calls if call.id is not None]
        called = set(ids)
        if len(called) < len(ids):
            raise Unfit("duplicate-tool-id", "two tool calls have the same id; number them")
        if any(message.tool_call_id not in called for message in example.messages if message.tool_call_id):
            raise Unfit("orphan-tool-id", "a tool_call_id is that of no call; mend the id")
        if example.id in self._seen:
            raise Unfit("duplicate-id", "its id was used before; give every example its own")
        self._seen.add(example.id)
        return example

    def _made(self, record: Record, draft: Draft, end: int, part: int) -> Example:
        settings, value = self._settings, record.value
        identity = f"{self._source}:{record.number}"
        session = next((str(value[name]) for name in SESSION_FIELDS if _is_name(value.get(name))), identity)
        return Example(
            id=identity if settings.answers == "last" else f"{identity}#{part + 1}",
            messages=tuple(draft.messages[: end + 1]),
            tools=draft.tools,
            category=_category(value, settings.category_field),
            intent=_intent(value),
            provenance=Provenance(source=self._source, session=session, split=settings.split),
        )


def _category(value: Mapping[str, Any], field: str | None) -> str:
    found = value.get(field or "category")
    if field is not None and not _is_name(found):
        raise Unfit(
            "no-category", f"the field {field!r} is missing or empty; add it or change category_field"
        )
    return str(found) if _is_name(found) else ""


def _intent(value: Mapping[str, Any]) -> Intent | None:
    found = value.get("intent")
    return Intent(name=str(found), confidence=1.0, by="given") if _is_name(found) else None


def _is_name(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and bool(value.strip()))
