"""One service file with its model, card and rules: proved against each other and compiled."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import TypeVar

import msgspec
from pydantic import BaseModel

from wardgate.adapters.files.actions import prove_actions, tell
from wardgate.adapters.files.digest import digest_of, release_digest
from wardgate.adapters.files.expressions import expression, mentions
from wardgate.adapters.files.library import Ground, Library, shown
from wardgate.adapters.files.models import Model, ReadRelease, Schema
from wardgate.adapters.files.proofs import (
    prove_bands,
    prove_context,
    prove_coverage,
    prove_limitations,
    prove_rollout,
    prove_service,
    prove_timeout,
)
from wardgate.adapters.files.rules import compile_rung, decimals_of
from wardgate.adapters.files.wire import Sheet
from wardgate.adapters.files.wire_card import CardFile
from wardgate.adapters.files.wire_rule import Rule
from wardgate.adapters.files.wire_service import Service
from wardgate.domain.cards.compile import compile_card, compile_rule_card
from wardgate.domain.cards.plan import CardPlan
from wardgate.domain.cards.samples import acting_samples
from wardgate.domain.cards.spec import CardProblem, Limitation, ReleaseFacts, RuleSpec
from wardgate.domain.context.prefetch import PrefetchKey, TemplateError, parse_template
from wardgate.domain.decisions.cached import basis_of
from wardgate.domain.decisions.ladder import CachedRung, Ladder, RuleRung, cached_for
from wardgate.domain.decisions.rules import STANDARD_QUESTIONS, DeferRule, Exclusion, Rules, Threshold
from wardgate.domain.documents import Document, Place, did_you_mean
from wardgate.domain.expressions import Expression, Scope, Type
from wardgate.domain.features.compile import Extractor, compile_schema
from wardgate.domain.features.evaluated import reads_whole
from wardgate.domain.features.schema import Use
from wardgate.domain.features.sources import CONTEXT
from wardgate.domain.hooks import HOOKS, FieldKind
from wardgate.domain.hooks.library import tokens_of
from wardgate.domain.plans import ReleasePlan, ServicePlan

W = TypeVar("W", bound=BaseModel)


class Parts(msgspec.Struct, frozen=True):
    """What a service file names, as far as it can be read. `family`: the data of all files of its id; `cds_hooks`: the
    version that discovery speaks."""

    service: Sheet[Service]
    model: Model | None
    card: Sheet[CardFile] | None
    rules: Mapping[str, Sheet[Rule]]
    family: Sequence[Mapping[str, object]]
    cds_hooks: str


def parts_of(
    ground: Ground, library: Library, service: Sheet[Service], model: Model | None, family: Sequence[Document]
) -> Parts:
    """Tells what does not exist; what cannot be read has been told."""
    document, wire = service.document, service.wire
    prove_service(ground, library, service)
    if model is None:
        path = shown(ground.path("models") / wire.model)
        library.found(document, ("model",), f"there is no folder {path}", "create it, or mend the name")
    else:
        prove_rollout(ground, library, service, model)
    card = _named(ground, library, service, "cards", wire.card, ("card",), CardFile)
    named = {step.rule: number for number, step in enumerate(wire.fallback) if step.rule is not None}
    for number, step in enumerate(wire.fallback[:-1]):
        if step.none:
            what = "the ladder ends here, and what follows is never reached"
            library.found(document, ("fallback", number), what, "move `none` to the end, or remove it", warning=True)
    rules = {
        name: _named(ground, library, service, "rules", name, ("fallback", number, "rule"), Rule)
        for name, number in named.items()
    }
    readable = {name: rule for name, rule in rules.items() if rule is not None}
    return Parts(service, model, card, readable, [document.data for document in family], ground.cds_hooks)


def _named(
    ground: Ground, library: Library, service: Sheet[Service], kind: str, name: str, place: Place, wire: type[W]
) -> Sheet[W] | None:
    path = ground.path(kind) / f"{name}.yaml"
    if not library.files.is_file(path):
        library.found(service.document, place, f"{shown(path)} does not exist", "create it, or mend the name")
        return None
    return library.yaml(path, wire)


def compile_service(library: Library, parts: Parts) -> ServicePlan | None:
    """None where anything is wrong; all of it is told."""
    before = _errors(library)
    wire = parts.service.wire
    prefetch = compile_prefetch(library, parts.service, parts.cds_hooks)
    if parts.model is None:
        return None
    versions = tuple(dict.fromkeys((wire.rollout.champion, *_others(wire))))
    releases: dict[str, ReleasePlan] = {}
    for version in _readable(parts.model, versions):
        plan = _Compiler(library, parts, parts.model.releases[version], prefetch).plan()
        if plan is not None:
            releases[plan.digest] = plan
    found = {release.version for release in releases.values()}
    if _errors(library) > before or any(version not in found for version in versions):
        return None
    return ServicePlan(
        id=wire.id,
        hook=wire.hook,
        title=wire.title,
        description=wire.description,
        usage_requirements=wire.usage_requirements,
        prefetch=_as_read(prefetch, releases.values()),
        deadline=wire.deadline,
        risk_tier=wire.risk_tier,
        names_sites=wire.threshold is not None and bool(wire.threshold.sites),
        releases=releases,
        context=wire.fields(),
        context_fields=_context_fields(releases.values()),
        suppression=None if wire.suppress is None else wire.suppress.suppression(),
        follow_up=None if wire.outcome is None else wire.outcome.follow_up(),
        notice_every=wire.notice_every if wire.absence_means == "screened_negative" else None,
    )


def _as_read(prefetch: Sequence[PrefetchKey], releases: Iterable[ReleasePlan]) -> tuple[PrefetchKey, ...]:
    """Marked where an expression of one of these releases reads whole resources."""
    whole = any(reads_whole(release.extractor.schema) for release in releases)
    return tuple(msgspec.structs.replace(key, whole=whole) for key in prefetch)


def _context_fields(releases: Iterable[ReleasePlan]) -> tuple[str, ...]:
    specs = [spec for release in releases for spec in release.extractor.schema.features]
    return tuple(dict.fromkeys(spec.path for spec in specs if spec.source == CONTEXT and spec.path is not None))


def _readable(model: Model, versions: Sequence[str]) -> Sequence[str]:
    """Where none that is named can be read, the newest one stands in: the service is still worth checking."""
    return [version for version in versions if version in model.releases] or sorted(model.releases)[-1:]


def _errors(library: Library) -> int:
    return sum(not finding.warning for finding in library.findings)


def _others(wire: Service) -> tuple[str, ...]:
    challenger = wire.rollout.challenger
    return (*(() if challenger is None else (challenger.release,)), *wire.rollout.shadow)


def compile_prefetch(library: Library, service: Sheet[Service], cds_hooks: str) -> tuple[PrefetchKey, ...]:
    """The keys whose templates are legal for the hook; what is wrong with the others is told."""
    wire, document = service.wire, service.document
    for number, name in enumerate(wire.required_prefetch):
        if name not in wire.prefetch and not service.lacks("prefetch"):
            remedy = did_you_mean(name, list(wire.prefetch), "name a key of `prefetch`")
            library.found(document, ("required_prefetch", number), f"there is no prefetch key {name}", remedy)
    tokens = _tokens(service)
    keys = []
    for name, template in wire.prefetch.items():
        try:
            keys.append(parse_template(name, template, tokens, name in wire.required_prefetch, cds_hooks))
        except TemplateError as error:
            what, _, remedy = str(error).partition("; ")
            library.found(document, ("prefetch", name), what, remedy or "see docs/context.md")
    return tuple(keys)


def _tokens(service: Sheet[Service]) -> Mapping[str, FieldKind] | None:
    """The context fields that a template may name; None: any, since nobody has said which there are."""
    hook = HOOKS.get(service.wire.hook)
    if hook is not None:
        return hook.tokens()
    declared = service.wire.fields()
    return tokens_of(declared) if declared and not service.lacks("context") else None


class _Compiler:
    """One release as one service uses it."""

    def __init__(self, library: Library, parts: Parts, release: ReadRelease, prefetch: tuple[PrefetchKey, ...]) -> None:
        self._library = library
        self._parts = parts
        self._release = release
        self._service = parts.service
        self._document = parts.service.document
        self._prefetch = prefetch

    def plan(self) -> ReleasePlan | None:
        """Everything is proved that can be; a plan needs all of it."""
        before = _errors(self._library)
        release, parts = self._release, self._parts
        if parts.card is not None:
            prove_bands(self._library, self._service, parts.card, release.sheet)
        prove_limitations(self._library, self._service, release.sheet)
        prove_timeout(self._library, self._service, release.sheet)
        if release.schema is None:
            return None
        self._extractor: Extractor = compile_schema(release.schema.schema, self._prefetch)
        self._names, self._timed = self._extractor.scope()
        prove_context(self._library, self._service, release.schema.schema)
        if len(self._prefetch) == len(parts.service.wire.prefetch) and not self._service.lacks("prefetch"):
            # with a broken key, a code that nobody asks for may be that key's
            prove_coverage(self._library, self._document, self._prefetch, release.schema.schema)
        rungs = {
            name: compile_rung(self._library, name, rule, self._scope(), self._doubtful())
            for name, rule in parts.rules.items()
        }
        if parts.card is None:
            self._expressions()
            return None
        rules = self._rules(release.schema, parts.card)
        card = self._card(release.schema, parts.card, rules)
        rule_cards = {} if card is None else self._rule_cards(release.schema, parts.card, rules, rungs)
        sound = release.sound
        if sound is None or card is None or _errors(self._library) > before:
            return None
        wire = release.sheet.wire
        ladder = self._ladder(rungs)
        kept_for = cached_for(ladder)
        return ReleasePlan(
            service_id=parts.service.wire.id,
            model=wire.model,
            version=wire.version,
            digest=release_digest(
                release.sheet.document.data,
                sound.probes_document.data,
                release.schema.document.data,
                parts.card.document.data,
                {name: rule.document.data for name, rule in parts.rules.items()},
                parts.family,
            ),
            schema_version=wire.features,
            extractor=self._extractor,
            rules=rules,
            endpoint=sound.endpoint,
            probes=sound.probes,
            score_range=wire.score_range,
            calibration=wire.calibration.calibration(),
            card=card,
            ladder=ladder,
            rule_cards=rule_cards,
            basis=None if kept_for is None else basis_of(release.schema.schema, wire.endpoint.inputs.order, rules),
            kept_for=kept_for or 0.0,
            dossier=wire.dossier(),
            file=digest_of(release.sheet.document.data),
        )

    def _scope(self, outputs: bool = False) -> Scope:
        specs = self._extractor.schema.features
        hidden = frozenset(spec.name for spec in specs if spec.use is Use.COHORT_ONLY)
        if not outputs:
            return Scope(self._names, frozenset(), self._timed, hidden)
        declared = frozenset(self._release.sheet.wire.endpoint.outputs) - {"contributions"}
        return Scope({**self._names, **dict.fromkeys(declared, Type.NUMBER)}, declared, self._timed, hidden)

    def _doubtful(self) -> frozenset[str]:
        """Names of which too little is known to judge what mentions them."""
        return frozenset() if self._release.schema is None else self._release.schema.broken

    def _expression(self, place: Place, text: str, scope: Scope) -> Expression | None:
        if mentions(text, self._doubtful()) or (scope.outputs and self._release.sheet.lacks("endpoint", "outputs")):
            return None
        return expression(self._library, self._document, place, text, scope)

    def _expressions(self) -> tuple[Expression | None, tuple[Exclusion, ...], tuple[DeferRule, ...]]:
        """Population, exclusions, deferral rules; those that are wrong are left out, and told."""
        text = self._service.wire.population
        population = None if text is None else self._expression(("population",), text, self._scope())
        return population, self._exclusions(), self._defer()

    def _rules(self, schema: Schema, card: Sheet[CardFile]) -> Rules:
        wire = self._service.wire
        population, exclusions, defer = self._expressions()
        threshold = wire.threshold
        return Rules(
            audience=wire.audience,
            population=population,
            exclusions=exclusions,
            defer=defer,
            show_unknown=wire.show_unknown,
            required=tuple(spec.name for spec in schema.schema.features if spec.required),
            threshold=Threshold()
            if threshold is None
            else Threshold(threshold.default, threshold.sites, threshold.indeterminate),
            bands=tuple(band.band() for band in card.wire.bands),
            filled=tuple(
                name
                for name in self._release.sheet.wire.endpoint.inputs.order
                if name in schema.by_name and not schema.by_name[name].required
            ),
        )

    def _exclusions(self) -> tuple[Exclusion, ...]:
        asked = []
        for name, entry in self._service.wire.exclusions.items():
            when = None
            if entry.when is not None:
                when = self._expression(("exclusions", name, "when"), entry.when, self._scope())
            asked.append(Exclusion(name, when, entry.not_applicable))
        silent = (name for name in STANDARD_QUESTIONS if name not in self._service.wire.exclusions)
        return (*asked, *(Exclusion(name) for name in silent))

    def _defer(self) -> tuple[DeferRule, ...]:
        rules = []
        for number, entry in enumerate(self._service.wire.defer):
            when = self._expression(("defer", number, "when"), entry.when, self._scope(outputs=True))
            if when is not None:
                rules.append(DeferRule(when, entry.reason, entry.show))
        return tuple(rules)

    def _card(self, schema: Schema, card: Sheet[CardFile], rules: Rules) -> CardPlan | None:
        wire = self._release.sheet.wire
        if card.lacks("names") or any(name not in schema.by_name for name in wire.endpoint.inputs.order):
            return None
        facts = ReleaseFacts(
            model=wire.model,
            version=wire.version,
            inputs=wire.endpoint.inputs.order,
            calibration=wire.calibration.calibration(),
            limitations=tuple(Limitation(entry.text, entry.check) for entry in wire.limitations),
            score_range=wire.score_range,
        )
        plan = self._told(compile_card(card.wire.spec(), schema.by_name, facts, rules), card.document)
        if plan is not None:
            samples = acting_samples(schema.by_name, facts, rules)
            prove_actions(self._library, card, plan, self._service.wire.hook, samples)
        return plan

    def _ladder(self, rungs: Mapping[str, RuleRung | None]) -> Ladder:
        """Down to where it says `none`."""
        ladder: dict[CachedRung | RuleRung, None] = {}
        for step in takewhile(lambda step: not step.none, self._service.wire.fallback):
            rung = step.cached.rung() if step.cached is not None else rungs.get(step.rule or "")
            if rung is not None:
                ladder[rung] = None
        return tuple(ladder)

    def _rule_cards(
        self, schema: Schema, card: Sheet[CardFile], rules: Rules, rungs: Mapping[str, RuleRung | None]
    ) -> dict[str, CardPlan]:
        """By rule: its texts and bands; source, links, override reasons and label are those of the service's card."""
        plans = {}
        for name, rung in rungs.items():
            sheet = self._parts.rules[name]
            if rung is None:
                continue
            wire = sheet.wire
            spec = RuleSpec(wire.title or name, wire.summary, wire.detail, decimals_of(wire), rung)
            release = self._release.sheet.wire
            facts = ReleaseFacts(release.model, release.version, rung.score.features)
            plan = self._told(compile_rule_card(spec, card.wire.spec(), schema.by_name, facts, rules), sheet.document)
            if plan is not None:
                plans[name] = plan
        return plans

    def _told(self, plan: CardPlan | Sequence[CardProblem], document: Document) -> CardPlan | None:
        if isinstance(plan, CardPlan):
            return plan
        for problem in plan:
            tell(self._library, document, problem)
        return None
