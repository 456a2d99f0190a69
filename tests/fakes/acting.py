"""A configuration whose card acts: the sound one with a suggestion, and a system action where that is asked for."""

from pathlib import Path

from tests.fakes.config_tree import sound_config

REFERRAL = """\
source: {label: Nephrology CDS, topic: {system: "https://hospital.example/cds", code: kfre}}
selectionBehavior: any
suggestions:
  - label: Refer to nephrology
    isRecommended: true
    bands: [high]
    actions:
      - type: create
        description: Draft a referral
        resource:
          resourceType: ServiceRequest
          status: draft
          intent: order
          subject: {reference: "Patient/{{ context.patientId }}"}
          encounter: {reference: "Encounter/{{ context.encounterId }}"}
          requester: {reference: "{{ context.userId }}"}
          authoredOn: "{{ now }}"
          reasonCode: [{text: "eGFR {{ egfr.text }}"}]
"""
SYSTEM = """\
systemActions:
  - type: update
    description: Note the risk
    bands: [high]
    resource:
      resourceType: ServiceRequest
      id: "order-of-{{ context.patientId }}"
      status: draft
      intent: order
      subject: {reference: "Patient/{{ context.patientId }}"}
"""
SOURCE = "source: {label: Nephrology CDS}\n"
CLIENT = "    site: hospital_a\n"


def acting_config(folder: Path, *card: tuple[str, str], client: str = "", extra: str = "") -> Path:
    """`card` are edits (old, new) of the actions, `client` more keys of the client, `extra` more of the card file."""
    text = REFERRAL + extra
    for old, new in card:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return sound_config(folder, card=(SOURCE, text), wardgate=(CLIENT, CLIENT + client))
