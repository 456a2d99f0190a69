"""The discovery document (CDS Hooks 2.0.1, "Discovery"; 3.0 adds `version` and `hookVersion`).

It lists every service that is configured, also one whose rollout is off: an EHR that saw it vanish would
forget it. Several entries may share an id (trap T-15).
"""

import msgspec

from wardgate.domain.hooks import HOOKS
from wardgate.domain.plans import Catalog, ServicePlan

_SPECIFICATION_3 = "3.0.0"


class _Entry(msgspec.Struct, omit_defaults=True, rename="camel"):
    hook: str
    title: str
    description: str
    id: str
    prefetch: dict[str, str] = {}
    usage_requirements: str = ""
    version: str = ""
    hook_version: str = ""


class _Document(msgspec.Struct):
    services: list[_Entry]


def discovery_document(catalog: Catalog, cds_hooks: str) -> bytes:
    """`cds_hooks` is the configured "2.0" or "3.0". Elements without value are left out (GEN-3, GEN-4)."""
    return msgspec.json.encode(_Document([_entry(plan, cds_hooks == "3.0") for plan in catalog.plans()]))


def _entry(plan: ServicePlan, names_versions: bool) -> _Entry:
    definition = HOOKS.get(plan.hook)
    return _Entry(
        hook=plan.hook,
        title=plan.title,
        description=plan.description,
        id=plan.id,
        prefetch={key.name: key.template for key in plan.prefetch},
        usage_requirements=plan.usage_requirements or "",
        version=_SPECIFICATION_3 if names_versions else "",
        hook_version=definition.version if names_versions and definition else "",
    )
