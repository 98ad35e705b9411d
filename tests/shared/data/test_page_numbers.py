"""Numbers on pages are for people."""

from sft_shared.data.page_numbers import duration, p_value, percent, points, size


def test_numbers_are_written_for_people() -> None:
    """Percent with one decimal, points with a sign, megabytes, minutes, p-values."""
    assert percent(0.3456) == "34.6\u202f%"
    assert points(-0.021) == "\u22122.1"
    assert points(0.3) == "+30.0"
    assert size(4_851_234) == "4.85\u202fMB"
    assert size(2048) == "2.0\u202fkB"
    assert duration(655.2) == "10\u202fmin 55\u202fs"
    assert duration(59) == "59\u202fs"
    assert p_value(0.0004) == "<\u202f0.001"
    assert p_value(0.0126) == "0.013"
