"""Rows of the tiny model: twelve short documents, of two classes and one source."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sft_shared.data.chat import DataSettings, Row, tokenize_all
from sft_shared.dialogue import Example
from sft_shared.models.load import Base


@pytest.fixture(scope="session")
def rows(tiny: Base, examples: list[Example]) -> list[Row]:
    plain = tokenize_all(examples, tiny.tokenizer, DataSettings())
    return [replace(row, category="odd" if number % 3 else "even") for number, row in enumerate(plain)]
