"""A step that masks bank card numbers: 6222 **** **** 0123."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Literal

from stdnum import luhn

from sft_shared.config import Settings
from sft_shared.dialogue import Entity, Example, ExpectedCall, Message, ToolCall

MIN_DIGITS, MAX_DIGITS = 13, 19
_GAP = r"[ \u00a0\u2009\u3000\-－‐‑–—]{0,2}"
_NUMBER = re.compile(
    rf"(?<![0-9０-９A-Za-z.])[0-9０-９](?:{_GAP}[0-9０-９]){{{MIN_DIGITS - 1},{MAX_DIGITS - 1}}}"
    r"(?![0-9０-９A-Za-z])"
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')  # of JSON: a text or a number
_ISSUER = re.compile(  # first digits that are given out to card issuers (ISO/IEC 7812)
    r"3[04-9]|4|5[0-9]|6[0-9]|2(?:2[2-9]|[3-6]|7[01]|720)|81|9[0-9]"
)


class MaskCards(Settings):
    """Mask every bank card number in texts, in arguments of tool calls and in what these were to be.

    A card number has 13 to 19 digits that begin as an issuer's do and pass the Luhn check; spaces, dashes and
    full-width digits in it stay. Each masked digit becomes one ``*``, so that no offset moves; only a number
    in a text that is JSON gets quotes besides, and labels move along.
    Numbers written in Chinese (六二二二) are the desensitiser's.
    """

    kind: Literal["mask_cards"] = "mask_cards"
    keep: Literal["first6_last4", "first4_last4", "last4"] = "first6_last4"

    def __call__(self, example: Example) -> Example:
        """The example without card numbers in full."""
        messages = tuple(self._message(message) for message in example.messages)
        expected = tuple(
            ExpectedCall(name=call.name, arguments=self._value(call.arguments))
            for call in example.expected_calls
        )
        if messages == example.messages and expected == example.expected_calls:
            return example
        provenance = example.provenance.model_copy(
            update={"steps": (*example.provenance.steps, f"mask_cards:{self.keep}")}
        )
        return example.model_copy(
            update={
                "messages": messages,
                "expected_calls": expected,
                "entities": tuple(self._moved(entity, example) for entity in example.entities),
                "provenance": provenance,
            }
        )

    def text(self, text: str) -> str:
        """``text`` with its card numbers masked; as long as before, but for JSON, which stays JSON.

        >>> MaskCards(keep="first4_last4").text("卡号4111 1111 1111 1111")
        '卡号4111 **** **** 1111'
        >>> MaskCards().text('{"card":4111111111111111}')
        '{"card":"411111******1111"}'
        """
        masked = _NUMBER.sub(lambda match: self._masked(match[0]), text)
        for place in reversed(_quotes(text, masked)):
            masked = f'{masked[:place]}"{masked[place:]}'
        return masked

    def _masked(self, shown: str) -> str:
        places = [index for index, char in enumerate(shown) if char.isdigit()]
        digits = "".join(unicodedata.normalize("NFKC", shown[place]) for place in places)
        if not is_card(digits):
            return shown
        first = {"first6_last4": 6, "first4_last4": 4, "last4": 0}[self.keep]
        masked = set(places[first : len(places) - 4])
        return "".join("*" if index in masked else char for index, char in enumerate(shown))

    def _message(self, message: Message) -> Message:
        content = message.content if message.content is None else self.text(message.content)
        calls = tuple(
            ToolCall(name=call.name, arguments=self._value(call.arguments), id=call.id)
            for call in message.tool_calls
        )
        if content == message.content and calls == message.tool_calls:
            return message
        return message.model_copy(update={"content": content, "tool_calls": calls})

    def _moved(self, entity: Entity, example: Example) -> Entity:
        old = example.messages[entity.message].content or ""
        quotes = _quotes(old, _NUMBER.sub(lambda match: self._masked(match[0]), old))
        start = entity.start + sum(place <= entity.start for place in quotes)
        end = entity.end + sum(place < entity.end for place in quotes)
        return entity.model_copy(update={"start": start, "end": end, "value": self.text(old)[start:end]})

    def _value(self, value: Any) -> Any:
        """JSON with its card numbers masked; a number that is one becomes text."""
        if isinstance(value, dict):
            return {self.text(str(key)): self._value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int) and not isinstance(value, bool) and is_card(str(value)):
            return self._masked(str(value))
        return value


def is_card(digits: str) -> bool:
    """Whether digits are a card number: their count, their issuer, and the Luhn check.

    >>> is_card("4111111111111111"), is_card("4111111111111112")
    (True, False)
    """
    if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or not _ISSUER.match(digits) or len(set(digits)) == 1:
        return False
    return bool(luhn.is_valid(digits))


def _quotes(text: str, masked: str) -> list[int]:
    """Where quotes are missing if ``text`` is JSON and ``masked`` is not: around its masked numbers."""
    if masked == text or not _is_json(text) or _is_json(masked):
        return []
    tokens = [token for token in _TOKEN.finditer(text) if token[0][0] != '"']
    return [
        place for token in tokens if masked[token.start() : token.end()] != token[0] for place in token.span()
    ]


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
