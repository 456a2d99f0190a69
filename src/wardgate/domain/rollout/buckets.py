"""Where a patient or an encounter falls when a rollout goes by percent.

    bucket = first 8 bytes of SHA-256(salt, service, client, FHIR server, id), as one of 10,000 equal parts

The salt belongs to the rollout and is never the key of pseudonyms: whoever is in stays in when keys rotate, and when
the percentage grows. Another service has other buckets. A bucket is shared by one in 10,000, and says nobody's name.
"""

from hashlib import sha256

from wardgate.domain.pseudonyms import unambiguous

BUCKETS = 10_000
"""A bucket is 1/100 %."""

_GRAIN = 1e-6  # of a bucket: 1.1 % are 110 of them, though 1.1 * 100 is a little more


def bucket(salt: str, service_id: str, client: str, fhir_server: str | None, id_: str) -> int:
    """From 0 to 9,999. `id_` is of the patient, or of the encounter."""
    digest = sha256(unambiguous(salt, service_id, client, fhir_server, id_)).digest()
    return int.from_bytes(digest[:8], "big") * BUCKETS >> 64


def buckets_of(percent: float) -> int:
    """How many buckets are within, from the first one on; a part of one is none."""
    return int(percent * (BUCKETS / 100) + _GRAIN)
