"""Every kind of augmentation, as one setting."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sft_shared.data.augment.entities import Entities
from sft_shared.data.augment.noise import Noise
from sft_shared.data.augment.voice import Voice

Augmentation = Annotated[Entities | Voice | Noise, Field(discriminator="kind")]
"""Called with an example it yields changed copies of it, never the example itself."""
