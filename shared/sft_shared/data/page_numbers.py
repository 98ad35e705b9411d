"""Numbers as pages show them: shares, differences, bytes, times."""

from __future__ import annotations


def percent(share: float, decimals: int = 1) -> str:
    """A share as a percentage, with a thin space before the sign."""
    return f"{100 * share:.{decimals}f}\u202f%"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "\u2212")


def size(num_bytes: float) -> str:
    """Bytes in decimal megabytes, or kilobytes below one tenth of those."""
    return f"{num_bytes / 1e6:.2f}\u202fMB" if num_bytes >= 1e5 else f"{num_bytes / 1e3:.1f}\u202fkB"


def duration(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}\u202fmin {rest:02d}\u202fs" if minutes else f"{rest}\u202fs"


def p_value(p: float) -> str:
    """Three decimals; below them only that it is."""
    return "<\u202f0.001" if p < 0.001 else f"{p:.3f}"
