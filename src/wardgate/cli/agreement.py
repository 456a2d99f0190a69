"""What several workers say, as one answer: what they agree on, and where they do not."""

from typing import Any

import msgspec

from wardgate.domain.findings import Finding
from wardgate.web.admin import Circuit

_WORST = ("passed", "probe_pending", "probe_failed")


def agreed(said: dict[int, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """One state for each service, of the first worker that has it."""
    services: dict[str, dict[str, Any]] = {}
    for service in dict.fromkeys(name for states in said.values() for name in states):
        states = {number: each[service] for number, each in said.items() if service in each}
        first = next(iter(states.values()))
        services[service] = {**first, "proof": max((state["proof"] for state in states.values()), key=_WORST.index)}
        if len(states) < len(said) or any(state != first for state in states.values()):
            services[service]["workers"] = {str(number): state for number, state in states.items()}
    return services


def circuits_of(said: dict[int, list[list[str]] | None]) -> dict[tuple[str, str], Circuit]:
    """What each worker says of each circuit that one of them has."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for service, release, _ in (each for states in said.values() for each in states or ()):
        found[service, release] = {str(number): "no_answer" for number in said}
    for number, states in said.items():
        for service, release, state in states or ():
            found[service, release][str(number)] = state
    return {
        circuit: Circuit(next(iter(states.values())) if len(set(states.values())) == 1 else "mixed", states)
        for circuit, states in found.items()
    }


def errors_of(said: list[dict[str, Any] | None]) -> tuple[Finding, ...]:
    """Of all workers, each once; also where they have not read the same."""
    told = [answer for answer in said if answer is not None]
    errors = [msgspec.convert(error, Finding) for answer in told for error in answer["errors"]]
    if not errors and (len(told) < len(said) or not told or any(a["digest"] != told[0]["digest"] for a in told)):
        what, remedy = "the workers have not read the same", "reload again once all of them are up and no file changes"
        errors = [Finding("", 0, "", what, remedy)]
    return tuple(dict.fromkeys(errors))
