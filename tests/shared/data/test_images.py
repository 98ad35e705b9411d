"""Pictures are checked before they are trained on: there, sound, of a fair size, and inside their folder."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image as Picture

from sft_shared.content import Image
from sft_shared.data.chat import DataSettings, tokenize
from sft_shared.data.images import CheckImages, ImageQuestions
from sft_shared.data.steps import Dropped, Rejected
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.models.load import Base


def png(width: int = 4, height: int = 3) -> bytes:
    file = io.BytesIO()
    Picture.new("RGB", (width, height), "red").save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    (root / "子").mkdir(parents=True)
    (root / "a.png").write_bytes(png())
    (root / "子" / "b.jpg").write_bytes(png())  # its name lies
    (root / "cut.png").write_bytes(png(64, 64)[:-30])
    (root / "text.png").write_text("<svg/>")
    (root / "bomb.png").write_bytes(bomb())
    (tmp_path / "secret.png").write_bytes(png())
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    return root


def bomb() -> bytes:
    """A sound header of 60,000 x 60,000 pixels and no data to speak of."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def checked(folder: Path, **image: str) -> Image | str:
    found = CheckImages(folder=folder, max_bytes=10_000).check(Image.model_validate(image))
    return found.rule if isinstance(found, Dropped) else found


def test_a_sound_picture_gets_its_type_and_digest(folder: Path) -> None:
    """By its bytes, whatever its name says; from a path or from base64."""
    digest = hashlib.sha256(png()).hexdigest()
    assert checked(folder, path="a.png") == Image(path="a.png", media_type="image/png", sha256=digest)
    assert checked(folder, path="子/b.jpg") == Image(path="子/b.jpg", media_type="image/png", sha256=digest)
    data = base64.b64encode(png()).decode()
    assert checked(folder, data=data, media_type="image/png") == Image(
        data=data, media_type="image/png", sha256=digest
    )


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ({"path": "none.png"}, "image-missing"),
        ({"path": "子"}, "image-missing"),
        ({"path": "../secret.png"}, "image-outside"),
        ({"path": "link.png"}, "image-outside"),
        ({"path": "a\0.png"}, "image-outside"),
        ({"path": "cut.png"}, "image-not-readable"),
        ({"path": "text.png"}, "image-not-readable"),
        ({"path": "bomb.png"}, "image-too-many-pixels"),
        ({"path": "a.png", "media_type": "image/jpeg"}, "image-media-type"),
        ({"path": "a.png", "sha256": "0" * 64}, "image-changed"),
        ({"data": "!!", "media_type": "image/png"}, "image-not-readable"),
        ({"data": "A" * 20_000, "media_type": "image/png"}, "image-too-large"),
    ],
)
def test_a_bad_picture_is_dropped_by_rule(folder: Path, image: dict[str, str], rule: str) -> None:
    """Missing, outside, damaged, disguised, bombs, too large."""
    assert checked(folder, **image) == rule


def test_a_file_over_the_limit_is_not_read_whole(folder: Path) -> None:
    """The limit counts bytes of the file."""
    (folder / "big.png").write_bytes(png() + b"\0" * 20_000)
    assert checked(folder, path="big.png") == "image-too-large"


def test_the_plain_reader_would_decode_the_picture_outside_and_the_large_one(folder: Path) -> None:
    """The attacks with the guards off: a link leads to any file, and pixels outgrow their file."""
    with Picture.open(folder / "link.png") as picture:
        picture.load()
    (folder / "flat.png").write_bytes(png(3000, 3000))
    assert (folder / "flat.png").stat().st_size < 40_000
    limits = CheckImages(folder=folder, max_pixels=1_000_000)
    found = limits.check(Image(path="flat.png"))
    assert isinstance(found, Dropped)
    assert found.rule == "image-too-many-pixels"
    open_limits = limits.model_copy(update={"max_pixels": 10**8})
    assert isinstance(open_limits.check(Image(path="flat.png")), Image)  # 27 MB of pixels from 33 KB


def test_questions_about_pictures_become_examples(folder: Path, tmp_path: Path) -> None:
    """Question and answer, or turns in either form; every bad line is named and the rest goes on."""
    lines = [
        {"image": "a.png", "question": "什么颜色？", "answer": "红色"},
        {"id": "two", "image": ["a.png", "子/b.jpg"], "turns": [
            {"from": "human", "value": "Is <image> like <image>?"}, {"from": "gpt", "value": "Yes."}]},
        {"image": "none.png", "question": "?", "answer": "!"},
        {"image": "http://x.org/a.png", "question": "?", "answer": "!"},
        {"image": "a.png", "question": "<image><image>", "answer": "!"},
        {"image": "a.png", "question": "?", "answer": " "},
        {"image": "a.png", "turns": [{"role": "user", "content": "?"}]},
        {"question": "?", "answer": "!"},
    ]  # fmt: skip
    file = tmp_path / "x.jsonl"
    body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    file.write_bytes(body.encode() + b"{broken\n\xff\n")
    found = list(ImageQuestions(file=file, folder=folder).examples())
    first, second = found[:2]
    assert isinstance(first, Example)
    assert isinstance(second, Example)
    assert first.messages[0].content == "<image>\n什么颜色？"
    assert first.messages[0].images[0].media_type == "image/png"
    assert second.id == "two"
    assert [image.path for image in second.messages[0].images] == ["a.png", "子/b.jpg"]
    rules = [(each.where.rpartition(":")[2], each.rule) for each in found[2:] if isinstance(each, Rejected)]
    assert rules == [
        ("3", "image-missing"), ("4", "image-record"), ("5", "image-record"), ("6", "image-record"),
        ("7", "image-record"), ("8", "image-record"), ("9", "broken-json"), ("10", "not-utf-8"),
    ]  # fmt: skip


def test_a_missing_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(DataError, match=r"none.jsonl: no such file"):
        list(ImageQuestions(file=tmp_path / "none.jsonl", folder=tmp_path).examples())


def test_a_text_model_refuses_an_example_with_images(folder: Path, tmp_path: Path, tiny: Base) -> None:
    """It names the example, rather than training on a placeholder."""
    file = tmp_path / "x.jsonl"
    file.write_text('{"id": "pic-7", "image": "a.png", "question": "?", "answer": "red"}')
    example = next(iter(ImageQuestions(file=file, folder=folder).examples()))
    assert isinstance(example, Example)
    with pytest.raises(DataError, match=r"'pic-7': has images"):
        tokenize(example, tiny.tokenizer, DataSettings())
    plain = [m.model_copy(update={"images": ()}) for m in example.messages]  # the guard off
    assert tokenize(
        example.model_copy(update={"messages": tuple(plain)}), tiny.tokenizer, DataSettings()
    ).labels
