"""A small EHR: discovers the services, prefetches what they ask for, calls one and times it.

For a person at a terminal. Unlike the gateway it may print a patient: that is what it is for.
"""

import json
import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from urllib.parse import quote

import httpx2

from wardgate.cli.admin import token_header
from wardgate.cli.signing import Signs

_TOKEN = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_USER_TOKENS = {
    "Practitioner": "userPractitionerId",
    "PractitionerRole": "userPractitionerRoleId",
    "Patient": "userPatientId",
    "RelatedPerson": "userRelatedPersonId",
}
_COUNTER = re.compile(r"wardgate_calls_total\{(.*)\} (\S+)")
_JSON = {"Content-Type": "application/json"}
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class CannotCall(Exception):
    """Why no call was made, and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True)
class Prefetched:
    """`count` is how many resources a key brought; None: it could not be had, for the reason `why`."""

    key: str
    count: int | None
    why: str = ""


@dataclass(frozen=True)
class HookAnswer:
    """One hook call from both sides. `counted` is how the gateway's own counter named it, where that is known; `sent`
    and `received` are the bytes of the two bodies."""

    service: Mapping[str, Any]
    patient: Mapping[str, Any]
    prefetched: tuple[Prefetched, ...]
    request: Mapping[str, Any]
    status: int
    milliseconds: float
    body: Any
    counted: Mapping[str, str] | None
    sent: bytes = b""
    received: bytes = b""

    @property
    def cards(self) -> list[Mapping[str, Any]]:
        cards = self.body.get("cards") if self.status == 200 and isinstance(self.body, dict) else None
        return cards if isinstance(cards, list) else []


class Ehr:
    """Closes its connections when used as a context manager. All URLs are without trailing slash."""

    def __init__(
        self, gateway: str, fhir: str, user: str, admin: str | None = None, signer: Signs | None = None
    ) -> None:
        self._gateway = gateway.rstrip("/")
        self._fhir = fhir.rstrip("/")
        self._user = user
        self._admin = admin
        self._signer = signer
        # Not by way of a proxy: what is called is on this machine or in this house.
        self._http = httpx2.Client(timeout=10, trust_env=False)

    def __enter__(self) -> "Ehr":
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.close()

    def services(self) -> list[Mapping[str, Any]]:
        """What the gateway offers; raises CannotCall."""
        try:
            reply = self._http.get(f"{self._gateway}/cds-services", headers=self._signed("/cds-services"))
            offered = reply.json()["services"] if reply.status_code == 200 else None
        except (httpx2.TransportError, httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise CannotCall(
                f"No gateway answers at {self._gateway}.",
                "Start one with `wardgate demo`, or name yours with --gateway URL.",
            ) from None
        except (ValueError, KeyError, TypeError):
            offered = None
        if offered is None and reply.status_code == 401:
            raise CannotCall(
                f"The gateway at {self._gateway} does not know who calls (401).",
                "Sign as a client that it has registered: --key FILE --issuer URL. Its metric "
                "wardgate_authentications_total says what was wrong with the token.",
            )
        if not isinstance(offered, list):
            raise CannotCall(
                f"What answers at {self._gateway} is no CDS Hooks service (no discovery at /cds-services).",
                "Name the gateway with --gateway URL.",
            )
        return offered

    def call(self, service_id: str, patient_id: str, prefetch: bool = True) -> HookAnswer:
        """One call of a service for a patient; raises CannotCall where none can be made."""
        service = self._service(service_id)
        patient = self._patient(patient_id)
        request, prefetched = self._request(service, patient_id, prefetch)
        before = self._counters()
        sent = json.dumps(request).encode()
        reply, milliseconds = self._post(service_id, sent)
        counted = _moved(before, self._counters())
        told = (reply.status_code, milliseconds, _json(reply), counted, sent, reply.content)
        return HookAnswer(service, patient, prefetched, request, *told)

    def request(self, service_id: str, patient_id: str, prefetch: bool | Collection[str] = True) -> dict[str, Any]:
        """The body of such a call; `prefetch`: the keys that are sent, True: all of them. Raises CannotCall."""
        return self._request(self._service(service_id), patient_id, prefetch)[0]

    def _request(
        self, service: Mapping[str, Any], patient_id: str, prefetch: bool | Collection[str]
    ) -> tuple[dict[str, Any], tuple[Prefetched, ...]]:
        context = {"userId": self._user, "patientId": patient_id}
        request: dict[str, Any] = {
            "hook": service["hook"],
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": self._fhir,
            "context": context,
        }
        prefetched: list[Prefetched] = []
        if prefetch and service.get("prefetch"):
            request["prefetch"] = {}
            for key, template in service["prefetch"].items():
                if prefetch is not True and key not in prefetch:
                    continue
                state, value = self._prefetch(key, template, context)
                prefetched.append(state)
                if value is not None:
                    request["prefetch"][key] = value
        return request, tuple(prefetched)

    def _service(self, service_id: str) -> Mapping[str, Any]:
        offered = self.services()
        matching = [each for each in offered if each.get("id") == service_id]
        if not matching:
            ids = ", ".join(sorted({str(each.get("id")) for each in offered})) or "none"
            raise CannotCall(f"The gateway at {self._gateway} has no service {service_id!r}.", f"It offers: {ids}.")
        usable = [each for each in matching if each.get("hook") == "patient-view"] or matching
        return usable[0]

    def _patient(self, patient_id: str) -> Mapping[str, Any]:
        reply = self._read(f"{self._fhir}/Patient/{quote(patient_id, safe='')}")
        if reply.status_code == 200:
            patient = _json(reply)
            if isinstance(patient, dict):
                return patient
        if reply.status_code in (404, 410):
            raise CannotCall(f"The FHIR server at {self._fhir} has no patient {patient_id!r}.", self._who_is_there())
        raise CannotCall(
            f"The FHIR server at {self._fhir} answers {reply.status_code} to a read of the patient.",
            "Name another with --fhir URL (the FHIR base).",
        )

    def patients(self) -> list[str]:
        """The ids of the FHIR server's first patients; raises CannotCall."""
        bundle = _json(self._read(f"{self._fhir}/Patient?_count=40"))
        return [str(each.get("id")) for each in _resources(bundle)]

    def _who_is_there(self) -> str:
        ids = self.patients()
        return f"It has: {', '.join(ids)}." if ids else "Name another with --fhir URL (the FHIR base)."

    def _read(self, url: str) -> httpx2.Response:
        try:
            return self._http.get(url, headers={"Accept": "application/fhir+json"})
        except (httpx2.TransportError, httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise CannotCall(
                f"No FHIR server answers at {self._fhir}.",
                "Start the demo with `wardgate demo`, or name yours with --fhir URL (the FHIR base).",
            ) from None

    def _prefetch(self, key: str, template: str, context: Mapping[str, str]) -> tuple[Prefetched, Any]:
        query = resolve(template, context)
        if query is None:
            return Prefetched(key, None, "a token of its template has no value"), None
        reply = self._read(f"{self._fhir}/{query}")
        value = _json(reply) if reply.status_code == 200 else None
        if not isinstance(value, dict):
            return Prefetched(key, None, f"the FHIR server answers {reply.status_code}"), None
        return Prefetched(key, len(_resources(value)) if value.get("resourceType") == "Bundle" else 1), value

    def _post(self, service_id: str, body: bytes) -> tuple[httpx2.Response, float]:
        started = perf_counter()
        path = f"/cds-services/{quote(service_id, safe='')}"
        url, headers = f"{self._gateway}{path}", {"Content-Type": "application/json", **self._signed(path)}
        try:
            reply = self._http.post(url, content=body, headers=headers)
        except httpx2.TransportError:
            raise CannotCall(
                f"The gateway at {self._gateway} broke off the call.", "Its log on standard error says why."
            ) from None
        return reply, (perf_counter() - started) * 1000

    def _signed(self, path: str) -> dict[str, str]:
        return {} if self._signer is None else self._signer.header(self._gateway, path)

    def _counters(self) -> dict[str, float]:
        if self._admin is None:
            return {}
        try:
            text = self._http.get(f"{self._admin}/metrics", headers=token_header()).text
        except httpx2.TransportError:
            return {}
        return {labels: float(value) for labels, value in _COUNTER.findall(text)}


def resolve(template: str, context: Mapping[str, str]) -> str | None:
    """A prefetch template with its tokens filled in and percent-encoded; None where one has no value."""
    values = {f"context.{name}": value for name, value in context.items()}
    kind, _, key = context.get("userId", "").partition("/")
    if kind in _USER_TOKENS and key:
        values[_USER_TOKENS[kind]] = key
    if any(name not in values for name in _TOKEN.findall(template)):
        return None
    return _TOKEN.sub(lambda match: quote(values[match[1]], safe=""), template)


def _json(reply: httpx2.Response) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None


def _resources(bundle: Any) -> list[Mapping[str, Any]]:
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    found = [entry.get("resource") for entry in entries or [] if isinstance(entry, dict)]
    return [each for each in found if isinstance(each, dict) and each.get("resourceType") != "OperationOutcome"]


def _moved(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, str] | None:
    """The labels of the one counter that this call moved; None where others called at the same time."""
    moved = [labels for labels, value in after.items() if value != before.get(labels, 0.0)]
    if len(moved) != 1 or after[moved[0]] - before.get(moved[0], 0.0) != 1:
        return None
    return dict(_LABEL.findall(moved[0]))
