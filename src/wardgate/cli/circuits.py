"""`wardgate circuits`: the circuits to the models' endpoints, and taking one out of use. Exit 0: done; 1: not; 3: done,
or perhaps, and not confirmed by all."""

import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx2

from wardgate.cli import rollout
from wardgate.cli.admin import CannotAsk, client_for, refused_by, stranger, token_header, unanswered, url_of

_PATIENCE = httpx2.Timeout(15.0)  # the parent waits 5 for a worker that hangs
_WAIT = 45.0


def run(
    action: str,
    service: str | None = None,
    release: str | None = None,
    admin: str | None = None,
    why: Mapping[str, str] | None = None,
) -> int:
    """`action`: list, isolate or close; `why`: reason, ticket and remark. The admin listener that is not given is that
    of the running demo, else that of the default port."""
    admin, began = url_of(admin), time.monotonic()
    try:
        if action == "list":
            return _list(_asked("GET", admin, "/admin/v1/circuits")[1])
        assert service is not None and release is not None
        place = f"{quote(service, safe='')}/{quote(release, safe='')}"
        status, said = _asked("POST", admin, f"/admin/v1/circuits/{place}/{action}", why)
    except CannotAsk as error:
        return rollout.failed(error)
    if status == 404:
        print(f"There is no release {release} of {service}. `wardgate circuits` lists what there is.", file=sys.stderr)
        return 1
    print(_line(service, release, said))
    if not said["done"]:
        print("Not all workers have done it. One that does not answer is replaced; ask again.", file=sys.stderr)
        return 1
    if said.get("stored") is False:
        return _here_alone(release)
    if said.get("epoch") is None:
        return 0
    return rollout.confirmed(rollout.Asked(admin, {}, _WAIT), said["epoch"], began)


def _here_alone(release: str) -> int:
    print(
        "The durable store is away: ONLY this gateway has done it, and a restart forgets it.\n"
        "Ask the admin listeners of the others too, and again once the store is back. To take the release\n"
        f"out of sight everywhere now: wardgate kill release {release}",
        file=sys.stderr,
    )
    return rollout.UNCONFIRMED


def _list(circuits: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> int:
    for service, releases in circuits.items():
        for release, circuit in releases.items():
            print(_line(service, release, circuit))
    return 0


def _line(service: str, release: str, circuit: Mapping[str, Any]) -> str:
    workers = circuit.get("workers", {})
    each = ", ".join(f"worker {number} {state}" for number, state in workers.items())
    return f"{service} {release}  {circuit['state']}" + (f" ({each})" if each else "")


def _asked(method: str, admin: str, path: str, body: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Status and document; raises CannotAsk where it is not the admin listener that answers."""
    try:
        with client_for(admin, _PATIENCE) as http:
            reply = http.request(method, f"{admin}{path}", headers=token_header(), json=body or None)
    except (httpx2.TransportError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise unanswered(admin, error, "", method == "POST") from None
    try:
        document = reply.json()
    except ValueError:
        document = None
    if isinstance(document, dict) and ("done" in document or (method == "GET" and _is_list(document))):
        return reply.status_code, document
    raise stranger(reply) if reply.status_code == 200 else refused_by(reply, method == "POST")


def _is_list(document: Mapping[str, Any]) -> bool:
    """Of circuits: by service, by release."""
    releases = [each for each in document.values() if isinstance(each, dict)]
    circuits = [circuit for each in releases for circuit in each.values()]
    return len(releases) == len(document) and all(isinstance(each, dict) and "state" in each for each in circuits)
