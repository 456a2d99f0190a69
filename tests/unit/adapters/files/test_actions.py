"""Suggestions, system actions and client profiles in the files: every problem with file, line, key and remedy."""

import re
import sys
from pathlib import Path

import pytest

from tests.fakes.acting import SYSTEM, acting_config
from tests.fakes.config_tree import FILES, sound_config
from wardgate.adapters.files.actions import NOT_VALIDATED
from wardgate.adapters.files.catalog import load, survey
from wardgate.adapters.files.wire_card import CardFile
from wardgate.domain.findings import Finding

DOCUMENTATION = Path(__file__).parents[4] / "docs" / "cards.md"


def found(path: Path) -> list[Finding]:
    return list(survey(path).findings)


def told(path: Path) -> list[tuple[str, str]]:
    return [(finding.key, finding.what) for finding in found(path)]


def test_a_sound_card_file_with_all_of_it(tmp_path: Path) -> None:
    """Suggestions and system actions as the standard writes them, for a client that takes both: nothing to say."""
    sound = acting_config(tmp_path, client="    system_actions: true\n    profile: epic\n", extra=SYSTEM)
    assert found(sound) == []
    card = load(sound).catalog.services["kidney-failure"]["patient-view"].version("1.0.0").card
    assert card.actions is not None and len(card.actions.suggestions) == len(card.actions.system_actions) == 1


def test_a_change_of_a_suggestion_is_another_release(tmp_path: Path) -> None:
    """Law 2: what is proposed to a clinician is part of the digest."""
    digests = {
        load(acting_config(tmp_path / str(number), *edit)).catalog.plans()[0].version("1.0.0").digest
        for number, edit in enumerate(
            [(), (("Draft a referral", "Draft a letter"),), (("status: draft", "status: active"),)]
        )
    }
    assert len(digests) == 3


@pytest.mark.requirement("GEN-5")
@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ("intent: order\n", "intent: order\n          intnt: order\n", ".intnt", "no such element here"),
        ("          intent: order\n", "", ".intent", "requires `intent` here, in every call"),
        ("status: draft", "status: [draft]", ".status", "not what FHIR R4B takes"),
        ("resourceType: ServiceRequest", "resourceType: Referral", ".resourceType", "has no such resource"),
        ('authoredOn: "{{ now }}"', 'authoredOn: "{{ band }}"', ".authoredOn", "does not match spec regex"),
        ('subject: {reference: "Patient/{{ context.patientId }}"}', "subject: {}", ".subject", "an empty value"),
        ("Patient/{{ context.patientId }}", "Patient/p1", ".subject.reference", "another one than the call's"),
        ("{{ egfr.text }}", "{{ egfr.tekst }}", ".reasonCode.0.text", "no attribute of egfr is called 'tekst'"),
    ],
)
def test_a_resource_that_is_no_fhir(tmp_path: Path, old: str, new: str, key: str, what: str) -> None:
    """Sample suggestions are validated at start and in `check`, each fault on its line."""
    path = acting_config(tmp_path, (old, new))
    (finding,) = found(path)
    assert finding.key == f"suggestions.0.actions.0.resource{key}" and what in finding.what
    assert finding.file == str(tmp_path / FILES["card"][0]) and finding.remedy and not finding.warning
    line = Path(finding.file).read_text().splitlines()[finding.line - 1]
    assert line.strip().split(":")[0] in (*key.split("."), "actions", "resource", "- type", "reasonCode")


def test_a_resource_that_is_fhir_in_some_calls_only(tmp_path: Path) -> None:
    """What a value that is missing would leave behind is proved as well: here, an order for nobody."""
    path = acting_config(
        tmp_path,
        (
            'subject: {reference: "Patient/{{ context.patientId }}"}',
            'subject: {reference: "Encounter/{{ context.encounterId }}"}',
        ),
    )
    assert told(path) == [
        ("suggestions.0.actions.0.resource.subject", "FHIR R4B requires `subject` here, in every call"),
    ]


@pytest.mark.parametrize(
    "resource",
    [
        """Patient/{{ 'x' }}""",
        """{{ 'Pat' | default }}ient/other""",
        """{{ 'Pat' }}ient?identifier=1""",
        """https://ehr.example/fhir/{{ 'Pat' }}ient/{{ context.patientId }}""",
    ],
)
def test_a_patient_put_together_by_a_template(tmp_path: Path, resource: str) -> None:
    """Regression, law 11: the text of the file was looked at, and not what was made of it."""
    findings = told(acting_config(tmp_path, ("Patient/{{ context.patientId }}", resource)))
    assert any("another" in what for _, what in findings)


def test_an_id_that_is_not_there_in_every_call(tmp_path: Path) -> None:
    """An update needs its id; patient-view may come without an encounter, encounter-start may not."""
    path = acting_config(
        tmp_path,
        client="    system_actions: true\n",
        extra=SYSTEM.replace('patientId }}"\n      status', 'encounterId }}"\n      status'),
    )
    assert told(path) == [("systemActions.0", "the id of what it changes is not there in every call")]
    service = tmp_path / FILES["service"][0]
    service.write_text(service.read_text().replace("hook: patient-view", "hook: encounter-start"))
    assert told(path) == []


@pytest.mark.requirement("SUG-5", "ACT-1", "CARD-9")
@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ("    isRecommended: true\n", "    isRecommended: true\n    uuid: a\n", "suggestions.0.uuid", "unknown key"),
        (
            "    isRecommended: true\n",
            "    actionSelectionBehavior: all\n",
            "suggestions.0.actionSelectionBehavior",
            "unknown",
        ),
        ("isRecommended: true", "isRecommended: yes", "suggestions.0.isRecommended", "expected true or false"),
        ("type: create", "type: Create", "suggestions.0.actions.0.type", "not one of the values"),
        ("        description: Draft a referral\n", "", "suggestions.0.actions.0.description", "is required"),
        ("selectionBehavior: any", "selectionBehavior: all", "selectionBehavior", "not one of the values"),
        ("bands: [high]", "bands: [hgih]", "suggestions.0.bands.0", "no band has this name"),
    ],
)
def test_a_key_that_the_standard_does_not_have(tmp_path: Path, old: str, new: str, key: str, what: str) -> None:
    """GEN-3, SUG-3, SUG-5, ACT-1, ACT-2, CARD-9: refused where it is read, before anything is compiled from it."""
    (finding,) = found(acting_config(tmp_path, (old, new)))
    assert finding.key == key and what in finding.what and not finding.warning


def test_where_nothing_can_validate_the_check_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra: one warning for all cards, none where no card acts."""
    monkeypatch.setitem(sys.modules, "fhir.resources.R4B", None)
    assert found(acting_config(tmp_path / "a")) == [NOT_VALIDATED]
    assert found(sound_config(tmp_path / "b")) == []


@pytest.mark.requirement("RSP-8")
def test_system_actions_that_nobody_takes(tmp_path: Path) -> None:
    """RSP-8: a warning, since they are only sent where that was agreed."""
    (finding,) = found(acting_config(tmp_path, extra=SYSTEM))
    assert finding.warning and finding.key == "systemActions" and "no client takes" in finding.what


def test_a_card_is_held_against_the_profile_of_each_client(tmp_path: Path) -> None:
    """An error with the client's name: such a card would not be seen there, or not as it was meant."""
    path = acting_config(
        tmp_path,
        ("selectionBehavior: any", "selectionBehavior: at-most-one"),
        (', topic: {system: "https://hospital.example/cds", code: kfre}', ""),
        client="    profile: epic\n",
    )
    assert [(finding.key, finding.warning) for finding in found(path)] == [
        ("selectionBehavior", False),
        ("source.topic", False),
    ]
    assert all("Epic" in finding.what and "(client ehr)" in finding.what and finding.line for finding in found(path))


def test_broken_clients_hide_no_card(tmp_path: Path) -> None:
    """What is wrong in wardgate.yaml is told there; a card is proved for the clients that can be read."""
    path = acting_config(tmp_path)
    text = path.read_text()
    start, end = text.index("clients:"), text.index("model_hosts")
    for clients in ("7", "[7, {profile: 9, site: a}, {profile: cerner, site: a}]", "[{profile: epic, site: a}]"):
        path.write_text(f"{text[:start]}clients: {clients}\n{text[end:]}")
        assert [finding.key for finding in found(path) if not finding.warning] == []


def test_the_examples_of_the_documentation_are_sound(tmp_path: Path) -> None:
    """Both blocks of docs/cards.md are one card file, with every key that there is."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    path = sound_config(
        tmp_path, wardgate=("    site: hospital_a\n", "    site: hospital_a\n    system_actions: true\n")
    )
    (tmp_path / FILES["card"][0]).write_text("".join(blocks), encoding="utf-8")
    assert found(path) == []
    named = {line.split(":")[0] for line in "".join(blocks).splitlines() if line[:1].isalpha()}
    assert named == {field.alias or name for name, field in CardFile.model_fields.items()}
