"""Every way that a call, a report or a question can take, with marks in the place of everything."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from wardgate.lab.canary.drive import Base, Driver, Request

Way = Callable[[Driver, Request, Base], Awaitable[object]]


async def every_way(at: Driver, base: Base) -> None:
    for way in WAYS:
        await way(at, at.planted(base), base)


async def whole(at: Driver, request: Request, base: Base) -> None:
    await at.call(base, request)


async def again(at: Driver, request: Request, base: Base) -> None:
    await at.call(base, request)
    await at.call(base, request)


async def read_from_the_fhir_server(at: Driver, request: Request, base: Base) -> None:
    given = request.pop("prefetch", {})
    at.publish(_resources(given))
    access = {
        "access_token": at.marks.text("access_token"),
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": at.marks.text("scope"),
        "subject": at.marks.text("subject"),
    }
    await at.call(base, {**request, "fhirServer": at.fhir, "fhirAuthorization": access})


async def read_what_is_not_there(at: Driver, request: Request, base: Base) -> None:
    request.pop("prefetch", None)
    await at.call(base, {**request, "fhirServer": at.fhir})


async def nothing_to_read(at: Driver, request: Request, base: Base) -> None:
    request.pop("prefetch", None)
    await at.call(base, request)


async def another_fhir_server(at: Driver, request: Request, base: Base) -> None:
    request.pop("prefetch", None)
    access = {"access_token": at.marks.text("access_token"), "token_type": "Bearer"}
    server = f"https://{at.marks.text('fhirServer')}.example/{at.marks.text('fhirServer')}"
    await at.call(base, {**request, "fhirServer": server, "fhirAuthorization": access})


async def another_patient(at: Driver, request: Request, base: Base) -> None:
    _renamed(request.get("prefetch"), request["context"]["patientId"], at.marks.text("another patient"))
    await at.call(base, request)


async def unreadable_values(at: Driver, request: Request, base: Base) -> None:
    for resource in _resources(request.get("prefetch", {})):
        for key in [key for key in resource if key.startswith("value")]:
            resource[key] = {"value": at.marks.text("value"), "unit": at.marks.text("unit")}
        for key in ("birthDate", "effectiveDateTime", "onsetDateTime", "status", "gender"):
            if key in resource:
                resource[key] = at.marks.text(key)
    await at.call(base, request)


async def values_of_other_kinds(at: Driver, request: Request, base: Base) -> None:
    for resource in _resources(request.get("prefetch", {})):
        for key in [key for key in resource if key not in ("resourceType", "id")]:
            resource[key] = [{at.marks.text("key"): at.marks.text("value")}]
            break
    await at.call(base, request)


async def keys_nobody_knows(at: Driver, request: Request, base: Base) -> None:
    request[at.marks.text("key")] = {at.marks.text("key"): at.marks.number(12.0, "extension")}
    request["context"][at.marks.text("key")] = at.marks.text("context")
    request["extension"] = {at.marks.text("key"): at.marks.text("extension")}
    request.setdefault("prefetch", {})[at.marks.text("prefetch key")] = {"resourceType": at.marks.text("type")}
    await at.call(base, request)


async def wrong_shapes(at: Driver, request: Request, base: Base) -> None:
    for key in ("context", "hookInstance", "prefetch", "fhirServer", "fhirAuthorization", "hook"):
        await at.call(base, {**request, key: [at.marks.text(key)]})
        await at.call(base, {**request, key: at.marks.text(key)})


async def wrong_ids(at: Driver, request: Request, base: Base) -> None:
    for key in ("patientId", "encounterId", "userId"):
        for value in (
            f"{at.marks.text(key)} born {at.marks.date('1956-03-01')}",
            f"{at.marks.text(key)}/../x",
            "x" * 99,
        ):
            await at.call(base, {**request, "context": {**request["context"], key: value}})


async def broken_json(at: Driver, request: Request, base: Base) -> None:
    body = json.dumps(request).encode()
    for broken in (
        body[: len(body) // 2],
        body + body,
        body.replace(b'"', b"'"),
        b"\xff\xfe" + body,
        b"[" * 300 + body,
    ):
        await at.call(base, broken)


async def half_a_body(at: Driver, request: Request, base: Base) -> None:
    """Announced whole; then the client is gone."""
    body = json.dumps(request).encode()
    await at.send("POST", f"/cds-services/{base.service}", body[: len(body) // 2], length=len(body))


async def a_slow_upload(at: Driver, request: Request, base: Base) -> None:
    body = json.dumps(request).encode()
    await at.send("POST", f"/cds-services/{base.service}", body[: len(body) // 2], length=len(body), stays=True)


async def too_large(at: Driver, request: Request, base: Base) -> None:
    text = at.marks.text("note")
    await at.send("POST", f"/cds-services/{base.service}", text.encode(), length=10**10)


async def other_paths(at: Driver, request: Request, base: Base) -> None:
    body, mark = json.dumps(request).encode(), at.marks.text
    await at.send("POST", f"/cds-services/{mark('path')}", body)
    await at.send("POST", f"/cds-services/{base.service}/{mark('path')}", body)
    await at.send("POST", f"/cds-services/{base.service}?patient={mark('query')}&name={quote(mark('query'))}", body)
    await at.send("GET", f"/{mark('path')}?{mark('query')}={mark('query')}")
    await at.send("GET", f"/cds-services?patient={mark('query')}")
    await at.send("GET", f"/health/ready?patient={mark('query')}")
    await at.send("GET", f"http://{mark('host')}/cds-services")


async def other_methods(at: Driver, request: Request, base: Base) -> None:
    body = json.dumps(request).encode()
    for method in ("GET", "PUT", "DELETE", at.marks.text("method").upper()):
        await at.send(method, f"/cds-services/{base.service}", body)
    preflight = {
        "origin": f"https://{at.marks.text('origin')}.example",
        "access-control-request-method": at.marks.text("method"),
        "access-control-request-headers": at.marks.text("header"),
    }
    await at.send("OPTIONS", f"/cds-services/{base.service}", b"", preflight)


async def other_types(at: Driver, request: Request, base: Base) -> None:
    for name in ("content-type", "content-encoding", "transfer-encoding", "expect"):
        await at.call(base, request, {name: f"text/{at.marks.text(name)}"})


async def no_http(at: Driver, request: Request, base: Base) -> None:
    await at.send(at.marks.text("line"), f" {at.marks.text('line')} ", json.dumps(request).encode())
    await at.call(base, request, {at.marks.text("header"): at.marks.text("header"), "x": "y" * 70_000})


async def feedback(at: Driver, request: Request, base: Base) -> None:
    mark = at.marks.text
    for card in (mark("card"), at.marks.uuid("card"), *at.uuids[-2:]):
        reason = {"code": mark("code"), "system": mark("system"), "display": mark("display")}
        given = {
            "card": card,
            "outcome": "overridden",
            "overrideReason": {"reason": reason, "userComment": mark("userComment")},
            "outcomeTimestamp": at.marks.time("2026-11-21T09:00:00"),
            "acceptedSuggestions": [{"id": at.marks.uuid("suggestion")}],
            mark("key"): mark("value"),
        }
        await at.call(base, {"feedback": [given]}, tail="/feedback")
        accepted = {**given, "outcome": "accepted", "acceptedSuggestions": [{"id": mark("suggestion")}]}
        await at.call(
            base, {"feedback": [accepted, {"card": mark("card"), "outcome": mark("outcome")}]}, tail="/feedback"
        )
    await at.call(base, {"feedback": mark("feedback")}, tail="/feedback")
    await at.call(base, json.dumps({"feedback": [{"card": mark("card")}]}).encode()[:-3], tail="/feedback")


async def questions(at: Driver, request: Request, base: Base) -> None:
    """To the admin listener: about records, with names that nobody gave, and with those that somebody was given."""
    mark = at.marks.text
    for name in (mark("name"), at.marks.uuid("name"), request["hookInstance"], *at.uuids[-1:]):
        await at.ask(f"/admin/v1/trace/{quote(name)}")
    for release in (mark("release"), f"{mark('model')}@{mark('version')}", "sha256:" + "0" * 64):
        await at.ask(f"/admin/v1/affected?release={release}&format=csv&since={mark('since')}")
        await at.ask(f"/admin/v1/affected?release={release}")
    for what in ("decisions", "feedback", "outcomes"):
        await at.ask(f"/admin/v1/{what}?service={mark('service')}&until={mark('until')}")
        await at.ask(f"/admin/v1/{what}?service={base.service}")
    await at.ask(f"/admin/v1/circuits/{mark('service')}/{mark('release')}/isolate", b"{}")
    await at.ask(f"/admin/v1/{mark('path')}?{mark('query')}={mark('query')}")
    await at.ask("/admin/v1/reload", mark("body").encode(), mark("type"), "PATCH")
    for token in (f"wgt_{mark('token')}", at.marks.token()):
        await at.ask(f"/admin/v1/trace/{at.marks.uuid('name')}", token=token)
    for path in ("/health/services", "/health/stores", "/health/ready", "/admin/v1/circuits"):
        await at.ask(f"{path}?patient={mark('query')}")


async def outcomes(at: Driver, request: Request, base: Base) -> None:
    """Good rows, bad ones, and what is no table at all."""
    mark = at.marks.text
    patient, label = request["context"]["patientId"], (base.labels or ("none",))[0]
    where = f"/admin/v1/outcomes?source=laboratory&fhir_server={quote(at.fhir, safe='')}"
    head = "patient,encounter,label,value,time,event,client,fhir_server\n"
    rows = [
        f"{patient},,{label},true,{at.marks.time('2026-11-21T09:00:00')},{mark('event')},,\n",
        f"{patient},{mark('encounter')},{label},{at.marks.number(12.0, 'value')},2026-11-21T09:00:00Z,,,\n",
        f"{mark('patient')},,{mark('label')},{mark('value')},{mark('time')},{mark('event')},{mark('client')},\n",
        f'"{mark("patient")}"x,,{label},true,{at.marks.date("1956-03-01")},,,{mark("fhir_server")}\n',
    ]
    await at.ask(where, (head + rows[0]).encode(), "text/csv")
    for row in rows:
        await at.ask(f"{where}&skip_bad={mark('skip_bad')}", (head + row).encode(), "text/csv")
        await at.ask(where, (head + row).encode(), "text/csv")
    await at.ask(f"{where}&skip_bad=true", (head + "".join(rows)).encode(), "text/csv")
    line = json.dumps(
        {"patient": patient, "label": label, "value": mark("value"), "time": mark("time"), mark("key"): 1}
    )
    await at.ask(where, line.encode(), "application/x-ndjson")
    await at.ask(where, line.encode()[:-4], "application/x-ndjson")
    await at.ask(where, f"{mark('column')},{mark('column')}\n".encode(), "text/csv")
    await at.ask(f"/admin/v1/outcomes?source={quote(mark('source').upper())}", head.encode(), "text/csv")
    await at.ask(f"/admin/v1/outcomes?client={mark('client')}&fhir_server={mark('server')}", head.encode(), "text/csv")
    await at.ask(where, line.encode(), f"text/{mark('type')}")


WAYS: tuple[Way, ...] = (
    whole,
    again,
    read_from_the_fhir_server,
    read_what_is_not_there,
    nothing_to_read,
    another_fhir_server,
    another_patient,
    unreadable_values,
    values_of_other_kinds,
    keys_nobody_knows,
    wrong_shapes,
    wrong_ids,
    broken_json,
    half_a_body,
    a_slow_upload,
    too_large,
    other_paths,
    other_methods,
    other_types,
    no_http,
    feedback,
    questions,
    outcomes,
)


def _resources(given: Any) -> list[Request]:
    """Those that stand in a prefetch, by themselves or in Bundles."""
    found = []
    for resource in given.values():
        if resource.get("resourceType") == "Bundle":
            found += [entry["resource"] for entry in resource.get("entry", ())]
        else:
            found.append(resource)
    return found


def _renamed(value: Any, old: str, new: str) -> None:
    """Every `id` and reference of `old`."""
    match value:
        case dict():
            for key, inner in value.items():
                if isinstance(inner, str):
                    value[key] = new if inner == old else inner.replace(f"/{old}", f"/{new}")
                _renamed(inner, old, new)
        case list():
            for inner in value:
                _renamed(inner, old, new)
