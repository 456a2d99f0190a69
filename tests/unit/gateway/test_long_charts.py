"""A chart that is too long to be read: what is said of its newest part is true of all of it."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.fakes.context_fhir import ACCESS, BASE, LABS_URL, FakeFhir, Json, bundle, call_for, observation
from tests.fakes.context_fhir import LABS as TEMPLATE
from tests.fakes.features_bundles import DAY, LOINC, NOW, UCUM, lab
from tests.fakes.meter import FakeMeter
from wardgate.domain.features.compile import check_schema, compile_schema
from wardgate.domain.features.schema import FeatureSchema, Take
from wardgate.domain.features.vector import FeatureValue, Mark
from wardgate.gateway.gather import Gatherer, GatherOptions

HOUR = 3600.0
CODES = ("1-1", "2-2", "3-3")
SCHEMA = FeatureSchema(
    "1",
    tuple(
        lab(f"{take.value}_{'_'.join(code[0] for code in codes)}_{int((within or 0) // HOUR)}", codes, **more)
        for take in Take
        for codes in (CODES[:1], CODES[:2], CODES[2:])
        for within in (None, 3 * HOUR, DAY)
        if (more := {"take": take, "within": within} | ({} if take in (Take.ANY, Take.COUNT) else {"unit": "mg/dL"}))
    ),
)


def chart(random: Random) -> list[Json]:
    """Results at full hours, some of one instant, some corrected, of codes of which one may be rare or absent."""
    codes = random.choice((CODES, CODES[:1], CODES[:2], ("1-1",) * 9 + ("2-2",)))
    results = []
    for number in range(random.randrange(40)):
        at = datetime.fromtimestamp(NOW, UTC) - timedelta(hours=random.randrange(36))
        quantity = {"value": random.randrange(1, 90), "system": UCUM, "code": random.choice(("mg/dL", "mg/dL", "g/L"))}
        results.append(
            observation(
                f"o{number}",
                status=random.choice(("final", "final", "final", "corrected", "preliminary")),
                code={"coding": [{"system": LOINC, "code": random.choice(codes)}]},
                effectiveDateTime=at.isoformat(),
                valueQuantity=quantity,
            )
        )
    return sorted(results, key=lambda result: str(result["effectiveDateTime"]), reverse=True)


def server(results: list[Json], size: int) -> dict[str, object]:
    """The search in pages of `size`."""
    found: dict[str, object] = {}
    for number, start in enumerate(range(0, max(len(results), 1), size)):
        url = LABS_URL if number == 0 else f"{BASE}/Observation?page={number}"
        behind = f"{BASE}/Observation?page={number + 1}" if start + size < len(results) else None
        found[url] = bundle(*results[start : start + size], next_link=behind)
    return found


async def read(results: list[Json], size: int, most: int) -> dict[str, FeatureValue]:
    call = call_for({"labs": TEMPLATE}, access=ACCESS)
    gatherer = Gatherer(FakeFhir(server(results, size)), FakeMeter(), FakeClock(), GatherOptions(max_pages=most))
    record = await gatherer.gather(call)
    extractor = compile_schema(SCHEMA, call.plan.prefetch)
    return dict(extractor.extract(record, NOW, ZoneInfo("UTC")).values)


@given(st.integers(0, 2**32))
async def test_what_a_part_of_the_chart_says_all_of_it_says(seed: int) -> None:
    """A feature may be unobtained, never another one; of what is too old a part may know less."""
    random = Random(seed)
    results = chart(random)
    whole = await read(results, 50, 1)
    part = await read(results, random.randint(1, 4), random.randint(1, 5))
    for name, found in part.items():
        expected = whole[name]
        if found.unobtained:
            continue
        if found.mark is Mark.MISSING and found.at is None and expected.mark is Mark.STALE:
            continue
        said = (found.value, found.mark, found.at, found.age, found.shown)
        assert said == (expected.value, expected.mark, expected.at, expected.age, expected.shown), (seed, name)


async def test_what_was_never_charted_is_missing_from_a_long_chart() -> None:
    """Two days of pulses are read, and in them no oxygen: that is known of the last day, and not of all years."""
    assert check_schema(SCHEMA) == []
    hours = [datetime.fromtimestamp(NOW, UTC) - timedelta(hours=hour) for hour in range(72)]
    pulses = [
        observation(f"o{hour}", code={"coding": [{"system": LOINC, "code": "1-1"}]}, effectiveDateTime=at.isoformat())
        for hour, at in enumerate(hours)
    ]
    found = await read(pulses, 6, 8)
    assert found["latest_3_24"] == FeatureValue("latest_3_24", None, Mark.MISSING, unit="mg/dL")
    assert found["any_3_24"].value is False and found["count_3_24"].value == 0.0 and found["count_1_24"].value == 25.0
    assert found["latest_3_0"].unobtained and found["any_3_0"].unobtained and found["count_1_0"].unobtained
