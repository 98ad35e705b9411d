"""The registry of sources."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sft_shared.data.logs.jsonl import JsonlSource
from sft_shared.data.logs.requests import OpenAiRequestSource
from sft_shared.data.logs.table import CsvSource
from sft_shared.data.logs.text import TextSource

SourceSettings = Annotated[
    JsonlSource | CsvSource | TextSource | OpenAiRequestSource, Field(discriminator="kind")
]
