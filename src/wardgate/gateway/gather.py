"""Gathering the clinical context of a call: what the EHR sent, and then only what is missing, in parallel.

CDS Hooks 2.0.1, "Prefetch Template": a key may be absent, null, an error, or paged, and it is the service's
duty to read the rest itself (PF-1 to PF-6). Where everything came along, nothing here waits.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from wardgate.domain.context.assemble import Agreement, Answer, agreement, assemble
from wardgate.domain.context.drafts import Drafts, decode_drafts
from wardgate.domain.context.ownership import Owner
from wardgate.domain.context.paging import newest_back_to, next_url
from wardgate.domain.context.prefetch import PrefetchKey, fill
from wardgate.domain.context.record import KeyState, PatientRecord
from wardgate.domain.context.resources import Page, decode_value
from wardgate.domain.errors import PatientMismatch, PrefetchRequired
from wardgate.domain.hooks import FhirAccess, HookRequest
from wardgate.domain.times import local_date
from wardgate.gateway.call import HookCall
from wardgate.gateway.ports import Clock, FhirReader, Meter

# Looking up a member of an enum costs more than all that is done with it here.
_OBTAINED, _PARTIAL, _UNOBTAINED = KeyState.OBTAINED, KeyState.PARTIAL, KeyState.UNOBTAINED
_DIFFERS, _UNSURE = Agreement.DIFFERS, Agreement.UNSURE


@dataclass(frozen=True, slots=True)
class GatherOptions:
    max_pages: int = 8
    """Pages of one key, the one in the prefetch included; what lies beyond makes the key partial."""
    max_concurrent: int = 8
    """Reads that one call has open at the same time; a FHIR server is shared by everybody."""
    max_bytes: int = 4 * 1024 * 1024
    """Of all that one call brings and reads; decoding cannot be interrupted, so there must be an end to it (law 1)."""
    seconds_per_byte: float = 100e-9
    """What decoding and extraction take of one call's answers, at most: the worst Observations measured take 70 ns.
    An answer that would not be worked off by the deadline is not even decoded."""


class Gatherer:
    def __init__(self, reader: FhirReader, meter: Meter, clock: Clock, options: GatherOptions | None = None) -> None:
        self._reader = reader
        self._clock = clock
        self._meter = meter
        self._options = options or GatherOptions()

    async def gather(self, call: HookCall) -> PatientRecord:
        """Raises PatientMismatch (400) for a prefetch that contradicts the context, and PrefetchRequired (412)
        where a required key can neither be taken from the request nor read."""
        request = call.request
        owner = Owner(request.patient_id, request.fhir_server, request.client.fhir_servers)
        answers = [_sent(key, request, owner) for key in call.plan.prefetch]
        wrong_patient = False
        missing = [answer for answer in answers if answer.state is not _OBTAINED]
        if missing:
            wrong_patient = await self._complete(missing, call, owner)
            _refuse_unobtained(missing)
        record = assemble(answers, owner, request.encounter_id, wrong_patient, _drafts(call))
        for cause, count in record.dropped.items():
            self._meter.resource_dropped(cause, count)
        return record

    def given(self, call: HookCall) -> PatientRecord:
        """What the EHR has sent, and nothing else; raises PatientMismatch."""
        request = call.request
        owner = Owner(request.patient_id, request.fhir_server, request.client.fhir_servers)
        answers = [_sent(key, request, owner) for key in call.plan.prefetch]
        return assemble(answers, owner, request.encounter_id, False, _drafts(call))

    async def _complete(self, missing: Sequence[Answer], call: HookCall, owner: Owner) -> bool:
        """Read what is missing and settle each state; True where a resource was read that the context contradicts."""
        access = call.request.access
        wrong = False
        if access is not None:
            reads = _Reads(self._reader, self._clock, self._options, call, access, owner)
            timer = asyncio.timeout(call.budget.context - self._clock.monotonic())
            try:
                async with timer:
                    await reads.all(missing)
            except TimeoutError:
                if not timer.expired():
                    raise
            wrong = reads.wrong
        for answer in missing:
            if answer.state is KeyState.PARTIAL and (back_to := _read_back_to(answer, call.request)) is not None:
                answer.state, answer.read_back_to = KeyState.PARTIAL_NEWEST, back_to
        return wrong


class _Reads:
    """The FHIR reads of one call: one token, one server, one end of time."""

    def __init__(
        self,
        reader: FhirReader,
        clock: Clock,
        options: GatherOptions,
        call: HookCall,
        access: FhirAccess,
        owner: Owner,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._max_pages = options.max_pages
        self._bytes_left = options.max_bytes
        self._seconds_per_byte = options.seconds_per_byte
        self._work = 0.0  # seconds that everything at hand takes at most, decoded or not
        self._slots = asyncio.Semaphore(options.max_concurrent)
        self._expires = call.budget.expires
        self._until = call.budget.context
        self._request = call.request
        self._noted = call.memory.reads
        self._now = call.now
        self._access = access
        self._owner = owner
        self.wrong = False
        """Whether something was read that the context contradicts."""
        sent = [(key, self._request.prefetch.get(key.name, b"")) for key in call.plan.prefetch]
        for key, value in sent:
            if not isinstance(value, Page):
                self._charge(len(value), key.whole)
        if any(isinstance(value, Page) for _, value in sent):
            self._charge(self._request.size, whole=False)  # their share of the body is not known, so all of it
        if call.plan.context_fields:
            self._charge(len(self._request.context), whole=True)

    async def all(self, missing: Sequence[Answer]) -> None:
        """Cancelled when its time is up: what is there by then is there."""
        if len(missing) == 1:
            await self._answer(missing[0])
            return
        async with asyncio.TaskGroup() as group:
            for answer in missing:
                group.create_task(self._answer(answer))

    async def _answer(self, answer: Answer) -> None:
        """Read the first page where there is none, then the next ones."""
        seen: set[str] = set()
        if answer.state is KeyState.UNOBTAINED:
            relative = fill(answer.key, self._request.tokens, self._today)
            if relative is None:
                return
            url = f"{self._access.server}/{relative}"
            seen.add(url)
            page = await self._page(url, answer.key)
            if page is None:
                return
            verdict = agreement(answer.key, page, self._owner, self._request.encounter_id)
            answer.pages.append(page)
            if verdict is Agreement.UNSURE:
                return
            answer.state = KeyState.OBTAINED if page.next is None else KeyState.PARTIAL
            if verdict is Agreement.DIFFERS:
                self.wrong = True
                return
        await self._follow(answer, seen)

    def _today(self) -> date:
        return local_date(self._now, self._request.client.zone)

    async def _follow(self, answer: Answer, seen: set[str]) -> None:
        """The next pages, up to the bound, as long as the links stay on the server and lead somewhere new."""
        link = answer.pages[-1].next
        read = 1
        while link is not None and read < self._max_pages:
            url = next_url(self._access.server, link)
            if url is None or url in seen:
                return
            seen.add(url)
            page = await self._page(url, answer.key)
            if page is None:
                return
            answer.pages.append(page)
            read += 1
            link = page.next
        if link is None:
            answer.state = KeyState.OBTAINED

    async def _page(self, url: str, key: PrefetchKey) -> Page | None:
        async with self._slots:
            timeout = self._left()
            if timeout <= 0 or self._bytes_left <= 0:
                return None
            body = await self._reader.read(self._access, url, timeout)
        if body is None:
            return None
        self._charge(len(body), key.whole)
        if self._bytes_left < 0 or self._left() <= 0:
            return None  # what came too late, or is too much, is not even decoded
        self._noted.append((url, body))
        return decode_value(body, key.resource_type, key.whole)

    def _charge(self, size: int, whole: bool) -> None:
        self._bytes_left -= size
        self._work += size * self._seconds_per_byte * (2 if whole else 1)  # resource by resource: see decode_value

    def _left(self) -> float:
        """Seconds that reads may still take: the model's share stays, and time for what is already at hand."""
        return min(self._until, self._expires - self._work) - self._clock.monotonic()


def _sent(key: PrefetchKey, request: HookRequest, owner: Owner) -> Answer:
    """What the EHR sent for a key. Another patient's chart ends the call at once (trap T-21)."""
    page = request.prefetch.get(key.name)
    if isinstance(page, msgspec.Raw):
        page = decode_value(page, key.resource_type, key.whole)
    if page is None:
        return Answer(key, [], _UNOBTAINED)
    verdict = agreement(key, page, owner, request.encounter_id)
    if verdict is _DIFFERS:
        raise PatientMismatch(
            "this resource is not the one that the context names; send the prefetch and the context of one patient",
            f"prefetch.{key.name}",
        )
    if verdict is _UNSURE:
        return Answer(key, [page], _UNOBTAINED)
    return Answer(key, [page], _OBTAINED if page.next is None else _PARTIAL)


def _drafts(call: HookCall) -> Drafts | None:
    fields = call.plan.context_fields
    return decode_drafts(call.request.context, fields) if fields else None


def _refuse_unobtained(answers: Sequence[Answer]) -> None:
    for answer in answers:
        if answer.key.required and answer.state is KeyState.UNOBTAINED:
            raise PrefetchRequired(
                "this prefetch is required, was not sent, and could not be read; send it, or a fhirServer of this "
                "client's list with a token that may read it",
                f"prefetch.{answer.key.name}",
            )


def _read_back_to(answer: Answer, request: HookRequest) -> float | None:
    if any(page.unreadable for page in answer.pages):
        return None
    resources = [resource for page in answer.pages for resource in page.resources]
    return newest_back_to(answer.key, resources, request.client.zone)
