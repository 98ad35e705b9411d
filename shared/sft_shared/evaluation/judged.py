"""Which model an external judge is shown: a base by its name, with or without an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from sft_shared.config import Settings
from sft_shared.errors import ConfigError
from sft_shared.models.adapters import load_adapter, read_origin, require_base
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import TuningSettings


class JudgedModel(Settings):
    """What stands behind ``--model_args``: which base with which adapter, and how it is computed."""

    base: str | None = Field(default=None, min_length=1)  # name or folder; None: the adapter's own
    adapter: Path | None = None  # folder of a saved adapter; None: the base alone
    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: PositiveInt = 8
    max_gen_toks: PositiveInt = 256  # of an answer, where the task does not say
    threads: PositiveInt | None = None  # CPU threads; None: as many as torch has
    truncate: bool = False  # cut what is too long at its beginning, as lm_eval's hf does; else an error

    def load(self) -> tuple[Base, AdapterState | None, TuningSettings | None]:
        """The base, the adapter's tensors and how they are put on. Raises ConfigError or ModelError."""
        origin = None if self.adapter is None else read_origin(self.adapter)
        name = self.base or (None if origin is None else origin.model)
        if name is None:
            raise ConfigError("model_args: found neither base nor adapter. Give base=NAME, adapter=FOLDER.")
        base = load_base(ModelSettings(name=name, dtype=self.dtype, device=self.device))
        if self.adapter is None or origin is None:
            return base, None, None
        require_base(self.adapter, origin, base)
        return base, load_adapter(self.adapter), origin.tuning
