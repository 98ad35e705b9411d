"""A process that does the work of one unit after the other: tasks come in by standard input, as JSON lines.

It ends with its parent, also with one that was killed: then standard input ends.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from sft_shared.data.prepare.work import Work
from sft_shared.errors import FedsftError

TELL_EVERY_BYTES = 1 << 18  # of progress: to tell of each example costs the parent as much as an example

GC_THRESHOLD = 50_000  # objects: examples are no cycles, so that looking for them finds little


def main() -> None:
    """Work in the folder that the first argument names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; this process ends with it
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    undone = 0

    def progress(num_bytes: int) -> None:
        nonlocal undone
        undone += num_bytes
        if undone >= TELL_EVERY_BYTES:
            say({"progress": undone})
            undone = 0

    tasks: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    work: Work | None = None
    while True:
        task = tasks.get()
        try:
            if work is None:
                work = Work.load(Path(sys.argv[1]))
                gc.freeze()  # what is loaded stays: the collector need not look at it
                gc.set_threshold(GC_THRESHOLD)
            work.do(task["stage"], task["number"], progress=progress)
            say({"progress": undone})
            undone = 0
            say({"done": task["number"]})
        except FedsftError as error:
            say({"failed": task["number"], "error": type(error).__name__, "message": str(error)})
        except OSError as error:
            message = f"{error.filename or 'system'}: {error.strerror or error}."
            say({"failed": task["number"], "error": "FedsftError", "message": message})


def _listen(tasks: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin.buffer:
        tasks.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # nobody is there to be told
        os._exit(0)
