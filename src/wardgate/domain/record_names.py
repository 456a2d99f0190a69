"""The names that records use in place of ids: keyed pseudonyms of the purpose `log` (law 4).

Whoever writes a record and whoever looks one up makes them here, so that both mean the same. Each method gives the name
under the current key; `all_of` gives it under the previous ones too, since what is looked up may be older than a
rotation.
"""

import hmac
from collections.abc import Callable

from wardgate.domain.pseudonyms import KeyRing, Part, Pseudonyms, Purpose

Named = tuple[str, str, Part, Part]
"""Kind, client, FHIR server, id."""


class RecordNames:
    def __init__(self, ring: KeyRing) -> None:
        self._pseudonyms = Pseudonyms(ring, Purpose.LOG)
        self._keys = tuple([key.secret for key in ring.keys(Purpose.LOG)])
        self._makers: dict[tuple[str, str], Callable[[Part, Part], str]] = {}

    def of(self, named: Named) -> str:
        kind, client, fhir_server, id_ = named
        maker = self._makers.get((kind, client))
        if maker is None:  # as many as there are kinds and clients
            maker = self._makers[kind, client] = self._pseudonyms.maker(kind, client)
        return maker(fhir_server, id_)

    def all_of(self, named: Named) -> tuple[str, ...]:
        """The current name first."""
        return tuple([name.decode() for name in self._pseudonyms.all(*named)])

    def hashes(self) -> tuple[hmac.HMAC, ...]:
        """Keyed hashes of bytes that are never named themselves, such as a whole file; under the current key first."""
        return tuple([hmac.new(key, digestmod="sha256") for key in self._keys])


def patient(client: str, fhir_server: str | None, id_: str) -> Named:
    return "patient", client, fhir_server, id_


def encounter(client: str, fhir_server: str | None, id_: str) -> Named:
    return "encounter", client, fhir_server, id_


def user(client: str, fhir_server: str | None, kind: str, id_: str) -> Named:
    """`kind` is Practitioner and its siblings: two kinds may use one id."""
    return "user", client, fhir_server, f"{kind}/{id_}"


def hook_instance(client: str, instance: str) -> Named:
    """In lower case, as UUIDs are compared."""
    return "hook_instance", client, None, instance.lower()


def card(uuid: str) -> Named:
    """Of no client, since wardgate issued it: what a client says of a card that is not hers joins to nothing."""
    return "card", "", None, uuid


def event(source: str, id_: str) -> Named:
    """Of an outcome: the id that its source gives it."""
    return "event", source, None, id_


def suggestion(uuid: str) -> Named:
    return "suggestion", "", None, uuid
