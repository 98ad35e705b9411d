"""glibc's allocator told to keep freed memory: a step's tensors then come without page faults."""

from __future__ import annotations

import ctypes
from functools import lru_cache

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
THRESHOLD_BYTES = 1 << 30


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Serve blocks up to 1 GiB from the heap and do not return them to the system; once per process.

    By default glibc maps each large block afresh and the kernel zeroes its pages at every use. Returns
    False where the C library has no ``mallopt`` or refuses; training then runs as well, only slower.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, THRESHOLD_BYTES)) and bool(
        mallopt(M_TRIM_THRESHOLD, THRESHOLD_BYTES)
    )
