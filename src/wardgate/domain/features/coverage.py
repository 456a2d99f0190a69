"""Which codes of a feature the prefetch asks for: proved by `wardgate check`, and applied again in every call.

FHIR R4, "Search": a token is `system|code`, `code` or `system|`; commas are OR, a repeated parameter is AND.
"""

import re
from collections.abc import Mapping, Sequence

from wardgate.domain.context.prefetch import PrefetchKey, names_context
from wardgate.domain.features.schema import FeatureSpec
from wardgate.domain.features.sources import CONTEXT, SOURCES

_NEUTRAL = frozenset({"_sort", "_count", "_format", "_pretty", "_total", "_include", "_revinclude"})
_PATIENT_PARAMETERS = frozenset({"patient", "subject", "patient:Patient", "subject:Patient"})
_MEDICINES = frozenset({"MedicationRequest", "MedicationStatement"})
_COMMA = re.compile(r"(?<!\\),")


def codes_of(spec: FeatureSpec) -> frozenset[tuple[str, str]]:
    """All (system, code) pairs of a feature."""
    return frozenset((codes.system.strip(), code.strip()) for codes in spec.codes for code in codes.any)


def covered_codes(key: PrefetchKey, spec: FeatureSpec) -> frozenset[str]:
    """Those codes of the feature, as `system|code`, that this key asks for."""
    if not _searches(key, spec):
        return frozenset()
    covered = codes_of(spec)
    for name, value in key.parameters:
        if name in SOURCES[spec.source].parameters:
            tokens = frozenset(token.strip() for token in _COMMA.split(value))
            covered = frozenset(pair for pair in covered if not tokens.isdisjoint(_tokens_of(*pair)))
        elif name.partition(":")[0] in SOURCES[spec.source].parameters:
            return frozenset()  # code:in, code:not, ...: what they leave is not known here
    return frozenset(f"{system}|{code}" for system, code in covered)


def _searches(key: PrefetchKey, spec: FeatureSpec) -> bool:
    """Whether it looks for resources of the feature's type; not where it reads one that the context names."""
    by_code = spec.source in SOURCES and not spec.reads_document
    return by_code and key.resource_type == spec.source and not key.read and names_context(key) is None


def serves(key: PrefetchKey, spec: FeatureSpec) -> bool:
    """Whether the feature may rest on what this key brings."""
    if spec.source == CONTEXT:
        return False
    return bool(covered_codes(key, spec)) if spec.codes else key.name in _keys_of_all(spec, (key,))


def _keys_of_all(spec: FeatureSpec, prefetch: Sequence[PrefetchKey]) -> frozenset[str]:
    """The keys that answer a feature without codes."""
    if spec.reads_document:
        named = {"Patient": None, "Encounter": "encounterId"}[spec.source]
        fitting = (key for key in prefetch if key.resource_type == spec.source)
        return frozenset(key.name for key in fitting if named is None or names_context(key) == named)
    parameters = SOURCES[spec.source].parameters
    searches = (key for key in prefetch if _searches(key, spec))
    return frozenset(
        key.name for key in searches if not any(name.partition(":")[0] in parameters for name, _ in key.parameters)
    )


def _tokens_of(system: str, code: str) -> frozenset[str]:
    return frozenset({f"{system}|{code}", code, f"{system}|"})


def uncovered(spec: FeatureSpec, prefetch: Sequence[PrefetchKey]) -> frozenset[str]:
    """What no key asks for: codes as `system|code`, or the resource's type. Empty: the feature is covered.

    A derived feature asks for nothing itself, since its inputs do; what the context carries is sent with it.
    """
    if spec.derive is not None or spec.source == CONTEXT:
        return frozenset()
    if not spec.codes:
        return frozenset() if _keys_of_all(spec, prefetch) else frozenset({spec.source})
    asked = frozenset[str]().union(*(covered_codes(key, spec) for key in prefetch))
    return frozenset(f"{system}|{code}" for system, code in codes_of(spec)) - asked


def narrowing(key: PrefetchKey) -> tuple[str, ...]:
    """Search parameters, besides patient and code, by which a server may leave out what a feature should see."""
    source = SOURCES.get(key.resource_type)
    plain = _NEUTRAL | _PATIENT_PARAMETERS | (source.parameters if source is not None else frozenset())
    names = (name for name, _ in key.parameters if name not in plain and name.partition(":")[0] not in _NEUTRAL)
    if key.resource_type == "Patient" or names_context(key) is not None:
        names = (name for name in names if name != "_id")
    return tuple(dict.fromkeys(names))


def finds_no_references(key: PrefetchKey) -> bool:
    """Whether its codes are those of a medicine: FHIR R4 compares them with medicationCodeableConcept alone."""
    return key.resource_type in _MEDICINES and any(name.partition(":")[0] == "code" for name, _ in key.parameters)


Needs = tuple[frozenset[str], ...]
"""For each thing that must be known, the names of the keys of which one suffices. Equal ones stand once."""


def needs_of(spec: FeatureSpec, prefetch: Sequence[PrefetchKey]) -> Needs:
    if spec.source == CONTEXT:
        return (frozenset({spec.home}),)
    if not spec.codes:
        return (_keys_of_all(spec, prefetch),)
    by_key = keys_by_code(spec, prefetch)
    return tuple(dict.fromkeys(by_key[code] for code in sorted(by_key)))


def keys_by_code(spec: FeatureSpec, prefetch: Sequence[PrefetchKey]) -> Mapping[str, frozenset[str]]:
    """For each code, as `system|code`, the names of the keys that ask for it."""
    covered = {key.name: covered_codes(key, spec) for key in prefetch}
    codes = [f"{system}|{code}" for system, code in codes_of(spec)]
    return {code: frozenset(name for name, known in covered.items() if code in known) for code in codes}
