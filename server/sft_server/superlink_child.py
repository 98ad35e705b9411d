"""Entry of the SuperLink's process: Flower's own command, bound to the life of the server that started it.

python -m sft_server.superlink_child PARENT_PID [flower-superlink arguments]
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

_WATCH_S = 0.5


def _die_with(parent_pid: int) -> None:
    """End this process group once the parent is gone, also when it was killed with -9.

    Linux's PR_SET_PDEATHSIG would fire when the parent's *thread* ends, so this looks instead.
    """
    while os.getppid() == parent_pid:
        time.sleep(_WATCH_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Run ``flower-superlink`` with the arguments after the parent's process id."""
    parent_pid = int(sys.argv.pop(1))
    threading.Thread(target=_die_with, args=(parent_pid,), daemon=True).start()
    from sft_server.superlink import run_superlink

    run_superlink()


if __name__ == "__main__":
    main()
