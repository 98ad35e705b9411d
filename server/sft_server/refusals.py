"""A node's refusal to train, made safe to log."""

from __future__ import annotations

import json

from sft_shared.runlog import printable

_MAX_CHARS = 500
UNREADABLE = {"reason": "unreadable", "message": "the node refused, but its reason cannot be read"}


def refusal_in_words(body: bytes) -> dict[str, str]:
    """``{"reason", "message"}`` of a refusal, cut short; what cannot be read is said so.

    It is not signed and decides nothing: whoever may answer for the node may also stay silent.
    """
    try:
        value = json.loads(body[: 16 * _MAX_CHARS].decode())
        words = {key: value[key] for key in ("reason", "message")}
        if all(isinstance(text, str) for text in words.values()):
            return {key: printable(text[:_MAX_CHARS]) for key, text in words.items()}
    except (ValueError, KeyError, TypeError, RecursionError):
        return UNREADABLE
    return UNREADABLE
