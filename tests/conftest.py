"""Hypothesis profiles and the corpus option, shared by every test."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

# `make check` runs a tenth of each proof at a fixed seed; `make proof` (--hypothesis-profile proof) runs all of it.
settings.register_profile(
    "check", max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("proof", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For `tests/mutants.py`: a mistake need only be found, not explained.
settings.register_profile("mutants", settings.get_profile("check"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("check")


def pytest_addoption(parser: pytest.Parser) -> None:
    # Only `settings` reads the environment of the program; this is the environment of a test run.
    named = os.environ.get("WARDGATE_CORPUS") or None  # noqa: TID251
    parser.addoption("--corpus", default=named, help="a folder of real requests and patients to try as well")
    parser.addoption("--fuzz", type=int, default=10_000, help="how many mutated bodies the fuzz test sends")
    parser.addoption("--agreement", default=None, help="a folder in which npm has installed tests/agreement")


@pytest.fixture(scope="session")
def corpus(request: pytest.FixtureRequest) -> Path | None:
    folder = request.config.getoption("--corpus")
    return None if folder is None else Path(folder)


@pytest.fixture(scope="session")
def fuzzed(request: pytest.FixtureRequest) -> int:
    """How many mutated bodies the fuzz test sends."""
    count: int = request.config.getoption("--fuzz")
    return count


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The agreement with another FHIR server needs that server: `make test-agreement`."""
    return True if collection_path.name == "agreement" and config.getoption("--agreement") is None else None
