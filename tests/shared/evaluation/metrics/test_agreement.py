"""Agreement against published examples."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from sft_shared.evaluation.metrics import agreement
from sft_shared.evaluation.metrics.agreement import (
    agreements,
    alpha_interval,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
)

# Four observers, twelve units (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, part C)
A = (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None)
B = (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3)
C = (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None)
D = (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None)
PUBLISHED = list(zip(A, B, C, D, strict=True))
# Ten subjects, fourteen raters, five categories: how many chose each
SUBJECTS = (
    "0 0 0 0 14, 0 2 6 4 2, 0 0 3 5 6, 0 3 9 2 0, 2 2 8 1 1, "
    "7 7 0 0 0, 3 2 6 3 0, 2 5 3 2 2, 6 5 2 1 0, 0 2 2 3 7"
)
ratings = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=2, max_size=30)


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(agreement).failed == 0


def test_alpha_is_krippendorffs_own() -> None:
    """0.743 nominal, 0.815 ordinal, 0.849 interval: with gaps, and one unit of a single value."""
    assert round(krippendorff_alpha(PUBLISHED, level="nominal") or 0, 3) == 0.743
    assert round(krippendorff_alpha(PUBLISHED, level="ordinal") or 0, 3) == 0.815
    assert round(krippendorff_alpha(PUBLISHED, level="interval") or 0, 3) == 0.849


def test_fleiss_kappa_is_the_published_one() -> None:
    """0.210."""
    rows = [[int(times) for times in row.split()] for row in SUBJECTS.split(",")]
    units = [[category for category, times in enumerate(row) for _ in range(times)] for row in rows]
    assert round(fleiss_kappa(units) or 0, 3) == 0.210


@given(ratings)
def test_cohens_kappa_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    """Where chance leaves something to agree on."""
    first, second = zip(*pairs, strict=True)
    kappa = cohen_kappa(first, second)
    if kappa is None:
        assert len({*first, *second}) == 1
    else:
        assert kappa == pytest.approx(cohen_kappa_score(first, second))


@given(ratings)
def test_alpha_is_one_for_agreement_and_never_above(pairs: list[tuple[int, int]]) -> None:
    """And the order of raters does not matter."""
    alpha = krippendorff_alpha(pairs)
    same = krippendorff_alpha([(one, one) for one, _ in pairs])
    assert same is None or same == pytest.approx(1)
    if alpha is not None:
        assert alpha <= 1 + 1e-12
        assert alpha == pytest.approx(krippendorff_alpha([(other, one) for one, other in pairs]))


def test_the_interval_is_seeded_and_holds_alpha() -> None:
    """Units are drawn anew."""
    alpha = krippendorff_alpha(PUBLISHED) or 0
    interval = alpha_interval(PUBLISHED, seed=1)
    assert interval is not None
    assert interval == alpha_interval(PUBLISHED, seed=1)
    assert interval[0] < alpha < interval[1] <= 1
    many = alpha_interval(PUBLISHED * 10, seed=1)
    assert many is not None
    assert many[1] - many[0] < interval[1] - interval[0]


def test_what_can_be_said_depends_on_the_raters() -> None:
    """Cohen for two, Fleiss for more on complete units, alpha on all; nothing for one rater."""
    names = [each.name for each in agreements([(1, 2), (2, 2), (3, None)], seed=0)]
    assert names == ["cohen_kappa", "krippendorff_alpha"]
    fleiss, alpha = agreements(PUBLISHED, seed=0)
    assert (fleiss.name, fleiss.n, alpha.name, alpha.n) == ("fleiss_kappa", 8, "krippendorff_alpha", 11)
    assert agreements([(1,), (2,)], seed=0) == []
    assert agreements([], seed=0) == []
    assert agreements([(3, 3), (3, 3)], seed=0)[1].value is None
    for wrong in ([[1, 2], [1]], [[1], [2]]):
        with pytest.raises(ValueError, match="same number of raters"):
            fleiss_kappa(wrong)
    with pytest.raises(ValueError, match="as many values"):
        cohen_kappa([1], [1, 2])
