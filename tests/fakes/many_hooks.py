"""A configuration that offers one service at every hook of the library, and at one of its own; its card acts."""

from pathlib import Path

from tests.fakes.config_tree import FILES, sound_config
from wardgate.domain.hooks import HOOKS

OWN_HOOK = "com.example.pump-alarm"
SERVICE = "kidney-failure"

_REFERRAL = """{
  resourceType: ServiceRequest, status: draft, intent: order,
  subject: {reference: "Patient/{{ context.patientId }}"},
  encounter: {reference: "Encounter/{{ context.encounterId }}"},
  requester: {reference: "{{ context.userId }}"},
  note: [{text: "eGFR {{ egfr.text }}, risk {{ score | percent }}"}]}"""

_ACTING = f"""\
source: {{label: Nephrology CDS}}
override_reasons:
  - {{system: "https://hospital.example/override", code: referred, display: Referred, class: already_done}}
selectionBehavior: any
suggestions:
  - label: Refer to nephrology
    isRecommended: true
    actions: [{{type: create, description: Draft a referral, resource: {_REFERRAL}}}]
systemActions: [{{type: create, description: Draft a note, resource: {_REFERRAL}}}]
"""


def many_hooks(folder: Path) -> Path:
    """The path of its wardgate.yaml: the sound tree, with a service file for each hook under the one id."""
    config = sound_config(
        folder,
        service=("required_prefetch: [patient, labs]\n", "required_prefetch: [patient]\n"),
        card=("source: {label: Nephrology CDS}\n", _ACTING),
        wardgate=("    site: hospital_a\n", "    site: hospital_a\n    system_actions: true\n"),
    )
    (relative, _) = FILES["service"]
    text = (folder / relative).read_text()
    for hook in (*HOOKS, OWN_HOOK):
        if hook != "patient-view":
            other = text.replace("hook: patient-view\n", f"hook: {hook}\n")
            (folder / relative).with_name(f"{hook}.yaml").write_text(other)
    return config
