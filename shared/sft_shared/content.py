"""Pictures in a message: OpenAI's content parts become one text with placeholders, and back."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

PLACEHOLDER = "<image>"
MediaType = Literal["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"]
_DATA_URL = re.compile(r"data:(image/[a-z.+-]+);base64,([A-Za-z0-9+/=\s]*)")


class Image(BaseModel):
    """A picture: either a ``path`` or its bytes as base64 ``data``. It is never fetched from a network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = Field(default=None, min_length=1)
    data: str | None = Field(default=None, min_length=1)
    media_type: MediaType | None = None  # None: whatever the file turns out to be; needed with ``data``
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")  # of the bytes

    @model_validator(mode="after")
    def _has_one_source(self) -> Image:
        if (self.path is None) == (self.data is None):
            raise ValueError("an image needs either path or data")
        if self.path is not None and is_remote(self.path):
            raise ValueError("an image is not fetched from a network; save it beside the data, give its path")
        if self.data is not None and self.media_type is None:
            raise ValueError("an image given as data needs media_type, such as image/png")
        return self

    @property
    def url(self) -> str:
        """The path, or a data URL."""
        return self.path if self.path is not None else f"data:{self.media_type};base64,{self.data}"


def is_remote(path: str) -> bool:
    """Whether a path is an address on a network; ``C:\\x.png`` and ``file:`` are not."""
    return bool(re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:|//|\\\\", path, re.IGNORECASE))


def read_parts(parts: list[Any]) -> tuple[str, list[dict[str, Any]]]:
    """OpenAI's list of content parts as (text with ``<image>`` placeholders in order, images).

    ``detail`` of a picture is a wish to OpenAI's own models and is not kept. Raises ValueError for a part of
    another type, an address on a network, and text that holds a placeholder of its own.

    >>> read_parts([{"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": "What?"}])
    ('<image>What?', [{'path': 'a.png'}])
    """
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    for index, part in enumerate(parts):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "image_url":
            images.append(_read_image(part.get("image_url"), part.get("sha256")))
            texts.append(PLACEHOLDER)
        else:
            raise ValueError(f"content part {index} is neither text nor image_url; drop it or describe it")
    if images and "".join(texts).count(PLACEHOLDER) != len(images):
        raise ValueError(f"a text part holds {PLACEHOLDER} itself, which stands for a picture; take it out")
    return "".join(texts), images


def write_parts(content: str, images: tuple[Image, ...]) -> list[dict[str, Any]]:
    """The inverse of `read_parts`; neighbouring text parts have become one."""
    parts: list[dict[str, Any]] = []
    for index, text in enumerate(content.split(PLACEHOLDER)):
        if index:
            image = images[index - 1]
            part: dict[str, Any] = {"type": "image_url", "image_url": {"url": image.url}}
            if image.path is not None and image.media_type is not None:
                part["image_url"]["media_type"] = image.media_type
            parts.append(part if image.sha256 is None else {**part, "sha256": image.sha256})
        if text:
            parts.append({"type": "text", "text": text})
    return parts


def _read_image(value: Any, sha256: Any) -> dict[str, Any]:
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str) or not url:
        raise ValueError("an image_url part needs image_url.url")
    digest = {} if sha256 is None else {"sha256": sha256}
    if url[:5].lower() == "data:":
        found = _DATA_URL.fullmatch(url)
        if found is None:
            raise ValueError("a data URL must be data:image/TYPE;base64,DATA")
        return {"media_type": found[1], "data": "".join(found[2].split()), **digest}
    if url[:5].lower() == "file:":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise ValueError("a file URL with a host is on a network; save the image beside the data")
        url = unquote(parts.path)
    media_type = value.get("media_type") if isinstance(value, dict) else None
    return {"path": url, **({} if media_type is None else {"media_type": media_type}), **digest}
