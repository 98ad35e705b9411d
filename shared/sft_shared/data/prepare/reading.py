"""The first stage: a unit of log lines becomes turns, spilled by who they belong to."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from sft_shared.data.logs.source import Source
from sft_shared.data.logs.turns import FIXES, Call, Piece, Turn
from sft_shared.data.prepare.plan import Unit
from sft_shared.data.prepare.rows import decode_row, encode_row
from sft_shared.data.prepare.sections import write_sections
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.errors import DataError
from sft_shared.lines import BadLine, HashedRange, Line

BOM = b"\xef\xbb\xbf"
NOTE_CHARACTERS = 300  # of a question, kept for finding out whether it was asked again
KEY_LENGTH = 32  # hexadecimal digits
CACHED_KEYS = 1 << 14  # of the last sessions and users: their lines stand near each other
MAX_CACHED_CHARACTERS = 200  # of the ids of one


def read_unit(unit: Unit, settings: PrepareSettings, *, num_buckets: int, path: Path) -> None:
    """Read the unit's lines and write its turns, questions and rejected lines to ``path``.

    Raises DataError for a bad line if the settings say stop, and for a file that changed meanwhile.
    """
    source = settings.sources[unit.source]
    sections: list[list[bytes]] = [[] for _ in range(num_sections(num_buckets))]
    rejected = sections[rejected_section(num_buckets)]
    counts: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    num_lines = num_records = num_turns = spilled_bytes = 0
    with open(unit.path, "rb") as file:
        content = HashedRange(file, start=unit.start, length=unit.length)
        for line in source.split(content, max_line_bytes=settings.max_line_bytes):
            num_lines += line.num_lines
            try:
                piece = _read(line, source, unit, counts, max_line_bytes=settings.max_line_bytes)
                if piece is None:
                    continue
                spilled = spill(piece, source=source, number=unit.source, line=line.number)
            except BadLine as bad:
                if settings.on_bad_line == "stop":
                    where = f"{unit.path}:{unit.num_lines_before + line.number}"
                    raise DataError(f"{where}: {bad.rule}: {bad.reason}. {FIXES[bad.rule]}") from None
                counts["rejected_records"] += 1
                rules[bad.rule] += 1
                rejected.append(encode_row([line.number, bad.rule, bad.reason]))
                continue
            num_records += 1
            num_turns += len(piece.turns)
            key, row, asker, notes = spilled
            spilled_bytes += len(row)
            sections[turns_section(bucket_of(key, num_buckets))].append(row)
            if notes:
                sections[questions_section(bucket_of(asker, num_buckets), num_buckets)] += notes
        if content.digest() != unit.digest:
            raise DataError(f"{unit.path}: changed while it was read. Run again once nothing writes to it.")
    totals = {"lines": num_lines, "records": num_records, "turns": num_turns, "spilled_bytes": spilled_bytes}
    write_sections(path, sections, counts={**totals, **counts, "rules": rules})


def turns_section(bucket: int) -> int:
    """Where a unit's file holds the turns of a bucket of sessions."""
    return bucket


def questions_section(bucket: int, num_buckets: int) -> int:
    """Where it holds the questions of a bucket of users."""
    return num_buckets + bucket


def rejected_section(num_buckets: int) -> int:
    """Where it holds the rejected lines."""
    return 2 * num_buckets


def num_sections(num_buckets: int) -> int:
    """How many sections it has."""
    return 2 * num_buckets + 1


def _read(
    line: Line, source: Source, unit: Unit, counts: Counter[str], *, max_line_bytes: int
) -> Piece | None:
    """The turns of a line; None if it is blank or the header. Raises BadLine."""
    data = line.data
    if data is None:
        raise BadLine("too-long", f"{line.num_bytes} bytes, above max_line_bytes ({max_line_bytes})")
    if unit.start == 0 and line.number == 1:
        if data.startswith(BOM):
            counts["byte_order_marks"] += 1
            data = data[len(BOM) :]
        if unit.header:
            counts["headers"] += 1
            return None
    if data.isspace() or not data:
        counts["blank_lines"] += line.num_lines
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLine("not-utf-8", f"not UTF-8 at byte {error.start}") from None
    piece = source.parse(text.rstrip("\r\n"), header=unit.header)
    if piece.session is None and (piece.user is None or piece.turns[0].time is None) and not piece.history:
        raise BadLine("no-session", "neither a session id, nor a user and a time")
    return piece


def spill(piece: Piece, *, source: Source, number: int, line: int) -> tuple[bytes, bytes, bytes, list[bytes]]:
    """(key, row, key of who asks, questions): rows and questions of one key are brought together later.

    Raises BadLine for text that UTF-8 cannot hold.
    """
    try:
        key = session_key(piece, label=source.label)
        turns = [turn[:-1] for turn in piece.turns]
        row = encode_row([number, piece.session, piece.user, piece.history, piece.tools, line, turns])
        asker = key if piece.user is None else _key("user", source.label, piece.user)
        notes = [b"%b\t%b" % (asker, note) for note in _notes(piece, key, line=line)]
    except UnicodeEncodeError:
        raise BadLine("lone-surrogate", "holds half of a surrogate pair") from None
    return key, b"%b\t%b" % (key, row), asker, notes


def unspill(row: bytes, *, unit: int) -> tuple[int, Piece]:
    """(number of the source, piece) of a row without its key; ``unit`` is the number of the unit it is in."""
    number, session, user, history, tools, line, rows = decode_row(row)
    turns = []
    for at, (role, text, time, calls, call_id, feedback, intent) in enumerate(rows):
        made = tuple([Call(*call) for call in calls]) if calls else ()
        turns.append(Turn(role, text, time, made, call_id, feedback, intent, (unit, line, at)))
    return number, Piece(session, user, tuple(turns), history, tuple(tools))


def session_key(piece: Piece, *, label: str) -> bytes:
    """The hash of what keeps turns together: the session, else the user, and for requests how they begin."""
    if piece.session is not None:
        return _key("session", label, piece.session)
    if not piece.history:
        return _key("user", label, piece.user or "")
    first = next((turn.text or "" for turn in piece.turns if turn.role == "user"), "")
    return _key("request", label, piece.user or "", first)


def bucket_of(key: str | bytes, num_buckets: int) -> int:
    """The bucket of a key: buckets in order hold keys in order."""
    return int(key[:8], 16) * num_buckets >> 32


def _notes(piece: Piece, key: bytes, *, line: int) -> Iterator[bytes]:
    """The questions in ``piece`` that were not asked in an earlier one."""
    turns = piece.turns
    places: Any = range(len(turns))
    twin = ""
    if piece.history:  # the question that this request asks; none if it brings a tool's result
        places = range(max(len(turns) - 2, 0), len(turns) - 1)
        asked = encode_row([[turn.role, turn.text, turn.calls] for turn in turns[:-1]])
        twin = hashlib.blake2b(asked, digest_size=8).hexdigest()
    for at in places:
        turn = turns[at]
        if turn.role == "user":
            yield encode_row([turn.time, (turn.text or "")[:NOTE_CHARACTERS], twin, key, line, at])


def _key(*parts: str) -> bytes:
    return _hash_short(parts) if sum(map(len, parts)) <= MAX_CACHED_CHARACTERS else _hash(parts)


def _hash(parts: tuple[str, ...]) -> bytes:
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=KEY_LENGTH // 2)
    return digest.hexdigest().encode()


_hash_short = lru_cache(maxsize=CACHED_KEYS)(_hash)
