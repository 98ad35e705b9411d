"""``python -m sft_server``: the command ``sft-server``."""

from __future__ import annotations

from sft_server.cli import main

main()
