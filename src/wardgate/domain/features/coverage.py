"""Which codes of a feature the prefetch asks for: proved by `wardgate check`, and applied again in every call.

FHIR R4, "Search": a token is `system|code`, `code` or `system|`; commas are OR, a repeated parameter is AND.
"""

import re
from collections.abc import Mapping, Sequence

from wardgate.domain.context.prefetch import PrefetchKey
from wardgate.domain.features.schema import FeatureSpec

_CODE_PARAMETERS = frozenset({"code", "combo-code", "component-code"})
_NEUTRAL = frozenset({"_sort", "_count", "_format", "_pretty", "_total", "_include", "_revinclude"})
_PATIENT_PARAMETERS = frozenset({"patient", "subject", "patient:Patient", "subject:Patient"})
_COMMA = re.compile(r"(?<!\\),")


def codes_of(spec: FeatureSpec) -> frozenset[tuple[str, str]]:
    """All (system, code) pairs of a feature."""
    return frozenset((codes.system.strip(), code.strip()) for codes in spec.codes for code in codes.any)


def covered_codes(key: PrefetchKey, spec: FeatureSpec) -> frozenset[str]:
    """Those codes of the feature, as `system|code`, that this key asks for."""
    if key.resource_type != spec.source or key.read or not spec.codes:
        return frozenset()
    covered = codes_of(spec)
    for name, value in key.parameters:
        if name in _CODE_PARAMETERS:
            tokens = frozenset(token.strip() for token in _COMMA.split(value))
            covered = frozenset(pair for pair in covered if not tokens.isdisjoint(_tokens_of(*pair)))
        elif name.partition(":")[0] in _CODE_PARAMETERS:
            return frozenset()  # code:in, code:not, ...: what they leave is not known here
    return frozenset(f"{system}|{code}" for system, code in covered)


def _tokens_of(system: str, code: str) -> frozenset[str]:
    return frozenset({f"{system}|{code}", code, f"{system}|"})


def uncovered(spec: FeatureSpec, prefetch: Sequence[PrefetchKey]) -> frozenset[str]:
    """What no key asks for: codes as `system|code`, or `Patient`. Empty: the feature is covered.

    A derived feature asks for nothing itself; its inputs do."""
    if spec.source == "Patient":
        return frozenset() if _patient_keys(prefetch) else frozenset({"Patient"})
    asked = frozenset[str]().union(*(covered_codes(key, spec) for key in prefetch))
    return frozenset(f"{system}|{code}" for system, code in codes_of(spec)) - asked


def narrowing(key: PrefetchKey) -> tuple[str, ...]:
    """Search parameters, besides patient and code, by which a server may leave out what a feature should see."""
    plain = _CODE_PARAMETERS | _NEUTRAL | _PATIENT_PARAMETERS
    names = (name for name, _ in key.parameters if name not in plain and name.partition(":")[0] not in _NEUTRAL)
    if key.resource_type == "Patient":
        names = (name for name in names if name != "_id")
    return tuple(dict.fromkeys(names))


def _patient_keys(prefetch: Sequence[PrefetchKey]) -> tuple[str, ...]:
    return tuple(key.name for key in prefetch if key.resource_type == "Patient")


Needs = tuple[frozenset[str], ...]
"""For each thing that must be known, the names of the keys of which one suffices. Equal ones stand once."""


def needs_of(spec: FeatureSpec, prefetch: Sequence[PrefetchKey]) -> Needs:
    if spec.source == "Patient":
        return (frozenset(_patient_keys(prefetch)),)
    by_key = keys_by_code(spec, prefetch)
    return tuple(dict.fromkeys(by_key[code] for code in sorted(by_key)))


def keys_by_code(spec: FeatureSpec, prefetch: Sequence[PrefetchKey]) -> Mapping[str, frozenset[str]]:
    """For each code, as `system|code`, the names of the keys that ask for it."""
    covered = {key.name: covered_codes(key, spec) for key in prefetch}
    codes = [f"{system}|{code}" for system, code in codes_of(spec)]
    return {code: frozenset(name for name, known in covered.items() if code in known) for code in codes}
