"""The dictionary of Chinese words is read without a cache in the temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sft_shared.data.words import cut, dictionary, has_han, is_han


def test_words_are_known_with_frequency_and_tag() -> None:
    assert dictionary()["订单"].tag == "n"
    assert dictionary()["我们"].frequency > dictionary()["订单"].frequency
    assert len(dictionary()) > 300_000


def test_the_words_of_a_text_are_the_text() -> None:
    text = "我把订单取消了, ok? 新乡２号"
    assert "".join(cut(text)) == text
    assert cut("我把订单取消了") == ["我", "把", "订单", "取消", "了"]


def test_a_cache_that_somebody_left_is_not_read_and_none_is_written(tmp_path: Path) -> None:
    """jieba's own tokenizer unmarshals TMPDIR/jieba.cache, which any user of the machine may have written."""
    (tmp_path / "jieba.cache").write_bytes(b"poison")
    program = "from sft_shared.data.words import cut; print(len(cut('我把订单取消了')))"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    ours = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert (ours.stdout.strip(), ours.stderr) == ("5", "")
    assert (tmp_path / "jieba.cache").read_bytes() == b"poison"
    theirs = subprocess.run(
        [sys.executable, "-c", "import jieba; jieba.lcut('我把订单取消了')"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path) in theirs.stderr
    assert (tmp_path / "jieba.cache").read_bytes() != b"poison"


def test_a_chinese_character_is_known_wherever_it_stands() -> None:
    """Rare ones of extension A too; kana, digits and full-width letters are none."""
    assert is_han("中x")
    assert is_han("㐀")
    assert not is_han("x中")
    assert not is_han("")
    assert has_han("x", "x中")
    assert not has_han("カ１Ａ。", "")
