"""The names that records use in place of ids: keyed pseudonyms of the purpose `log` (law 4).

Whoever writes a record and whoever looks one up makes them here, so that both mean the same. Each method gives the name
under the current key; `all_of` gives it under the previous ones too, since what is looked up may be older than a
rotation.
"""

from collections.abc import Callable

from wardgate.domain.pseudonyms import KeyRing, Part, Pseudonyms, Purpose

Named = tuple[str, str, Part, Part]
"""Kind, client, FHIR server, id."""


class RecordNames:
    def __init__(self, ring: KeyRing) -> None:
        self._pseudonyms = Pseudonyms(ring, Purpose.LOG)

    def of(self, named: Named) -> str:
        return self._pseudonyms.current(*named).decode()

    def all_of(self, named: Named) -> tuple[str, ...]:
        """The current name first."""
        return tuple([name.decode() for name in self._pseudonyms.all(*named)])

    def maker(self, kind: str, client: str, fhir_server: str | None) -> Callable[[str], str]:
        """For many ids of one place."""
        return lambda id_: self.of((kind, client, fhir_server, id_))


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


def suggestion(uuid: str) -> Named:
    return "suggestion", "", None, uuid
