"""What stands in place of a find: a tag, or a pseudonym of the same shape."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sft_shared.config import Settings
from sft_shared.data.desensitise.pseudonyms import pseudonym
from sft_shared.data.desensitise.spans import Kind
from sft_shared.data.desensitise.tags import Language, tag


class TagReplacement(Settings):
    """``[信用卡号]`` in Chinese, ``[CARD]`` in English. All values of a kind become one."""

    kind: Literal["tag"] = "tag"
    language: Literal["auto", "zh", "en"] = "auto"  # auto: that of the dialogue, by its script

    def __call__(self, kind: Kind, text: str, *, key: bytes, session: str, language: Language) -> str:
        """What replaces ``text``; ``language`` is the dialogue's."""
        return self.tag(kind, language)

    def tag(self, kind: Kind, language: Language) -> str:
        """The tag of a kind; ``language`` is the dialogue's."""
        return tag(kind, language if self.language == "auto" else self.language)


class PseudonymReplacement(Settings):
    """Another value of the same shape: the same one for the same value, within a session.

    A tag where no such value can be told from a real one.
    """

    kind: Literal["pseudonym"] = "pseudonym"
    language: Literal["auto", "zh", "en"] = "auto"  # of the tags

    def __call__(self, kind: Kind, text: str, *, key: bytes, session: str, language: Language) -> str:
        """What replaces ``text``; ``language`` is the dialogue's."""
        return pseudonym(kind, text, key=key, session=session) or self.tag(kind, language)

    def tag(self, kind: Kind, language: Language) -> str:
        """The tag of a kind; ``language`` is the dialogue's."""
        return tag(kind, language if self.language == "auto" else self.language)


Replacement = Annotated[TagReplacement | PseudonymReplacement, Field(discriminator="kind")]
