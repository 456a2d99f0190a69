"""Users who see silent cards, as the files name them, and the pseudonyms that a rollout keeps in their place."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec

from wardgate.domain import record_names
from wardgate.domain.clients import Client
from wardgate.domain.record_names import RecordNames
from wardgate.domain.rollout.rollouts import Rollout


def with_previews(
    rollouts: Mapping[str, Rollout],
    users: Mapping[str, Iterable[str]],
    clients: Iterable[Client],
    names: RecordNames,
) -> dict[str, Rollout]:
    """`users` by service id, each as `Practitioner/id`. A file does not say whose user that is, so it is the one of
    that id in every client: at each of its FHIR servers, and in calls that name none."""
    known = list(clients)

    def with_users(service_id: str, rollout: Rollout) -> Rollout:
        """`file` is of them, too: as pseudonyms, for nobody's id is to be guessed from it."""
        preview = pseudonyms_of(users.get(service_id, ()), known, names)
        said = "\n".join([rollout.file, *sorted(preview)])
        file = f"sha256:{sha256(said.encode()).hexdigest()}" if preview and rollout.file else rollout.file
        return msgspec.structs.replace(rollout, preview=preview, file=file)

    return {service_id: with_users(service_id, rollout) for service_id, rollout in rollouts.items()}


def pseudonyms_of(users: Iterable[str], clients: Iterable[Client], names: RecordNames) -> frozenset[str]:
    """Under which a user of any client may be kept."""
    places = [(client.name, server) for client in clients for server in (*sorted(client.fhir_servers), None)]
    named = [(user.partition("/"), place) for user in users for place in places]
    return frozenset(names.of(record_names.user(*place, kind, id_)) for (kind, _, id_), place in named)
