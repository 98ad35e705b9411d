"""BFCL's records become examples; the package is read as data, never imported."""

import doctest
import json
import sys
from pathlib import Path

import pytest

from sft_shared.data import bfcl
from sft_shared.data.bfcl import read_bfcl, to_example, to_json_schema
from sft_shared.data.chat import answer_text
from sft_shared.errors import DataError
from sft_shared.evaluation.metrics.calls import calls_match

TRIANGLE = {
    "id": "simple_python_0",
    "question": [
        [{"role": "user", "content": "Find the area of a triangle with a base of 10 and height of 5."}]
    ],
    "function": [
        {
            "name": "triangle_area",
            "description": "Calculate the area of a triangle.",
            "parameters": {
                "type": "dict",
                "properties": {
                    "base": {"type": "float"},
                    "height": {"type": "float"},
                    "unit": {"type": "string", "default": "cm", "optional": True},
                    "options": {
                        "type": "dict",
                        "properties": {"shape": {"type": "tuple", "items": {"type": "any"}}},
                    },
                },
                "required": ["base", "height"],
            },
        }
    ],
}
TRUTH = [{"triangle_area": {"base": [10, 10.0], "height": [5], "unit": ["", "cm"]}}]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that looks like bfcl-eval, first on the path; importing it is an error."""
    data = tmp_path / "bfcl_eval" / "data"
    (data / "possible_answer").mkdir(parents=True)
    (tmp_path / "bfcl_eval" / "__init__.py").write_text("raise RuntimeError('imported')")
    info = tmp_path / "bfcl_eval-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bfcl-eval\nVersion: 1.2.3\n")
    (data / "BFCL_v4_simple_python.json").write_text(json.dumps(TRIANGLE) + "\n")
    answer = {"id": TRIANGLE["id"], "ground_truth": TRUTH}
    (data / "possible_answer" / "BFCL_v4_simple_python.json").write_text(json.dumps(answer) + "\n\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return data


def test_types_become_json_schema_at_every_depth() -> None:
    """dict, float and tuple get JSON Schema's names; ``any`` allows everything; BFCL's own marks go."""
    schema = to_json_schema(TRIANGLE["function"][0]["parameters"])
    assert schema["type"] == "object"
    assert schema["properties"]["base"] == {"type": "number"}
    assert schema["properties"]["unit"] == {"type": "string", "default": "cm"}
    assert schema["properties"]["options"]["properties"]["shape"] == {"type": "array", "items": {}}
    assert schema["required"] == ["base", "height"]


def test_an_argument_named_like_a_keyword_is_no_keyword() -> None:
    """A parameter called ``type`` or ``items`` is a property, not a part of the schema."""
    schema = to_json_schema(
        {"type": "dict", "properties": {"type": {"type": "float"}, "items": {"type": "any"}}}
    )
    assert schema["properties"] == {"type": {"type": "number"}, "items": {}}


def test_the_answer_takes_first_values_and_omits_optionals() -> None:
    """What may be left out is left out; nested dicts lose their lists of alternatives."""
    truth = [
        {"triangle_area": {**TRUTH[0]["triangle_area"], "options": [{"shape": [[1, 2], [3]], "x": ["", 1]}]}}
    ]
    example = to_example(TRIANGLE, truth, category="simple_python", source="bfcl-eval 1")
    assert example is not None
    assert example.answer.tool_calls[0].arguments == {"base": 10, "height": 5, "options": {"shape": [1, 2]}}
    assert example.expected_calls[0].arguments["unit"] == ["", "cm"]
    assert (example.category, example.provenance.session) == ("simple_python", "simple_python_0")


def test_an_optional_argument_is_learned_where_the_question_states_it() -> None:
    """A user who says "in cm" wants the unit; leaving it out would be right by BFCL but a bad lesson."""
    asked = {**TRIANGLE, "question": [[{"role": "user", "content": "Area of base 10, height 5, in CM?"}]]}
    example = to_example(asked, TRUTH, category="simple_python", source="bfcl-eval 1")
    assert example is not None
    assert example.answer.tool_calls[0].arguments == {"base": 10, "height": 5, "unit": "cm"}
    assert doctest.testmod(bfcl).failed == 0


def test_a_required_argument_stays_though_it_may_be_empty() -> None:
    """The function cannot be called without it, so its first real value is given."""
    truth = [{"triangle_area": {"base": ["", 10], "height": [5]}}]
    example = to_example(TRIANGLE, truth, category="simple_python", source="bfcl-eval 1")
    assert example is not None
    assert example.answer.tool_calls[0].arguments == {"base": 10, "height": 5}


@pytest.mark.parametrize("extra", [{"unit": []}, {"colour": ["red"]}])
def test_a_question_that_no_call_can_answer_is_left_out(extra: dict[str, list[str]]) -> None:
    """Nothing allowed for an argument, or an argument that the function does not have."""
    truth = [{"triangle_area": {"base": [10], "height": [5], **extra}}]
    assert to_example(TRIANGLE, truth, category="simple_python", source="bfcl-eval 1") is None


def test_the_package_is_read_without_being_imported(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provenance names package and version; its code never ran."""
    monkeypatch.delitem(sys.modules, "bfcl_eval", raising=False)  # another test's
    (example,) = read_bfcl(["simple_python"])
    assert example.provenance.source == "bfcl-eval 1.2.3"
    assert example.tools[0].name == "triangle_area"
    assert "bfcl_eval" not in sys.modules


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the command; --no-deps because its own dependencies are not needed."""
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(DataError, match=r"pip install --no-deps bfcl-eval=="):
        read_bfcl(["simple_python"])


def test_damaged_data_names_the_file(installed: Path) -> None:
    """Half a line, a missing file, a question without its answer: a DataError, not a traceback."""
    with pytest.raises(DataError, match=r"BFCL_v4_multiple\.json: cannot be read"):
        read_bfcl(["multiple"])
    (installed / "possible_answer" / "BFCL_v4_simple_python.json").write_text("")
    with pytest.raises(DataError, match="simple_python_0 has no ground truth"):
        read_bfcl(["simple_python"])
    (installed / "BFCL_v4_simple_python.json").write_text('{"id": ')
    with pytest.raises(DataError, match=r"BFCL_v4_simple_python\.json: cannot be read"):
        read_bfcl(["simple_python"])


def test_an_unknown_category_lists_the_known(installed: Path) -> None:
    """Multi-turn and irrelevance questions have no single right call, so they cannot be asked for."""
    with pytest.raises(DataError, match=r"no category 'web_search'.*live_simple"):
        read_bfcl(["web_search"])


def test_every_real_answer_is_right_by_its_own_ground_truth() -> None:
    """Conversion and judge agree on all single-turn questions of the package."""
    categories = (
        "simple_python",
        "multiple",
        "parallel",
        "parallel_multiple",
        "live_simple",
        "live_multiple",
    )
    examples = read_bfcl(categories)
    assert len(examples) > 2300
    assert [each.id for each in examples if not calls_match(answer_text(each.answer), each)] == []
