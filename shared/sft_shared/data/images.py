"""Pictures: is each one there, sound and of a fair size; and questions about them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import PositiveInt, ValidationError

from sft_shared.config import LocalPath, Settings
from sft_shared.content import PLACEHOLDER, Image, is_remote
from sft_shared.data.hygiene.raw import Record
from sft_shared.data.hygiene.records import read_records
from sft_shared.data.steps import Dropped, Rejected
from sft_shared.dialogue import Example, Message, Provenance

FORMATS = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
}
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


class CheckImages(Settings):
    """Drop an example whose pictures are missing, damaged, too large or not where their placeholders say.

    Rules: ``image-missing``, ``image-outside`` (a path that leaves ``folder``), ``image-too-large``,
    ``image-too-many-pixels`` (a decompression bomb), ``image-not-readable``, ``image-format``,
    ``image-media-type``, ``image-changed`` (another sha256), ``image-placeholders``.
    A kept example carries each picture's media type and sha256.
    """

    kind: Literal["check_images"] = "check_images"
    folder: LocalPath  # relative paths count from here, and no path leaves it
    max_bytes: PositiveInt = 20_000_000  # of a file
    max_pixels: PositiveInt = 40_000_000  # of a picture, whatever the size of its file

    def __call__(self, example: Example) -> Example | Dropped:
        """The example with media types and digests, or why it is dropped."""
        messages = []
        for index, message in enumerate(example.messages):
            if (message.content or "").count(PLACEHOLDER) != len(message.images):
                return Dropped("image-placeholders", f"message {index}: placeholders without pictures")
            images = []
            for image in message.images:
                checked = self.check(image)
                if isinstance(checked, Dropped):
                    return Dropped(checked.rule, f"message {index}: {checked.detail}")
                images.append(checked)
            messages.append(message.model_copy(update={"images": tuple(images)}) if images else message)
        return example.model_copy(update={"messages": tuple(messages)})

    def check(self, image: Image) -> Image | Dropped:
        """The picture with its media type and sha256, or what is wrong with it."""
        data = self._bytes(image)
        if isinstance(data, Dropped):
            return data
        if len(data) > self.max_bytes:
            return Dropped("image-too-large", f"more than {self.max_bytes} bytes")
        found = media_type(data, max_pixels=self.max_pixels)
        if isinstance(found, Dropped):
            return found
        digest = hashlib.sha256(data).hexdigest()
        if image.media_type not in (None, found):
            return Dropped("image-media-type", f"said to be {image.media_type}, is {found}")
        if image.sha256 not in (None, digest):
            return Dropped("image-changed", "its sha256 is another one")
        return image.model_copy(update={"media_type": found, "sha256": digest})

    def _bytes(self, image: Image) -> bytes | Dropped:
        if image.data is not None:
            if len(image.data) > self.max_bytes * 4 // 3 + 4:
                return Dropped("image-too-large", f"more than {self.max_bytes} bytes")
            try:
                return base64.b64decode(image.data, validate=True)
            except binascii.Error:
                return Dropped("image-not-readable", "its data is not base64")
        path = resolve(self.folder, image.path or "")
        if path is None:
            return Dropped("image-outside", "its path leads out of the folder")
        if not path.is_file():
            return Dropped("image-missing", "no such file")
        try:
            with path.open("rb") as file:
                return file.read(self.max_bytes + 1)
        except OSError as error:
            return Dropped("image-not-readable", f"cannot be read: {error.strerror}")


def resolve(folder: Path, path: str) -> Path | None:
    """``path`` below ``folder``, links followed; None if it leads out of it."""
    root = folder.resolve()
    try:
        found = (root / path).resolve()
    except (OSError, ValueError, RuntimeError):  # a loop of links, or a null character
        return None
    return found if found.is_relative_to(root) else None


def media_type(data: bytes, *, max_pixels: int) -> str | Dropped:
    """The media type of a picture's bytes, by what is in them; its pixels are decoded to prove them sound.

    The header alone is read before the number of pixels is known to be allowed.
    """
    from PIL import Image as Picture

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of bombs by a limit of its own; ours decides
            with Picture.open(io.BytesIO(data), formats=tuple(FORMATS)) as picture:
                width, height = picture.size
                if width * height > max_pixels:
                    return Dropped("image-too-many-pixels", f"{width} x {height}, more than {max_pixels}")
                kind = FORMATS.get(picture.format or "")
                picture.load()
    except Picture.DecompressionBombError:
        return Dropped("image-too-many-pixels", f"more than {max_pixels}")
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, MemoryError, OverflowError):
        return Dropped("image-not-readable", "no picture, or a damaged one")
    return kind or Dropped("image-format", f"none of {', '.join(FORMATS)}")


class ImageQuestions(Settings):
    """Examples from JSONL: ``{"image": path, "question": ..., "answer": ...}``, or with ``turns``.

    ``image`` may be a list of paths; ``id`` is optional. A turn is ``{"role", "content"}`` or ShareGPT's
    ``{"from", "value"}``. Without ``<image>`` in the first user turn the pictures stand at its beginning.
    The last turn is the assistant's; it is what is learnt.
    """

    kind: Literal["images"] = "images"
    file: LocalPath
    folder: LocalPath  # of the pictures
    max_bytes: PositiveInt = 20_000_000
    max_pixels: PositiveInt = 40_000_000
    source: str = "images"

    def examples(self) -> Iterator[Example | Rejected]:
        """The examples in the file's order. Raises DataError for a file that cannot be read."""
        check = CheckImages(folder=self.folder, max_bytes=self.max_bytes, max_pixels=self.max_pixels)
        for record in read_records(self.file):
            yield record if isinstance(record, Rejected) else self._example(record, check)

    def _example(self, record: Record, check: CheckImages) -> Example | Rejected:
        name = f"{self.source}-{record.number}"
        try:
            example = Example(
                id=str(record.value.get("id", name)),
                messages=_messages(record.value),
                category="image",
                provenance=Provenance(source=self.source, session=str(record.value.get("session", name))),
            )
        except ValidationError as error:
            problem = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            return Rejected(record.where, "image-record", problem)
        except ValueError as error:
            return Rejected(record.where, "image-record", str(error))
        checked = check(example)
        return (
            Rejected(record.where, checked.rule, checked.detail) if isinstance(checked, Dropped) else checked
        )


def _messages(record: Mapping[str, Any]) -> tuple[Message, ...]:
    given = record.get("image", record.get("images"))
    paths = [given] if isinstance(given, str) else given
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) and path for path in paths):
        raise ValueError("image: give a path or a list of paths")
    if any(is_remote(path) for path in paths):
        raise ValueError("an image is not fetched from a network; save it beside the data, give its path")
    if "turns" in record:
        turns = [_turn(turn) for turn in record["turns"]] if isinstance(record["turns"], list) else []
    else:
        turns = [("user", record.get("question")), ("assistant", record.get("answer"))]
    if not turns or not all(isinstance(text, str) and text.strip() for _, text in turns):
        raise ValueError("give question and answer, or turns of role and content")
    images = [Image(path=path) for path in paths]
    if not any(PLACEHOLDER in text for _, text in turns):
        first = next((index for index, (role, _) in enumerate(turns) if role == "user"), None)
        if first is None:
            raise ValueError("no user turn to show the images in")
        turns[first] = ("user", PLACEHOLDER * len(images) + "\n" + turns[first][1])
    messages = []
    for role, text in turns:
        here, images = images[: text.count(PLACEHOLDER)], images[text.count(PLACEHOLDER) :]
        if len(here) != text.count(PLACEHOLDER):
            raise ValueError(f"more {PLACEHOLDER} than images")
        messages.append(Message.model_validate({"role": role, "content": text, "images": here}))
    if images:
        raise ValueError(f"more images than {PLACEHOLDER}")
    return tuple(messages)


def _turn(turn: Any) -> tuple[str, Any]:
    if not isinstance(turn, dict):
        raise ValueError("a turn is a JSON object of role and content")
    role = ROLES.get(str(turn.get("role", turn.get("from"))))
    if role is None:
        raise ValueError("the role of a turn must be user, assistant or system")
    return role, turn.get("content", turn.get("value"))
