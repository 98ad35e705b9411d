"""Who holds what: numbers that can be read again, and a picture without empty boxes for letters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.font_manager import fontManager

from sft_shared.data import pictures
from sft_shared.data.holdings import MAX_CLASSES, MAX_CLIENTS, draw, holdings, write_holdings
from sft_shared.data.pictures import MAX_LABEL, labels
from sft_shared.dialogue import Example, Message, Provenance


def said(place: int, category: str) -> Example:
    return Example(
        id=f"e{place}",
        messages=(Message(role="user", content="q"), Message(role="assistant", content="a")),
        category=category,
        provenance=Provenance(source="test", session=f"s{place // 2}"),
    )


def test_counts_and_distances(tmp_path: Path) -> None:
    """Examples, sessions and classes of each client; the files hold the same."""
    shares = {"client-0": [said(0, "a"), said(1, "a")], "client-1": [said(2, "a"), said(4, "订单")]}
    found = holdings(shares, key="category")
    first, second = found.clients
    assert (first.num_examples, first.num_sessions, first.classes) == (2, 1, {"a": 2})
    assert (second.num_sessions, second.classes) == (2, {"a": 1, "订单": 1})
    assert (first.distance, second.distance, found.mean_distance) == (0.25, 0.25, 0.25)
    data, picture = write_holdings(found, folder=tmp_path)
    assert json.loads(data.read_text(encoding="utf-8"))["classes"] == {"a": 3, "订单": 1}
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_many_classes_and_clients_stay_one_picture() -> None:
    """The rest of the classes is a row of sums, and the axis says that clients are missing."""
    shares = {f"client-{n}": [said(n, f"c{n % 90}")] for n in range(MAX_CLIENTS + 50)}
    figure = draw(holdings(shares, key="category"))
    names = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert len(names) == MAX_CLASSES + 1
    assert names[-1] == f"{90 - MAX_CLASSES} others"
    assert f"the first {MAX_CLIENTS} of {MAX_CLIENTS + 50}" in figure.axes[1].get_xlabel()


def test_names_that_no_font_can_draw_become_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings about missing glyphs are errors in tests; the axis says where the names stand."""
    western = [entry for entry in fontManager.ttflist if entry.name == "DejaVu Sans"]
    monkeypatch.setattr(fontManager, "ttflist", western)
    pictures._path.cache_clear()
    shown = labels(["订单", "refund"])
    assert shown.texts == ("#1", "#2")
    assert shown.numbered
    figure = draw(holdings({"client-0": [said(0, "订单"), said(1, "退款 $x_1$")]}, key="category"))
    figure.canvas.draw()
    assert "partition.json" in figure.axes[1].get_ylabel()
    pictures._path.cache_clear()


def test_names_are_cut_and_dollars_are_no_formulas() -> None:
    """A label is never half the picture, and never an error."""
    shown = labels(["$\\frac{$", "x" * 99, "a\nb", ""])
    assert shown.texts[0] == "\\$\\frac{\\$"
    assert len(shown.texts[1]) == MAX_LABEL
    assert shown.texts[2:] == ("a b", "(none)")
    draw(holdings({"client-0": [said(0, "$\\frac{$")]}, key="category")).canvas.draw()
