"""JSON Schema checks name what is wrong by code, and never reach for the network."""

from __future__ import annotations

import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sft_shared.data.toolcalls.schemas import problems, schema_problem

WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 1},
        "unit": {"enum": ["C", "F"]},
        "place": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]},
    },
    "required": ["city"],
}


@pytest.mark.parametrize(
    ("value", "code", "path"),
    [
        ({}, "missing", "city"),
        ({"city": 3}, "type", "city"),
        ({"city": "上海", "days": "3"}, "type", "days"),
        ({"city": "上海", "days": True}, "type", "days"),
        ({"city": "上海", "days": 0}, "value", "days"),
        ({"city": "上海", "unit": "K"}, "choice", "unit"),
        ({"city": "上海", "place": {}}, "missing", "place.lat"),
        ({"city": "上海", "country": "CN"}, "undeclared", "country"),
    ],
)
def test_each_way_to_be_wrong_has_its_code_and_place(value: dict[str, Any], code: str, path: str) -> None:
    """The place is a path of parameters; the value itself is not repeated."""
    found = problems(WEATHER, value, closed=True)
    assert [(each.code, each.path) for each in found] == [(code, path)]
    assert "上海" not in found[0].detail


def test_a_fitting_value_has_no_problem() -> None:
    """Also without the optional parameters, and 3.0 is a whole number."""
    assert problems(WEATHER, {"city": "x", "days": 3.0}, closed=True) == []


def test_undeclared_keys_pass_where_the_schema_opens_itself() -> None:
    """``closed`` says nothing against ``additionalProperties: true``, nor without being asked to."""
    assert problems({**WEATHER, "additionalProperties": True}, {"city": "x", "y": 1}, closed=True) == []
    assert problems(WEATHER, {"city": "x", "y": 1}) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"properties": []},
        {"required": "city"},
        {"$ref": "https://example.org/s.json"},
        {"properties": {"a": {"$ref": "other.json"}}},
        {"$schema": "http://json-schema.org/draft-04/schema#"},
        {"type": "dict"},
    ],
)
def test_an_unsound_schema_is_refused(schema: dict[str, Any]) -> None:
    """Wrong keywords, another draft, and references to elsewhere."""
    assert schema_problem(schema) is not None
    assert [each.code for each in problems(schema, {})] == ["schema"]


def test_a_schema_that_refers_to_itself_without_end_is_refused() -> None:
    """Neither a hang nor a traceback."""
    assert [each.code for each in problems({"$ref": "#"}, {})] == ["schema"]
    assert [each.code for each in problems({"$ref": "#/$defs/none"}, {})] == ["schema"]


def test_a_reference_is_not_fetched_though_the_plain_validator_would() -> None:
    """The attack: a dataset's schema makes whoever checks it call out to a server."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        schema = {"$ref": f"http://127.0.0.1:{server.server_port}/stolen"}
        assert [each.code for each in problems(schema, {})] == ["schema"]
        assert asked == []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            list(Draft202012Validator(schema).iter_errors({}))  # the guard off
        assert asked == ["/stolen"]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_value_nested_a_thousand_times_is_refused() -> None:
    """The validator alone would run out of stack."""
    value: Any = {}
    for _ in range(1000):
        value = {"a": value}
    assert [each.code for each in problems({"properties": {"a": {"$ref": "#"}}}, value)] == ["value"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_any_json_is_answered(value: Any) -> None:
    """Problems or none, never an exception."""
    for each in problems(WEATHER, value, closed=True):
        assert each.code in {"missing", "type", "choice", "undeclared", "value"}
