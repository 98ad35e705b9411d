"""A node's refusal to train, made safe to log."""

from __future__ import annotations

import json

_MAX_CHARS = 500


def refusal_in_words(body: bytes) -> dict[str, str]:
    """``{"reason", "message"}`` of a refusal, cut short; what cannot be read is said so.

    It is not signed and decides nothing: whoever may answer for the node may also stay silent.
    """
    try:
        value = json.loads(body[: 16 * _MAX_CHARS].decode())
        return {key: str(value[key])[:_MAX_CHARS] for key in ("reason", "message")}
    except (ValueError, KeyError, TypeError):
        return {"reason": "unreadable", "message": "the node refused, but its reason cannot be read"}
