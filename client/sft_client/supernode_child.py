"""``flower-supernode``, told to stop when the process that started it dies, even by kill -9.

Its standard input is a pipe that only the parent holds, and ends with it. Linux's parent death signal would
not do: it comes once for every thread of a dying parent, and Flower dies of the second SIGTERM without taking
leave. A SuperNode that takes leave is let in again at once, one that does not waits up to a minute for its
old session to end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

GRACE_S = 10.0


def end_with_parent() -> None:
    """Send this process SIGTERM, once, when its standard input ends; end it if it takes no notice."""
    threading.Thread(target=_wait_for_the_end, name="parent-watch", daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 1024):
        pass
    main_thread = threading.main_thread().ident
    if main_thread is not None:
        signal.pthread_kill(main_thread, signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def main() -> None:
    """Run the command with this process's arguments."""
    end_with_parent()
    from flwr.supernode.cli.flower_supernode import flower_supernode

    sys.argv[0] = "flower-supernode"
    flower_supernode()


if __name__ == "__main__":
    main()
