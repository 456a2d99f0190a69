"""Every request, bundle and feedback of the corpus folder, through a whole gateway: no 5xx, no fault, no planted name
in an answer, a record or a label, and every answer valid.

The folder is laid out like this: `cdshooks/requests`, `cdshooks/responses`, `cdshooks/feedback` and `cdshooks/vendor_*`
hold one JSON file a body (a vendor's say `request`, `response` or `feedback` in their names); `patients` and `messy`
hold FHIR resources and bundles, gzipped or not. Parts that are not there are passed over; a folder that has none of
them is a mistake.
"""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.asgi import JSON, Reply, ask
from tests.fakes.charts import bundle, lab, patient
from tests.fakes.gateway import FHIR, FakeGateway
from tests.fakes.many_hooks import SERVICE, many_hooks
from tests.fakes.markers import MARKER, plant
from tests.fakes.validator import problems_of_call, problems_of_feedback
from wardgate.domain.hooks import FhirAccess
from wardgate.web.edge import EdgeOptions

Json = dict[str, Any]

PLANTED: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda body: body,
    "names": plant,
    "everywhere": lambda body: plant(body, everywhere=True),
}


@dataclass
class AnyFhir:
    """A server of one chart: the patient by any id, and the whole chart for any search. Without one, of whoever is
    asked for: kidneys that do poorly."""

    patient: Json | None = None
    chart: Json | None = None

    async def read(self, access: FhirAccess, url: str, timeout: float) -> bytes | None:
        kind, _, rest = url.removeprefix(f"{FHIR}/").partition("/")
        if kind == "Patient" and rest:
            return json.dumps({**(self.patient or patient()), "id": rest}).encode()
        return json.dumps(self.chart or self._poorly(url)).encode()

    def _poorly(self, url: str) -> Json:
        whose = {"reference": f"Patient/{url.partition('patient=')[2].partition('&')[0]}"}
        return bundle(*(lab(code, value, subject=whose) for code, value in (("33914-3", 18.0), ("9318-7", 450.0))))


@pytest.fixture(scope="module")
def folder(corpus: Path | None) -> Path:
    if corpus is None:
        pytest.skip("no corpus: give its folder with --corpus or WARDGATE_CORPUS")
    assert any((corpus / part).is_dir() for part in ("cdshooks", "patients", "messy")), f"nothing to try in {corpus}"
    return corpus


@pytest.fixture
def gateway(tmp_path: Path) -> FakeGateway:
    """At every hook of the library; bodies may be as large as charts get."""
    options = EdgeOptions(max_body=64 * 1024**2)
    return FakeGateway(many_hooks(tmp_path), site="hospital_a", options=options, system_actions=True)


def files(*folders: Path, kind: str = "") -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each JSON file whose name holds `kind`."""
    for folder in folders:
        for path in sorted(folder.rglob("*.json*")) if folder.is_dir() else ():
            if kind in path.name and path.suffix != ".jsonl":
                body = path.read_bytes()
                yield path.name, gzip.decompress(body) if path.suffix == ".gz" else body


def vendors(folder: Path) -> list[Path]:
    return sorted((folder / "cdshooks").glob("vendor_*"))


def bodies(folder: Path, kind: str) -> list[tuple[str, bytes]]:
    plain = folder / "cdshooks" / (kind if kind == "feedback" else f"{kind}s")
    return [*files(plain), *files(*vendors(folder), kind=kind)]


def variants(body: bytes) -> Iterator[tuple[str, Any]]:
    """The body as it was found, and with names planted; what is not JSON goes as it is."""
    try:
        document = json.loads(body)
    except ValueError:
        yield "as it is", body
        return
    for name, change in PLANTED.items():
        yield name, change(document)


async def answered(gateway: FakeGateway, body: Any, where: str, planted: bool) -> Reply:
    """The reply to one call, which must be sound whatever was asked."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = await ask(gateway.edge, "POST", f"/cds-services/{SERVICE}", sent, JSON)
    assert reply.status < 500, (where, reply.body)
    assert problems_of_call(reply.status, reply.headers["content-type"], reply.body) == [], where
    assert gateway.meter.faults == [], where
    if planted:
        assert MARKER not in reply.everything(), where
    return reply


def nothing_kept(gateway: FakeGateway) -> None:
    """What was planted stands in no record, no label and no kept report (law 4)."""
    assert MARKER not in repr(gateway.sink.newest(10**6))
    assert MARKER not in repr(gateway.meter)
    assert MARKER not in repr(gateway.feedback.newest(10**6))


@pytest.mark.requirement("INV-1", "GEN-1", "GEN-3", "RSP-1", "SEC-17")
@pytest.mark.parametrize("server", [False, True], ids=["no FHIR server", "a FHIR server"])
async def test_every_request_is_answered(folder: Path, gateway: FakeGateway, server: bool) -> None:
    """As it was found and with names planted, with its own FHIR server (which is not ours to read) and with one that
    answers: a valid answer each time."""
    seen: Counter[int] = Counter()
    if server:
        gateway.reader.delegate = AnyFhir()
    for name, body in bodies(folder, "request"):
        for variant, document in variants(body):
            if server and isinstance(document, dict):
                document = {**document, "fhirServer": FHIR}
            reply = await answered(gateway, document, f"{name}, {variant}", variant != "as it is")
            seen[reply.status] += 1
    nothing_kept(gateway)
    assert seen.keys() <= {200, 400, 412}, seen
    if seen[200] and server:
        assert any(counted[5] == "threshold_met" for counted in gateway.meter.calls), "no call got as far as a card"


@pytest.mark.requirement("PF-1", "PF-2", "SEC-17")
@pytest.mark.parametrize("part", ["patients", "messy"])
async def test_every_chart_is_read(folder: Path, gateway: FakeGateway, part: str) -> None:
    """As the prefetch of a call, for the patient that it holds, and as the answers of a FHIR server."""
    gateway.reader.delegate = server = AnyFhir()
    for name, text in files(folder / part):
        for variant, chart in variants(text):
            body, server.patient, server.chart = call_for(chart)
            where, planted = f"{name}, {variant}", variant != "as it is"
            await answered(gateway, body, where, planted)
            await answered(gateway, {**body, "prefetch": {}, "fhirServer": FHIR}, f"{where}, read", planted)
    nothing_kept(gateway)


def call_for(chart: Any) -> tuple[Json, Json | None, Json]:
    """A hook call that carries a chart as it was found, its Patient, and a Bundle of it."""
    resources = list(resources_of(chart))
    whose = next((each for each in resources if each.get("resourceType") == "Patient"), None)
    whole = chart if isinstance(chart, dict) and chart.get("resourceType") == "Bundle" else bundle(*resources)
    patient_id = str(whose.get("id")) if whose is not None else "p1"
    prefetch = {"patient": whose or patient(), "labs": whole, "problems": whole}
    context = {"userId": "Practitioner/u1", "patientId": patient_id}
    instance = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
    body = {"hook": "patient-view", "hookInstance": instance, "context": context, "prefetch": prefetch}
    return body, whose, whole


def resources_of(document: Any) -> Iterator[Json]:
    if isinstance(document, list):
        for each in document:
            yield from resources_of(each)
    elif isinstance(document, dict):
        if "resourceType" in document and document["resourceType"] != "Bundle":
            yield document
        else:
            for value in document.values():
                yield from resources_of(value)


@pytest.mark.requirement("FB-1", "FB-2", "SEC-17")
async def test_every_feedback_is_answered(folder: Path, gateway: FakeGateway) -> None:
    """Taken, or refused by the name of an element; nothing that a clinician wrote is kept."""
    for name, body in bodies(folder, "feedback"):
        for variant, document in variants(body):
            sent = document if isinstance(document, bytes) else json.dumps(document).encode()
            reply = await ask(gateway.edge, "POST", f"/cds-services/{SERVICE}/feedback", sent, JSON)
            where = f"{name}, {variant}"
            assert reply.status in (200, 400), where
            assert problems_of_feedback(reply.status, reply.headers["content-type"], reply.body) == [], where
            assert variant == "as it is" or MARKER not in reply.everything(), where
    nothing_kept(gateway)


def test_every_response_is_judged(folder: Path) -> None:
    """The validator copes with whatever services answer, and finds nothing wrong in the specification's own example."""
    for name, body in bodies(folder, "response"):
        wrong = problems_of_call(200, "application/json", body)
        if name.startswith("HL7__cds-hooks--input_pagecontent_index.md"):
            assert wrong == [], name
