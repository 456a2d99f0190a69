"""A small FHIR server over resources in memory: R4, or what calls itself STU3.

    python -m wardgate.lab.fhir_server --port 0                    the demo's patients
    python -m wardgate.lab.fhir_server --port 0 --patients DIR     your own: Bundles as .json or .json.gz

It prints `fhir URL` (the FHIR base) once it listens. Read, search by GET and by POST, paging, and where
`--token` is given, a bearer token. What is created, updated or deleted stays in memory and can be taken back:
`POST [base]/$reset`, or `POST [base]/Patient/ID/$reset` for one patient. A browser may write only from a page
of this machine.
"""

import argparse
import base64
import json
import re
import secrets
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from wardgate.lab import asgi, cohort, fhir_search
from wardgate.lab.asgi import Reply, Request
from wardgate.lab.fhir_search import Pairs, Unsupported
from wardgate.lab.fhir_store import ID, Resource, Store, UnreadableBundle, load_bundle, load_folder, parse

PATH = "/fhir"
_DEFAULT_COUNT = 100
_MAX_COUNT = 500
_MAX_CHANGES = 10_000  # resources that differ from what was loaded: the memory is somebody's
_MAX_DEPTH = 64
VERSIONS = {"R4": "4.0.1", "STU3": "3.0.2"}
_METHODS = "GET, POST, PUT, DELETE, OPTIONS"
_JSON = ("application/fhir+json", "application/json+fhir", "application/json")
_OWN_MACHINE = re.compile(r"http://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?")


class FhirServer:
    """`base` is this server's own FHIR base URL, for links; None `token`: open to everybody.

    `version` is what `/metadata` says (R4 or STU3); the resources are served as they were loaded.
    """

    def __init__(self, store: Store, base: str, token: str | None = None, version: str = "R4") -> None:
        self._store = store
        self._base = base
        self._token = token
        self._version = version

    def answer(self, request: Request) -> Reply:
        reply = self._route(request)
        # The oldest clients ask for the name that the type had in DSTU2, and read nothing else.
        if reply.body is not None and "application/json+fhir" in request.headers.get("accept", ""):
            return Reply(reply.status, reply.body, {**reply.headers, "content-type": "application/json+fhir"})
        return reply

    def _route(self, request: Request) -> Reply:
        if request.method == "OPTIONS":
            return asgi.preflight(_METHODS)
        if not (request.path + "/").startswith(PATH + "/"):
            return outcome(404, "not-found", "no such path")
        parts = [part for part in request.path[len(PATH) :].split("/") if part]
        if parts == ["metadata"] and request.method == "GET":
            return Reply(200, self._capability())
        if not self._allowed(request):
            return outcome(401, "login", "a bearer token is required", {"www-authenticate": "Bearer"})
        match request.method, parts:
            case "GET", [kind, key]:
                return self._read(kind, key)
            case "GET", [kind]:
                return self._search(kind, request.query, request)
            case "POST", [kind, "_search"]:
                form = request.body.decode("utf-8", "replace")
                return self._search(kind, "&".join(part for part in (request.query, form) if part), request)
        return self._write(request, parts)

    def _write(self, request: Request, parts: list[str]) -> Reply:
        origin = request.headers.get("origin")
        if origin is not None and not _OWN_MACHINE.fullmatch(origin):
            return outcome(403, "forbidden", "only a page of this machine may write here")
        match request.method, parts:
            case "POST", ["$reset"]:
                return _put_back(self._store.reset())
            case "POST", ["Patient", key, "$reset"]:
                return _put_back(self._store.reset(key))
            case "POST", [kind]:
                return self._put(kind, None, request)
            case "PUT", [kind, key]:
                return self._put(kind, key, request)
            case "DELETE", [kind, key]:
                if self._store.read(kind, key) is not None:
                    self._store.change(kind, key, None)
                return Reply(204)
        known = request.method in ("GET", "POST", "PUT", "DELETE")
        return outcome(404 if known else 405, "not-supported", "no such interaction")

    def _put(self, kind: str, key: str | None, request: Request) -> Reply:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _JSON:
            return outcome(415, "not-supported", "a resource is sent as application/fhir+json")
        try:
            resource = parse(request.body)
        except (ValueError, RecursionError):
            return outcome(400, "structure", "the body is not JSON")
        if not isinstance(resource, dict) or resource.get("resourceType") != kind or not kind.isalpha():
            return outcome(400, "invalid", "the body must be a resource of the type in the address")
        if _too_deep(resource, _MAX_DEPTH):
            return outcome(400, "structure", "the resource is nested too deep")
        if key is None:
            resource["id"] = key = str(uuid.uuid4())
        elif resource.get("id") != key or not ID.fullmatch(key):
            return outcome(400, "invalid", "the resource's id must be the one in the address, and a FHIR id")
        if self._store.changes() >= _MAX_CHANGES:
            return outcome(422, "too-costly", "this server has been changed as often as it allows: reset it")
        status = 200 if self._store.read(kind, key) is not None else 201
        self._store.change(kind, key, resource)
        return Reply(status, resource, {"location": f"{self._base}/{kind}/{key}"})

    def _allowed(self, request: Request) -> bool:
        if self._token is None:
            return True
        sent = request.headers.get("authorization", "")
        return secrets.compare_digest(sent.encode(), f"Bearer {self._token}".encode())

    def _read(self, kind: str, key: str) -> Reply:
        resource = self._store.read(kind, key)
        if resource is None:
            return outcome(404, "not-found", "this server has no such resource")
        return Reply(200, resource)

    def _search(self, kind: str, query: str, request: Request) -> Reply:
        if not kind.isalpha():
            return outcome(404, "not-found", "no such path")
        try:
            parameters, offset = _page(parse_qsl(query, keep_blank_values=True))
            if "handling=lenient" in request.headers.get("prefer", ""):
                known = {*fhir_search.supported(kind), "_sort", "_count"}
                parameters = [pair for pair in parameters if pair[0] in known]
            found = fhir_search.search(self._store, kind, parameters)
            count = _count(parameters)
        except Unsupported as error:
            return outcome(400, "not-supported", str(error))
        return Reply(200, self._bundle(kind, parameters, found, offset, count))

    def _bundle(self, kind: str, parameters: Pairs, found: list[Resource], offset: int, count: int) -> Resource:
        links = [{"relation": "self", "url": f"{self._base}/{kind}?{urlencode(parameters)}"}]
        if offset + count < len(found) and count > 0:
            links.append({"relation": "next", "url": f"{self._base}/{kind}?_page={_token(parameters, offset + count)}"})
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": links,
            "entry": [
                {"fullUrl": f"{self._base}/{kind}/{each['id']}", "resource": each, "search": {"mode": "match"}}
                for each in found[offset : offset + count]
            ],
        }

    def _capability(self) -> Resource:
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-01",
            "kind": "instance",
            "implementation": {"description": "wardgate lab: patients that do not exist", "url": self._base},
            "fhirVersion": VERSIONS[self._version],
            "format": list(_JSON),
            "rest": [{"mode": "server", "resource": [_capability_of(kind) for kind in self._store.kinds()]}],
        } | ({"acceptUnknown": "no"} if self._version == "STU3" else {})


def _capability_of(kind: str) -> Resource:
    interactions = ("read", "search-type", "create", "update", "delete")
    return {
        "type": kind,
        "interaction": [{"code": code} for code in interactions],
        "searchParam": [{"name": name, "type": of} for name, of in fhir_search.supported(kind).items()],
    }


def _put_back(number: int) -> Reply:
    issue = {"severity": "information", "code": "informational", "diagnostics": f"{number} resources put back"}
    return Reply(200, {"resourceType": "OperationOutcome", "issue": [issue]})


def _too_deep(node: object, levels: int) -> bool:
    if not isinstance(node, list | dict):
        return False
    return levels == 0 or any(
        _too_deep(each, levels - 1) for each in (node.values() if isinstance(node, dict) else node)
    )


def outcome(status: int, code: str, what: str, headers: dict[str, str] | None = None) -> Reply:
    issue = {"severity": "error", "code": code, "diagnostics": what}
    return Reply(status, {"resourceType": "OperationOutcome", "issue": [issue]}, headers or {})


def _count(parameters: Pairs) -> int:
    asked = [value for name, value in parameters if name == "_count"]
    if not asked:
        return _DEFAULT_COUNT
    if not asked[-1].isascii() or not asked[-1].isdigit():
        raise Unsupported("_count is a whole number")
    return min(int(asked[-1]), _MAX_COUNT)


def _token(parameters: Pairs, offset: int) -> str:
    """A page's address holds all that is needed to serve it, so that the server keeps no state."""
    return base64.urlsafe_b64encode(json.dumps([offset, parameters]).encode()).decode().rstrip("=")


def _page(parameters: Pairs) -> tuple[Pairs, int]:
    if not parameters or parameters[0][0] != "_page":
        return parameters, 0
    token = parameters[0][1]
    try:
        offset, pairs = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return [(str(name), str(value)) for name, value in pairs], max(0, int(offset))
    except (ValueError, TypeError, RecursionError):
        raise Unsupported("_page is not one of this server's") from None


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m wardgate.lab.fhir_server", description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8083, help="0 takes a free one")
    parser.add_argument("--patients", type=Path, help="a folder of Bundles instead of the demo's patients")
    parser.add_argument("--token", help="demand this bearer token")
    parser.add_argument(
        "--fhir-version", choices=tuple(VERSIONS), default="R4", help="what /metadata says (default: %(default)s)"
    )
    parser.add_argument("--today", type=date.fromisoformat, help="the day that the demo's patients are dated back from")
    options = parser.parse_args(arguments)
    store = Store()
    try:
        _fill(store, options.patients, options.today)
    except (OSError, UnreadableBundle, cohort.NoGenerator) as error:
        sys.exit(f"fhir server: {error}")
    try:
        listener, url = asgi.listen(options.host, options.port)
    except OSError as error:
        sys.exit(f"fhir server: cannot listen on {options.host}:{options.port}: {error.strerror}")
    server = FhirServer(store, url + PATH, options.token, options.fhir_version)
    print("fhir", url + PATH, flush=True)
    asgi.run(asgi.app(server.answer, "application/fhir+json"), listener)


def _fill(store: Store, folder: Path | None, today: date | None) -> None:
    if folder is not None:
        load_folder(store, folder)
        return
    # The program's edge: the only place of the lab that reads the wall clock.
    now = datetime.now(UTC)  # noqa: TID251
    for bundle in cohort.build(today or now.date(), None if today else now):
        load_bundle(store, bundle)


if __name__ == "__main__":
    main()
