"""A tiny real model that the tests of models, data and training share, and a cache folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sft_shared.dialogue import Example
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.tiny import make_tiny_model


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSFT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path, cache_folder: Path) -> Base:
    """The tiny model in fp32 on the CPU."""
    torch.set_num_threads(1)
    return load_base(ModelSettings(name=str(tiny_folder), dtype="fp32", device="cpu"))


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """Twelve solved tool calls of different lengths."""
    return [
        Example.model_validate(
            {
                "id": f"weather-{number}",
                "messages": [
                    {"role": "user", "content": "What is the weather in Paris" + " please" * (number % 5)},
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {"name": "get_weather", "arguments": {"city": "Paris", "days": number}}
                        ],
                    },
                ],
                "tools": [
                    {
                        "name": "get_weather",
                        "description": "Return the weather of a city. It is a forecast.",
                        "parameters": {
                            "type": "object",
                            "properties": {
                                "city": {"type": "string"},
                                "days": {"type": "integer", "default": 1},
                            },
                            "required": ["city"],
                        },
                    }
                ],
                "provenance": {"source": "test", "session": f"s{number}"},
            }
        )
        for number in range(12)
    ]
