"""``python -m sft_client``, which launchers such as accelerate start: the command ``sft-client``."""

from __future__ import annotations

from sft_client.cli import main

main()
