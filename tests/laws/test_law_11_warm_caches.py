"""Law 11, with everything warm that is kept between calls: the last score, marks, held answers, twins.

Two clients whose patients share their ids, several FHIR servers, encounters and users; calls interleaved, faults thrown
in. Each patient has numbers that nobody else has, so that one value of another would be seen.
"""

import asyncio
import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import settings

from tests.fakes.asgi import JSON, ask
from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.config_tree import sound_config
from tests.fakes.gateway import FakeGateway
from tests.fakes.hot import FlakyStore, memory
from tests.fakes.model import FakeModel
from tests.fakes.validator import problems_of_call
from wardgate.domain.clients import Client
from wardgate.domain.outcomes import Reason

SERVERS = (None, "http://one.test/fhir", "http://two.test/fhir")
SERVICE = """\
deadline: 500ms
fallback: [{cached: {max_age: 12h, without_context: true}}, none]
absence_means: screened_negative
suppress: {same: [user], for: 1h}
"""
FAULTS = (None, None, None, Reason.MODEL_ERROR, Reason.MODEL_TIMEOUT, Reason.REPLY_RANGE, Reason.PROBE_FAILED)
TOGETHER = 8
_UACR = re.compile(r"\| UACR \| (\d+)")


@dataclass
class Person:
    """One patient of one client on one server. `seen` are her albumin values, none of them anybody else's."""

    client: str
    server: str | None
    id: str
    values: Iterator[int]
    newest: int = 0
    seen: set[int] = field(default_factory=set)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def call(self, dice: random.Random, instances: Iterator[int]) -> dict[str, Any]:
        """A repeat, a refresh of what she had, or a chart with a new value; the labs may be out of reach."""
        kind = dice.random()
        if self.sent and kind < 0.2:
            return dice.choice(self.sent[-3:])
        if not self.seen or kind > 0.9:
            self.newest = next(self.values)
            self.seen.add(self.newest)
        user, visit = dice.choice("uv"), dice.choice(["e1", "e2"])
        body = hook_body(
            patient(id=self.id),
            [lab("33914-3", 20.0), lab("9318-7", float(self.newest))],
            [],
            hookInstance=f"00000000-0000-4000-9000-{next(instances) // dice.choice([1, 1, 2]):012d}",
            context={"userId": f"Practitioner/{user}", "patientId": self.id, "encounterId": visit},
        )
        for resource in (entry["resource"] for entry in body["prefetch"]["labs"]["entry"]):
            resource["subject"] = {"reference": f"Patient/{self.id}"}
        if self.server is not None:
            body["fhirServer"] = self.server
        if dice.random() < 0.1:
            body["prefetch"].pop("labs")
        self.sent.append(body)
        return body


def score_of(uacr: float) -> float:
    return 0.2 + uacr / 100_000


async def test_no_value_of_another_patient_in_ten_thousand_calls(tmp_path: Path) -> None:
    """Cards, scores and ids that leave are hers; whatever the model, the store, the records and the clock do."""
    dice = random.Random(11)
    service = (
        ("deadline: 500ms\n", SERVICE),
        ("required_prefetch: [patient, labs]", "required_prefetch: [patient]"),
        ('population: "age >= 18 and egfr < 60"', 'population: "age >= 18"'),
    )
    model = FakeModel(function=lambda age, male, egfr, uacr: score_of(uacr))
    house = FakeGateway(sound_config(tmp_path, service=service), model, site="hospital_a", hot=memory)
    assert isinstance(house.hot, FlakyStore)
    names = ("north", "south")
    edges = {
        name: house.edge_of(Client(name, frozenset(filter(None, SERVERS)), (), "hospital_a", ZoneInfo("UTC"), True))
        for name in names
    }
    values, instances = itertools.count(100), itertools.count()
    people = [Person(name, server, who, values) for name in names for server in SERVERS for who in ("p1", "p2")]
    uuids: dict[str, Person] = {}
    steps: dict[str, int] = {}

    async def one(person: Person, body: dict[str, Any]) -> None:
        reply = await ask(edges[person.client], "POST", "/cds-services/kidney-failure", msgspec.json.encode(body), JSON)
        assert problems_of_call(reply.status, "application/json", reply.body) == []
        assert reply.status == 200
        for card in reply.json()["cards"]:
            assert uuids.setdefault(card["uuid"], person) is person
            assert {int(value) for value in _UACR.findall(card["detail"])} <= person.seen

    for _ in range(settings().max_examples * 10 // TOGETHER):
        house.model.broken = dice.choice(FAULTS)
        house.hot.down, house.hot.deaf = dice.random() < 0.1, dice.random() < 0.1
        house.sink.full = dice.random() > 0.95
        house.clock.advance(dice.choice([0.5, 5.0, 15.0, 90.0, 700.0]))
        batch = [(person, person.call(dice, instances)) for person in dice.choices(people, k=TOGETHER)]
        await asyncio.gather(*[one(*each) for each in batch])
    for counted in house.meter.calls:
        steps["/".join(counted[4:7:2])] = steps.get("/".join(counted[4:7:2]), 0) + 1
    for warm in ("shown/model", "shown/cached", "suppressed/model", "unavailable/none"):
        assert steps[warm] > len(house.meter.calls) / 100, steps
    for record in house.sink.newest(20_000):
        for uuid in record.card_uuids if record.score is not None else ():
            assert record.score in {score_of(value) for value in uuids[uuid].seen} or not record.visible
    assert sum(record.repeats is not None for record in house.sink.newest(10_000)) > len(house.meter.calls) / 200
    assert house.meter.faults == []
