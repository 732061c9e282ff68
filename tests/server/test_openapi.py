"""The description of the API is that of the server, and the server keeps to it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.doubles.server import Served, scripted_server

from anaphora.server.app import ROUTES
from anaphora.server.openai.openapi import openapi

schemathesis: Any = pytest.importorskip("schemathesis", reason="schemathesis is not installed")


def test_the_description_is_what_the_script_writes():
    script = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "make_openapi.py"))
    assert script["description"]() == openapi()
    described = {(method.upper(), path) for path, operations in openapi()["paths"].items() for method in operations}
    assert described == {(method, path.replace(":path", "")) for method, path, _ in ROUTES}


@pytest.fixture(scope="module")
def echo() -> Any:
    with scripted_server(echo=True) as served:
        yield served


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("method", "path"), [(method, path.replace(":path", "")) for method, path, _ in ROUTES])
def test_no_request_that_fits_the_description_or_not_breaks_the_server(echo: Served, method: str, path: str):
    schema = schemathesis.openapi.from_dict(openapi())
    schema.config.update(base_url=echo.url)
    operation = schema[path][method]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        response = case.call(timeout=20)
        assert response.status_code < 500, response.text
        operation.validate_response(response)

    run()
