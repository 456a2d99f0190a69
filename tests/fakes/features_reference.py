"""Feature extraction once more, slow and obvious, from raw JSON: written from docs/features.md, section by section.

It shares nothing with `wardgate.domain.features` but the schema's types and the names of the marks. Where the
two disagree, one of them or the page is wrong.
"""

import base64
import datetime as dt
import math
import re
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.features.schema import FeatureSchema, FeatureSpec

Json = dict[str, Any]
Answer = dict[str, Any]
"""value, mark, at, age, shown, unobtained, trend, late."""

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Reference:
    """One call: this patient's raw resources (deduplicated), what was fetched, the clock."""

    def __init__(
        self,
        resources: list[Json],
        patient: Json | None,
        keys: list[PrefetchKey],
        states: dict[str, str],
        as_of: float,
        zone: ZoneInfo,
        encounter: Json | None = None,
        drafts: dict[str, list[Json]] | None = None,
        read_back_to: dict[str, float] | None = None,
    ) -> None:
        """`drafts` by field of the hook's context; `read_back_to` of keys of which only the newest part was read."""
        self.resources = resources
        self.patient = patient
        self.encounter = encounter
        self.drafts = drafts or {}
        self.keys = keys
        self.states = states
        self.read_back_to = read_back_to or {}
        self.as_of = as_of
        self.zone = zone

    def extract(self, schema: FeatureSchema) -> dict[str, Answer]:
        found = {spec.name: self.feature(spec) for spec in schema.features if spec.derive is None}
        waiting = [spec for spec in schema.features if spec.derive is not None]
        while waiting:
            spec = waiting.pop(0)
            names = [word for word in re.findall(r"[a-z_0-9]+", spec.derive or "") if word in by_name(schema)]
            if all(name in found for name in names):
                found[spec.name] = derived(spec, {name: found[name] for name in names})
            else:
                waiting.append(spec)
        return found

    def feature(self, spec: FeatureSpec) -> Answer:
        if spec.source == "Patient":
            return self.document_feature(spec, self.patient)
        if spec.source == "Encounter" and spec.path is not None:
            return self.document_feature(spec, self.encounter)
        candidates = self.candidates(spec)
        if not self.was_obtained(spec, candidates):
            return answer(mark="missing", unobtained=True)
        if self.hides_older(spec, candidates):
            return answer(mark="missing")
        found = self.take(spec, [c for c in candidates if not c["nameless"]])
        if found["value"] is not True and spec.codes:
            guess = self.take(spec, [c for c in candidates if c["nameless"]])
            if guess["value"] not in (None, 0.0, False) or guess["mark"] not in (None, "missing", "stale"):
                return answer(mark="missing", unobtained=True)
        return found

    def candidates(self, spec: FeatureSpec) -> list[Json]:
        if spec.source == "Observation":
            return self.observations(spec)
        return self.conditions(spec) if spec.source == "Condition" else self.events(spec)

    # What is seen

    def was_obtained(self, spec: FeatureSpec, candidates: list[Json]) -> bool:
        if spec.source == "context":
            return spec.path in self.drafts
        if not spec.codes:
            return any(
                self.states.get(key.name) == "obtained"
                for key in self.keys
                if key.resource_type == spec.source
                and not key.read
                and not any(name.split(":")[0] in CODE_PARAMETERS[spec.source] for name, _ in key.parameters)
            )
        wanted = [(s.system, code) for s in spec.codes for code in s.any]
        for system, code in wanted:
            asking = [key for key in self.keys if asks_for(key, spec.source, system, code)]
            if any(self.states.get(key.name) == "obtained" for key in asking):
                continue
            newest = max((c["at"] for c in candidates if c["at"] is not None), default=-math.inf)
            partial = [self.read_back_to[key.name] for key in asking if key.name in self.read_back_to]
            beyond = any(spec.within is not None and back_to < self.as_of - spec.within for back_to in partial)
            if not beyond and not (spec.take.value == "latest" and any(back_to < newest for back_to in partial)):
                return False
        return True

    def hides_older(self, spec: FeatureSpec, candidates: list[Json]) -> bool:
        """All that was found is too old, and what was not read may be newer than that, and too old as well."""
        if spec.within is None or spec.take.value in ("any", "count"):
            return False
        times = [c["at"] for c in candidates if c["at"] is not None]
        if not times or any(self.as_of - at <= spec.within for at in times):
            return False
        for code_set in spec.codes:
            for code in code_set.any:
                asking = [key for key in self.keys if asks_for(key, spec.source, code_set.system, code)]
                if any(self.states.get(key.name) == "obtained" for key in asking):
                    continue
                if all(self.read_back_to.get(key.name, math.inf) >= max(times) for key in asking):
                    return True
        return False

    # Observation

    def observations(self, spec: FeatureSpec) -> list[Json]:
        candidates = []
        allowed = ["final", "amended", "corrected"] if spec.statuses is None else [tidy(s) for s in spec.statuses]
        for position, resource in enumerate(self.resources):
            if resource.get("resourceType") != "Observation":
                continue
            status = tidy(resource.get("status"))
            if status not in allowed or status in ("entered-in-error", "cancelled"):
                continue
            if self.is_ahead(resource.get("issued")):
                continue
            for part in [resource, *(resource.get("component") or [])]:
                codes = matching(part.get("code"), spec)
                if codes and part.get("dataAbsentReason") is None and kinds_of(part):
                    candidates.append(
                        {
                            "codes": codes,
                            "part": part,
                            "resource": resource,
                            "position": position,
                            "at": self.observed(resource),
                            "rank": {"corrected": 2, "amended": 1}.get(status, 0),
                            "nameless": False,
                        }
                    )
        return self.settle(candidates)

    def is_ahead(self, text: str | None) -> bool:
        at = instant(text, self.zone)
        return at is not None and at > self.as_of + 300

    def observed(self, resource: Json) -> float | None:
        period = resource.get("effectivePeriod") or {}
        for text in (
            resource.get("effectiveDateTime"),
            resource.get("effectiveInstant"),
            period.get("end"),
            period.get("start"),
        ):
            if text:
                return instant(text, self.zone)
        return None

    def settle(self, candidates: list[Json]) -> list[Json]:
        present = [c for c in candidates if c["at"] is None or c["at"] <= self.as_of + 300]
        present.sort(key=self.preference)
        kept = []
        for candidate in present:
            rivals = [
                other
                for other in present
                if other["at"] == candidate["at"] is not None and min(other["codes"]) == min(candidate["codes"])
            ]
            corrections = [other for other in rivals if other["rank"] > 0]
            if not corrections or candidate["resource"] is corrections[-1]["resource"]:
                kept.append(candidate)
        return kept

    def preference(self, candidate: Json) -> tuple[Any, ...]:
        resource = candidate["resource"]
        meta = resource.get("meta") or {}
        issued = instant(resource.get("issued"), self.zone)
        updated = instant(meta.get("lastUpdated"), self.zone)
        return (
            candidate["at"] is not None,
            candidate["at"] or 0.0,
            candidate["rank"],
            -math.inf if issued is None else issued,
            -math.inf if updated is None else updated,
            resource.get("id") or "",
        )

    # take

    def take(self, spec: FeatureSpec, candidates: list[Json]) -> Answer:
        found = self.taken(spec, candidates)
        dated = [c for c in candidates if c["at"] is not None]
        if spec.take.value not in ("latest", "earliest"):
            dated = [c for c in dated if spec.within is None or self.as_of - c["at"] <= spec.within]
        return found | {"late": self.is_late(spec, dated, found["at"])}

    def taken(self, spec: FeatureSpec, candidates: list[Json]) -> Answer:
        take = spec.take.value
        dated = [c for c in candidates if c["at"] is not None]
        undated = [c for c in candidates if c["at"] is None]
        window = [c for c in dated if spec.within is None or self.as_of - c["at"] <= spec.within]
        loose = undated if spec.within is None and take not in ("latest", "earliest", "delta", "slope") else []
        if take in ("count", "any"):
            if spec.source == "Condition" and spec.within is not None and undated and not (take == "any" and window):
                return answer(mark="missing", unobtained=True)
            number = len({c["position"] for c in window + loose})
            return self.at_time(window[-1:], value=float(number) if take == "count" else number > 0)
        if not window and not loose:
            if dated:
                return self.at_time(dated[-1:], mark="stale", shown=charted(dated[-1]["part"]))
            return answer(mark="missing")
        if take == "latest":
            instants = [c for c in window if c["at"] == window[-1]["at"]]
            return self.chosen(spec, instants[-1]) | {"trend": self.trend(spec, window)}
        if take == "earliest":
            return self.chosen(spec, [c for c in window if c["at"] == window[0]["at"]][-1])
        for candidate in reversed(loose + window):
            if read(spec, candidate["part"])[1] is not None:
                return self.chosen(spec, candidate)
        values = [read(spec, c["part"])[0] for c in loose + window]
        result = self.combined(take, values, window)
        if result is None:
            return self.at_time(window[-1:], mark="missing")
        if not math.isfinite(result):
            return self.at_time(window[-1:], mark="not_numeric")
        return self.at_time(window[-1:], value=result)

    def combined(self, take: str, values: list[Any], window: list[Json]) -> float | None:
        if take in ("min", "max"):
            return float(min(values) if take == "min" else max(values))
        if take in ("sum", "mean"):
            total = total_of(values)
            return total if take == "sum" else total / len(values)
        times = [c["at"] for c in window]
        if len(set(times)) < 2:
            return None
        if take == "delta":
            first = max(i for i, time in enumerate(times) if time == times[0])
            return float(values[-1] - values[first])
        xs = [(time - times[0]) / 86400 for time in times]
        x_mean, y_mean = total_of(xs) / len(xs), total_of(values) / len(values)
        above = total_of([(x - x_mean) * (y - y_mean) for x, y in zip(xs, values, strict=True)])
        return above / total_of([(x - x_mean) ** 2 for x in xs])

    def chosen(self, spec: FeatureSpec, candidate: Json) -> Answer:
        value, mark = read(spec, candidate["part"])
        told = mark is not None or self.converted(spec, candidate["part"], value)
        return self.at_time([candidate], value=value, mark=mark, shown=charted(candidate["part"]) if told else None)

    def converted(self, spec: FeatureSpec, part: Json, value: Any) -> bool:
        """Another number stands in the chart than the feature's; asked only where a conversion is declared."""
        quantity = part.get("valueQuantity")
        if all(factor == 1 for factor in spec.convert.values()) or not isinstance(quantity, dict):
            return False
        return quantity.get("value") is not None and float(quantity["value"]) != value

    def trend(self, spec: FeatureSpec, window: list[Json]) -> list[tuple[float, float]]:
        if spec.type.value != "number":
            return []
        usable = [c for c in window if read(spec, c["part"])[1] is None][-5:]
        if usable == window[-1:]:
            return []
        return [(c["at"], read(spec, c["part"])[0]) for c in usable]

    def at_time(self, candidates: list[Json], **known: Any) -> Answer:
        at = candidates[0]["at"] if candidates else None
        return answer(at=at, age=None if at is None else max(0.0, self.as_of - at), **known)

    def is_late(self, spec: FeatureSpec, window: list[Json], selected: float | None) -> bool:
        """The selected one of latest and earliest; of any other take, one of those that it rests on."""
        if spec.max_lag is None or selected is None:
            return False
        if spec.take.value in ("latest", "earliest"):
            window = [c for c in window if c["at"] == selected][-1:]
        return any(self.lag(c) > spec.max_lag for c in window)

    def lag(self, candidate: Json) -> float:
        resource = candidate["resource"]
        issued = instant(resource.get("issued"), self.zone)
        updated = instant((resource.get("meta") or {}).get("lastUpdated"), self.zone)
        if issued is None and (updated is None or updated > self.as_of + 300):
            return 0.0
        came = issued if issued is not None else updated
        return float((came or 0.0) - candidate["at"])

    # Condition

    def conditions(self, spec: FeatureSpec) -> list[Json]:
        candidates = []
        for position, resource in enumerate(self.resources):
            codes = matching(resource.get("code"), spec)
            if resource.get("resourceType") != "Condition" or not codes:
                continue
            if {"refuted", "entered-in-error"} & set(status_codes(resource.get("verificationStatus"))):
                continue
            clinical = status_codes(resource.get("clinicalStatus"))
            if clinical:
                allowed = [tidy(s) for s in spec.statuses or ("active", "recurrence", "relapse")]
                counts = any(status in allowed for status in clinical)
            else:
                counts = spec.statuses is None and not self.abated(resource)
            if self.is_ahead(resource.get("recordedDate") or resource.get("assertedDate")):
                continue
            if counts:
                candidates.append(
                    {
                        "codes": codes,
                        "part": resource,
                        "resource": resource,
                        "position": position,
                        "at": self.began(resource),
                        "rank": 0,
                        "nameless": False,
                    }
                )
        return self.settle(candidates)

    def abated(self, resource: Json) -> bool:
        when = resource.get("abatementDateTime")
        if when is None:
            when = (resource.get("abatementPeriod") or {}).get("start")
        if when is not None:
            at = instant(when, self.zone)
            return at is not None and at <= self.as_of
        others = [resource.get(f"abatement{kind}") for kind in ("Period", "Age", "Range", "String", "Boolean")]
        return any(others)

    def began(self, resource: Json) -> float | None:
        start = (resource.get("onsetPeriod") or {}).get("start")
        for text in (
            resource.get("onsetDateTime"),
            start,
            resource.get("recordedDate"),
            resource.get("assertedDate"),
        ):
            if text:
                return instant(text, self.zone)
        return None

    # Medicines, Encounters, documents, drafts

    def events(self, spec: FeatureSpec) -> list[Json]:
        drafts = spec.source == "context"
        resources = self.drafts.get(spec.path or "", []) if drafts else self.resources
        candidates = []
        for position, resource in enumerate(resources):
            if not drafts and resource.get("resourceType") != spec.source:
                continue
            if not self.counts(spec, resource):
                continue
            concept = self.concept_of(spec.source, resource)
            codes = matching(concept, spec)
            if spec.codes and concept is not None and not codes:
                continue
            part: Json = {} if concept is None else {"valueCodeableConcept": concept}
            if spec.path == "length" and (length := length_of(resource)) is not None:
                part["valueInteger"] = length
            candidates.append(
                {
                    "codes": codes or [("", "")],
                    "part": part,
                    "resource": resource,
                    "position": position,
                    "at": self.as_of if drafts else self.event_time(spec.source, resource),
                    "rank": 0,
                    "nameless": concept is None and bool(spec.codes),
                }
            )
        return candidates if drafts else self.settle(candidates)

    def counts(self, spec: FeatureSpec, resource: Json) -> bool:
        status = tidy(resource.get("status"))
        if resource.get("doNotPerform") is True and spec.source in ("MedicationRequest", "context"):
            return False
        if spec.source == "context":
            return status not in ("entered-in-error", "cancelled", "revoked", "stopped")
        if status not in [tidy(text) for text in spec.statuses or USUAL[spec.source]]:
            return False
        match spec.source:
            case "MedicationRequest":
                return tidy(resource.get("intent")) not in ("proposal", "plan", "option")
            case "MedicationStatement":
                return tidy(resource.get("taken")) != "n" and not self.is_ahead(resource.get("dateAsserted"))
            case "DocumentReference":
                return tidy(resource.get("docStatus")) != "entered-in-error"
        return True

    def event_time(self, source: str, resource: Json) -> float | None:
        span = resource.get("period") if source == "Encounter" else resource.get("effectivePeriod")
        start, end = (span or {}).get("start"), (span or {}).get("end")
        texts = {
            "MedicationRequest": [resource.get("authoredOn")],
            "MedicationStatement": [resource.get("effectiveDateTime"), start, end, resource.get("dateAsserted")],
            "Encounter": [start, end],
            "DocumentReference": [resource.get("date"), resource.get("indexed"), resource.get("created")],
        }[source]
        for text in texts:
            if text:
                return instant(text, self.zone)
        return None

    def concept_of(self, source: str, resource: Json) -> Json | None:
        """All codes in one concept; None where they stand in a Medication that is not there."""
        if source == "Encounter":
            classes = as_list(resource.get("class"))
            codings = [coding for one in classes for coding in one.get("coding") or [one]]
            return joined([{"coding": codings}, *as_list(resource.get("type"))])
        if source == "DocumentReference":
            return joined(as_list(resource.get("type")))
        medicine: Json | None = resource.get("medicationCodeableConcept")
        if medicine is None and resource.get("medicationReference") is not None:
            medicine = self.medicine(resource, resource["medicationReference"].get("reference") or "")
            if medicine is None:
                return None
        if source != "context":
            return medicine or {}
        names = ("code", "vaccineCode", "codeCodeableConcept", "itemCodeableConcept")
        others = [resource[name] for name in names if resource.get(name) is not None]
        return joined([medicine or {}, *others, *as_list(resource.get("serviceType")), *as_list(resource.get("type"))])

    def medicine(self, resource: Json, reference: str) -> Json | None:
        if reference.startswith("#"):
            own = [one for one in resource.get("contained") or [] if one.get("resourceType") == "Medication"]
            inside = [one for one in own if one.get("id") == reference[1:]]
            return inside[0].get("code") if inside else None
        name = reference.split("/_history/")[0]
        if not name.startswith(("urn:uuid:", "Medication/")):
            return None
        known = [one for one in self.resources if one.get("resourceType") == "Medication"]
        named = [one for one in known if one.get("id") == name.removeprefix("urn:uuid:").split("/")[-1]]
        return named[-1].get("code") if named else None

    # Patient, and the Encounter of the call

    def document_feature(self, spec: FeatureSpec, document: Json | None) -> Answer:
        if document is None:
            asking = [key for key in self.keys if key.resource_type == spec.source and spec.source == "Patient"]
            asked = any(self.states.get(key.name) == "obtained" for key in asking)
            return answer(mark="missing", unobtained=not asked)
        raw: Any = document
        for step in (spec.path or "").replace("]", "").split("."):
            name, _, index = step.partition("[")
            raw = raw.get(name) if isinstance(raw, dict) else None
            if isinstance(raw, list):
                wanted = raw[int(index) : int(index) + 1] if index else raw
                raw = wanted[0] if len(wanted) == 1 else None
            elif index:
                raw = None
        if raw is None or (isinstance(raw, str) and raw.strip() == ""):
            return answer(mark="missing")
        value, mark = self.patient_value(spec, raw)
        shown = raw.strip() if isinstance(raw, str) else str(raw).lower() if isinstance(raw, bool) else None
        if shown is None and isinstance(raw, int | float) and abs(raw) <= 10**308:
            shown = number_text(raw)
        return answer(value=value, mark=mark, shown=shortened(shown) if mark else None)

    def patient_value(self, spec: FeatureSpec, raw: Any) -> tuple[Any, str | None]:
        if spec.as_ in ("hours", "days"):
            at = instant(raw, self.zone) if isinstance(raw, str) else None
            if at is None or at > self.as_of + 300:
                return None, "not_numeric" if at is None else "implausible"
            return bounded(spec, max(0.0, self.as_of - at) / (3600 if spec.as_ == "hours" else 86400), None)
        if spec.as_ is not None:
            return bounded(spec, *self.years(spec.as_, raw))
        if spec.type.value == "number":
            if isinstance(raw, bool) or not isinstance(raw, int | float | str):
                return None, "not_numeric"
            if isinstance(raw, int) and abs(raw) > 10**308:
                return None, "not_numeric"
            value, mark = text_number(raw) if isinstance(raw, str) else (float(raw), None)
            return bounded(spec, value, mark)
        if spec.type.value == "boolean" and isinstance(raw, bool):
            return raw, None
        if not isinstance(raw, str | bool):
            return None, "not_numeric"
        text = str(raw).lower() if isinstance(raw, bool) else raw.strip()
        if spec.map is None:
            return (text, None) if spec.type.value == "code" else (None, "not_numeric")
        return mapped(spec, [text])

    def years(self, unit: str, raw: Any) -> tuple[float | None, str | None]:
        possible = days_meant(raw) if isinstance(raw, str) else []
        if not possible:
            return None, "not_numeric"
        today = (EPOCH + dt.timedelta(seconds=self.as_of)).astimezone(self.zone).date()
        born = [day for day in possible if day <= today]
        if not born:
            return None, "implausible"
        birth = born[-1]
        if unit == "years":
            return (today - birth).days / 365.2425, None
        birthdays = 0
        while birthday(birth, birth.year + birthdays + 1) <= today:
            birthdays += 1
        return float(birthdays), None

    def deceased(self) -> bool | None:
        if self.patient is None:
            return None
        when = self.patient.get("deceasedDateTime")
        if self.patient.get("deceasedBoolean") is True:
            return True
        if when is None or (isinstance(when, str) and when.strip() == ""):
            return False
        at = instant(when, self.zone) if isinstance(when, str) else None
        return at is None or at <= self.as_of


def answer(
    value: Any = None,
    mark: str | None = None,
    at: float | None = None,
    age: float | None = None,
    shown: str | None = None,
    unobtained: bool = False,
) -> Answer:
    return {
        "value": value,
        "mark": mark,
        "at": at,
        "age": age,
        "shown": shown,
        "unobtained": unobtained,
        "trend": [],
        "late": False,
    }


def by_name(schema: FeatureSchema) -> dict[str, FeatureSpec]:
    return {spec.name: spec for spec in schema.features}


def derived(spec: FeatureSpec, inputs: dict[str, Answer]) -> Answer:
    """What Python says of the same text, for expressions that it reads alike."""
    timed = sorted((a for a in inputs.values() if a["at"] is not None), key=lambda a: float(a["at"]))
    when = {"at": timed[0]["at"], "age": timed[0]["age"]} if timed else {}
    late = {"late": any(a["late"] for a in inputs.values())}
    without = [a for a in inputs.values() if a["value"] is None]
    unusable = [a for a in without if a["mark"] not in ("missing", "stale")]
    unfetched = [a for a in without if a["unobtained"]]
    if without:
        blamed = [*unusable, *unfetched, *without][0]
        return answer(mark=blamed["mark"], unobtained=blamed["unobtained"], **when) | late
    names = {name: a["value"] for name, a in inputs.items()}
    try:
        value = eval(spec.derive or "", {"__builtins__": {"max": max, "min": min}}, names)
    except ZeroDivisionError:
        value = math.nan
    if not math.isfinite(value):
        return answer(mark="not_numeric", **when) | late
    value, mark = bounded(spec, value, None)
    return answer(value=value, mark=mark, **when) | late


USUAL = {
    "MedicationRequest": ["active"],
    "MedicationStatement": ["active", "recorded"],
    "Encounter": "arrived triaged in-progress onleave finished on-hold discharged completed".split(),
    "DocumentReference": ["current"],
}
CODE_PARAMETERS = {
    "Observation": ("code", "combo-code", "component-code"),
    "Condition": ("code",),
    "MedicationRequest": ("code",),
    "MedicationStatement": ("code",),
    "Encounter": ("class", "type"),
    "DocumentReference": ("type",),
}


def as_list(value: Any) -> list[Json]:
    return [] if value is None else value if isinstance(value, list) else [value]


def joined(concepts: list[Json]) -> Json:
    codings = [coding for one in concepts for coding in one.get("coding") or []]
    return {"coding": codings, "text": next((one["text"] for one in concepts if one.get("text")), None)}


def length_of(resource: Json) -> float | None:
    for content in resource.get("content") or []:
        attachment = content.get("attachment") or {}
        size, data = attachment.get("size"), attachment.get("data")
        if size is not None and str(size).strip():
            number, mark = text_number(size) if isinstance(size, str) else (float(size), None)
            if mark is None and number is not None and 0 <= number < math.inf:
                return number
        elif isinstance(data, str) and data.strip():
            try:
                return float(len(base64.b64decode("".join(data.split()), altchars=b"-_", validate=True)))
            except ValueError:
                continue
    return None


def asks_for(key: PrefetchKey, source: str, system: str, code: str) -> bool:
    if key.resource_type != source or key.read:
        return False
    for name, value in key.parameters:
        if name.split(":")[0] in CODE_PARAMETERS[source]:
            listed = [token.strip() for token in value.split(",")]
            if ":" in name or not any(token in (f"{system}|{code}", code, f"{system}|") for token in listed):
                return False
    return True


def matching(concept: Json | None, spec: FeatureSpec) -> list[tuple[str, str]]:
    found = []
    for coding in (concept or {}).get("coding") or []:
        system, code = (coding.get("system") or "").strip(), (coding.get("code") or "").strip()
        if any(system == s.system and code in s.any for s in spec.codes):
            found.append((system, code))
    return found


def tidy(status: str | None) -> str:
    return (status or "").strip().casefold()


def codes_of(concept: Json) -> list[str]:
    codes = [(coding.get("code") or "").strip() for coding in concept.get("coding") or []]
    return [code for code in codes if code]


def status_codes(status: Any) -> list[str]:
    if isinstance(status, dict):
        return [tidy(code) for code in codes_of(status) or [status.get("text") or ""] if tidy(code)]
    return [tidy(status)] if tidy(status) else []


# Reading a value


OTHERS = {
    "valueRange": "a range",
    "valueRatio": "a ratio",
    "valueDateTime": "a date",
    "valueTime": "a time",
    "valuePeriod": "a period",
    "valueSampledData": "a series of samples",
}


def kinds_of(part: Json) -> list[str]:
    kinds = []
    number = (part.get("valueQuantity") or {}).get("value")
    if number is not None and str(number).strip():
        kinds.append("quantity")
    if part.get("valueInteger") is not None:
        kinds.append("integer")
    if (part.get("valueString") or "").strip():
        kinds.append("string")
    if part.get("valueBoolean") is not None:
        kinds.append("boolean")
    if name_of(part.get("valueCodeableConcept")):
        kinds.append("concept")
    for name in OTHERS:
        other = part.get(name)
        if other not in (None, {}) and not (isinstance(other, str) and other.strip() == ""):
            kinds.append(name)
    return kinds


def name_of(concept: Json | None) -> str | None:
    if concept is None:
        return None
    displays = [(coding.get("display") or "").strip() for coding in concept.get("coding") or []]
    names = [(concept.get("text") or "").strip(), *displays, *codes_of(concept)]
    return next((name for name in names if name), None)


def read(spec: FeatureSpec, part: Json) -> tuple[Any, str | None]:
    kinds = kinds_of(part)
    if spec.type.value == "number":
        return read_number(spec, part, kinds)
    if spec.type.value == "boolean":
        if "boolean" in kinds:
            return part["valueBoolean"], None
        if spec.map is None:
            return None, "not_numeric"
    if "concept" in kinds:
        codes = codes_of(part["valueCodeableConcept"])
        if any("|" in code for code in spec.map or {}):
            codings = part["valueCodeableConcept"].get("coding") or []
            pairs = [((c.get("system") or "").strip(), (c.get("code") or "").strip()) for c in codings]
            codes = [text for system, code in pairs if code for text in (f"{system}|{code}", code)]
    elif "string" in kinds:
        codes = [part["valueString"].strip()]
    elif "boolean" in kinds:
        codes = [str(part["valueBoolean"]).lower()]
    else:
        codes = []
    if spec.map is None:
        return (codes[0], None) if codes else (None, "not_numeric")
    return mapped(spec, codes)


def mapped(spec: FeatureSpec, codes: list[str]) -> tuple[Any, str | None]:
    for code in codes:
        if code in (spec.map or {}):
            value = (spec.map or {})[code]
            return (value if isinstance(value, bool) else float(value)), None
    return None, "not_numeric"


def read_number(spec: FeatureSpec, part: Json, kinds: list[str]) -> tuple[Any, str | None]:
    value: float | None
    mark: str | None
    quantity = part["valueQuantity"] if "quantity" in kinds else None
    if quantity is not None:
        if (quantity.get("comparator") or "").strip():
            return None, "comparator"
        raw = quantity["value"]
        value, mark = text_number(raw) if isinstance(raw, str) else (float(raw), None)
    elif "integer" in kinds:
        value, mark = float(part["valueInteger"]), None
    elif "string" in kinds:
        value, mark = text_number(part["valueString"])
    else:
        value, mark = None, "not_numeric"
    if mark is not None or value is None:
        return None, mark
    if spec.unit is not None:
        unit = unit_of(quantity)
        accepted = {litres(spec.unit): 1.0, **{litres(u): f for u, f in spec.convert.items()}}
        if unit is None or litres(unit) not in accepted:
            return None, "wrong_unit"
        value *= accepted[litres(unit)]
    return bounded(spec, value, None)


def bounded(spec: FeatureSpec, value: float | None, mark: str | None) -> tuple[float | None, str | None]:
    if mark is not None or value is None:
        return None, mark
    low, high = spec.plausible or (-math.inf, math.inf)
    if math.isinf(value) or value < low or value > high:
        return None, "implausible"
    return value, None


def text_number(text: str) -> tuple[float | None, str | None]:
    text = text.strip()
    plain = text[1:] if text[:1] in ("+", "-") else text
    if plain and all(letter in "0123456789.eE+-" for letter in plain) and plain[0] in "0123456789.":
        try:
            value = float(text)
        except ValueError:
            return None, "not_numeric"
        return (value, None) if math.isfinite(value) else (None, "not_numeric")
    for sign in ("<=", ">=", "<", ">", "≤", "≥"):
        if text.startswith(sign):
            rest = text[len(sign) :].lstrip(" \t\n\r\f\v")
            rest = rest[1:] if rest[:1] in ("+", "-") else rest
            rest = rest[1:] if rest[:1] == "." else rest
            if rest[:1] in tuple("0123456789"):
                return None, "comparator"
    return None, "not_numeric"


def unit_of(quantity: Json | None) -> str | None:
    if quantity is None:
        return None
    if (quantity.get("system") or "").strip() not in ("", "http://unitsofmeasure.org"):
        return None
    return (quantity.get("code") or "").strip() or (quantity.get("unit") or "").strip() or None


PREFIXES = ["", *"YZEPTGMkhdcmunpfazy", "da"]


def litres(unit: str) -> str:
    """The unit with each litre written `L`."""
    pieces: list[str] = []
    symbol, braces = "", 0
    for letter in unit + "\0":
        if letter == "{" or braces:
            symbol += letter
            braces += (letter == "{") - (letter == "}")
        elif letter in "./()\0":
            pieces += [litre_symbol(symbol), letter]
            symbol = ""
        else:
            symbol += letter
    return "".join(pieces)[:-1]


def litre_symbol(symbol: str) -> str:
    bare, brace, annotation = symbol.partition("{")
    stem = bare.rstrip("0123456789")
    if stem != bare and stem[-1:] in ("+", "-"):
        stem = stem[:-1]
    if stem[-1:] in ("l", "L") and stem[:-1] in PREFIXES:
        return stem[:-1] + "L" + bare[len(stem) :] + brace + annotation
    return symbol


def charted(part: Json) -> str | None:
    kinds = kinds_of(part)
    if "quantity" in kinds:
        quantity = part["valueQuantity"]
        value = quantity["value"]
        words = [
            quantity.get("comparator") or "",
            value if isinstance(value, str) else number_text(value),
            (quantity.get("unit") or "").strip() or quantity.get("code") or "",
        ]
        return shortened(" ".join(word.strip() for word in words if word.strip()))
    if "integer" in kinds:
        return shortened(number_text(part["valueInteger"]))
    if "string" in kinds:
        return shortened(part["valueString"].strip())
    if "boolean" in kinds:
        return str(part["valueBoolean"]).lower()
    if "concept" in kinds:
        return shortened(name_of(part["valueCodeableConcept"]))
    return next((words for name, words in OTHERS.items() if name in kinds), None)


def shortened(text: str | None) -> str | None:
    return text if text is None or len(text) <= 80 else text[:79] + "…"


def number_text(number: float) -> str:
    number = float(number) or 0.0
    if not math.isfinite(number):
        return str(number)
    return str(number).removesuffix(".0") if abs(number) < 1e15 else str(number)


# Times


@lru_cache(100_000)  # the only haste here: a chart's few times are read for each feature
def instant(text: str | None, zone: ZoneInfo) -> float | None:
    if not text:
        return None
    text = text.strip()
    day_text, t, clock = text.partition("T")
    day = first_day(day_text)
    if day is None or (t and len(day_text) != 10):
        return None
    offset: dt.tzinfo = zone
    if clock.endswith("Z"):
        clock, offset = clock[:-1], dt.UTC
    elif clock[-6:-5] in ("+", "-"):
        hours, minutes = digits(clock[-5:-3], 2), digits(clock[-2:], 2)
        if hours is None or minutes is None or clock[-3] != ":" or minutes > 59 or hours * 60 + minutes > 840:
            return None
        ahead = dt.timedelta(hours=hours, minutes=minutes)
        offset, clock = dt.timezone(ahead if clock[-6] == "+" else -ahead), clock[:-6]
    parts: list[int | None] = [0, 0, 0, 0]
    if t:
        whole, point, fraction = clock.partition(".")
        fields = whole.split(":")
        if len(fields) not in (2, 3) or (point and (len(fields) != 3 or not fraction)):
            return None
        parts[: len(fields)] = [digits(field, 2) for field in fields]
        if point:
            parts[3] = None if digits(fraction, len(fraction)) is None else int(fraction.ljust(6, "0")[:6])
    hour, minute, second, micro = parts
    if hour is None or minute is None or second is None or micro is None:
        return None
    if second == 60:
        second, micro = 59, 999_000
    if hour > 23 or minute > 59 or second > 59:
        return None
    moment = dt.datetime.combine(day, dt.time(hour, minute, second, micro), tzinfo=offset)
    return (moment - EPOCH).total_seconds()


def digits(text: str, length: int) -> int | None:
    return int(text) if len(text) == length and text.isascii() and text.isdigit() else None


def first_day(text: str) -> dt.date | None:
    parts = text.split("-")
    numbers = [digits(part, 4 if i == 0 else 2) for i, part in enumerate(parts)]
    if len(parts) > 3:
        return None
    year, month, day = [*numbers, 1, 1][:3]
    try:
        return dt.date(year or 0, month or 0, day or 0)
    except ValueError:
        return None


def days_meant(text: str) -> list[dt.date]:
    """All days that a date may stand for; none where it is no date. Of a time, its day."""
    text = text.strip()
    if instant(text, UTC_ZONE) is None:
        return []
    written = text.partition("T")[0]
    first = first_day(written)
    assert first is not None
    days = [first + dt.timedelta(days=i) for i in range(366)]
    return [day for day in days if day.isoformat().startswith(written)]


UTC_ZONE = ZoneInfo("UTC")


def birthday(birth: dt.date, year: int) -> dt.date:
    try:
        return birth.replace(year=year)
    except ValueError:
        return dt.date(year, 3, 1)


def total_of(values: list[Any]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return math.inf
