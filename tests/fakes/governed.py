"""A whole configuration with authentication, a store and tokens, for the commands that approve."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.archive_rows import decision
from tests.fakes.config_tree import sound_config
from wardgate.adapters.files.content import content_of
from wardgate.adapters.sql.snapshots import SqlSnapshotStore
from wardgate.bootstrap.audit import (
    audit_store_of,
    audit_trail,
    database_of,
    release_store_of,
    token_desk,
    token_store_of,
)
from wardgate.bootstrap.durable import archive_of
from wardgate.cli.check import examine
from wardgate.cli.configured import configured_of
from wardgate.control.ports import Change, ReleaseEntry
from wardgate.control.snapshots import Sealer
from wardgate.domain.admin_tokens import Role
from wardgate.domain.approvals import subject_of
from wardgate.domain.audit import Action, Deed
from wardgate.domain.outcomes import Mode
from wardgate.domain.pseudonyms import KeyRing, Purpose
from wardgate.domain.record_names import RecordNames, card
from wardgate.domain.records import DecisionRecord, EventType
from wardgate.domain.rollout.rollouts import Rollout, Snapshot

DAY = 86400.0
SERVICE = "kidney-failure"
_KEY = "WARDGATE_TEST_KEY"
_CLIENT = """\
    issuer: https://ehr.hospital.example/fhir
    keys: {jwks_url: "https://ehr.hospital.example/jwks.json"}
"""


class GovernedHouse:
    """Release 1.0.0 in shadow, tier high, submitted by `os:sam`."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, governance: str = "", model: str = "127.0.0.1:8082"
    ) -> None:
        """`model`: host and port of its endpoint."""
        monkeypatch.setenv(_KEY, "k" * 32)
        self._monkeypatch = monkeypatch
        self.config = sound_config(
            folder,
            wardgate=[
                ("insecure_demo: true", f"pseudonym_key: {{env: {_KEY}}}"),
                ("  - name: ehr\n", f"  - name: ehr\n{_CLIENT}"),
                ('model_hosts: ["127.0.0.1:8082"]', f'model_hosts: ["{model}"]'),
            ],
            service=("mode: active}", "mode: shadow}\nrisk_tier: high\nabsence_means: nothing"),
            release=("http://127.0.0.1:8082", f"http://{model}"),
        )
        if governance:
            self.config.with_name("governance.yaml").write_text(governance, encoding="utf-8")
        examination = examine(self.config)
        configured = configured_of(examination, self.config.parent)
        assert examination.document is not None and configured.secrets.durable is not None
        self._document, self._place = examination.document, configured.secrets.durable
        names = RecordNames(KeyRing(configured.secrets.pseudonym))
        self.archive = archive_of(self._place, lambda uuid: names.of(card(uuid)))
        self._chain, self._tokens = audit_store_of(self._place), token_store_of(configured.secrets, self._place)
        self._snapshots = SqlSnapshotStore(database_of(self._place))
        self._sealer = Sealer(KeyRing(configured.secrets.pseudonym).keys(Purpose.STORE))
        self.trail = audit_trail(configured.secrets, self._chain)
        self.digest = self.submit("os:sam")

    def submit(self, who: str, version: str = "1.0.0") -> str:
        """Its digest."""
        content, _ = content_of(self._document, self.config, SERVICE, version)
        store = release_store_of(self._place)
        entry = ReleaseEntry(content.digest, SERVICE, content.model, version, "", 1.0, who)
        subject = subject_of(SERVICE, content.digest)
        store.put(content, entry, self.trail.entry(Deed(who=who, what=Action.RELEASE_SUBMIT, subject=subject)))
        store.close()
        return content.digest

    def act_as(self, name: str, *roles: Role, services: Sequence[str] | None = None) -> None:
        """With a token of these roles in WARDGATE_TOKEN."""
        _, secret = token_desk(self._tokens, self.trail).new("os:root", name, roles, services, DAY)
        self._monkeypatch.setenv("WARDGATE_TOKEN", secret)

    def rehearse(self) -> None:
        self.trail.require(Deed(who="os:sam", what=Action.DRILL, subject=SERVICE))

    def decide(self, records: Sequence[DecisionRecord]) -> None:
        self.archive.add_decisions(records)

    def show(self, mode: Mode) -> None:
        """As the first thing that was decided: the release is champion in this mode."""
        kept = self._sealer.seal(Snapshot(1, {SERVICE: Rollout(self.digest, mode, salt="s")}))
        assert self._snapshots.append(kept, Change(1.0, "ada/0a", Action.ROLLOUT_CHANGE.value, SERVICE))

    @property
    def mode(self) -> Mode:
        """In which it is now, as the store has it."""
        kept = self._snapshots.newest()
        assert kept is not None
        return self._sealer.open(kept).rollouts[SERVICE].mode

    def close(self) -> None:
        for store in (self.archive, self._chain, self._tokens, self._snapshots):
            store.close()


def weeks_in_shadow(digest: str, now: float, days: int, each: int = 48, **changes: object) -> list[DecisionRecord]:
    """So many decisions a day, evenly, the newest an hour ago."""
    step = DAY / each
    return [
        decision(
            number,
            **{
                "at": now - 3600 - number * step,
                "event_type": EventType.SHADOW,
                "of": f"{number:08x}-0000-4000-8000-00000000000f",
                "mode": "shadow",
                "arm": "shadow",
                "visible": False,
                "outcome": "below_threshold",
                "release_digest": digest,
                "client": "ehr",
                "card_uuids": (),
                "inputs": (),
                "stages_ms": {"extract": 1.0, "predict": 20.0 + number % 50},
                **changes,
            },
        )
        for number in range(days * each)
    ]
