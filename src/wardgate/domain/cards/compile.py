"""Check and compile a card file: every problem at once, nothing left to go wrong when a patient's card is made."""

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

import msgspec
from jinja2 import TemplateError

from wardgate.domain.cards import samples
from wardgate.domain.cards.actions import ActionPlans, compile_actions
from wardgate.domain.cards.card import Card, Link, Source
from wardgate.domain.cards.facts import CardFacts
from wardgate.domain.cards.language import LONGEST_OUTPUT, Template, TemplateProblem, Vocabulary, compile_template
from wardgate.domain.cards.parts import Parts, parts_of_deferral, parts_of_notice, parts_of_rule, parts_of_score
from wardgate.domain.cards.plan import CardPlan, Face, LinkPlan
from wardgate.domain.cards.render import LONGEST_LABEL, LONGEST_SUMMARY, label_of, one_line, render, render_notice
from wardgate.domain.cards.rule import rule_certainty_text
from wardgate.domain.cards.scene import (
    BUILTIN,
    Scene,
    SceneFacts,
    vocabulary_of_deferral,
    vocabulary_of_label,
    vocabulary_of_link,
    vocabulary_of_notice,
    vocabulary_of_score,
)
from wardgate.domain.cards.shapes import Shape, shape_of
from wardgate.domain.cards.spec import (
    INDICATORS,
    CardProblem,
    CardSpec,
    NoticeSpec,
    OverrideReason,
    ReleaseFacts,
    RuleSpec,
)
from wardgate.domain.cards.text import Prepared, clean
from wardgate.domain.cards.wording import calibration_text, certainty_text, not_checked_text
from wardgate.domain.decisions.rules import Band, Rules
from wardgate.domain.features.schema import FeatureSpec

_NOTHING: frozenset[str] = frozenset()


def compile_card(
    spec: CardSpec, features: Mapping[str, FeatureSpec], release: ReleaseFacts, rules: Rules
) -> CardPlan | list[CardProblem]:
    """`features` are those of the release's schema by name, `rules` the service's with this card's bands."""
    problems = list(_problems(spec, features))
    templates = _Templates(spec, {name: shape_of(f, spec.names.get(name)) for name, f in features.items()})
    problems += templates.problems
    actions = compile_actions(spec, templates.shapes)
    if isinstance(actions, list):
        return problems + actions
    if problems:
        return problems
    plan = _plan(spec, templates, actions, release, rules)
    return list(_sampled(plan, features, release, rules)) or plan


def compile_rule_card(
    spec: RuleSpec, card: CardSpec, features: Mapping[str, FeatureSpec], release: ReleaseFacts, rules: Rules
) -> CardPlan | list[CardProblem]:
    """The card of a rule that stands in for the model; `card` is the service's, and is sound. The inputs of `release`
    are the rule's. There are no actions on it (law 10)."""
    rung = spec.rung
    own = msgspec.structs.replace(
        card, bands=rung.bands, summary=spec.summary, detail=spec.detail, precision=spec.precision
    )
    problems = list(_band_problems(own.bands))
    templates = _Templates(own, {name: shape_of(f, own.names.get(name)) for name, f in features.items()})
    problems += templates.problems
    if problems:
        return problems
    plan = _rule_plan(
        _plan(own, templates, ActionPlans(), release, msgspec.structs.replace(rules, bands=rung.bands)), spec
    )
    found = (_tried(plan, "", render, call) for call in samples.rule_samples(features, spec.rung))
    problem = next((each for each in found if each is not None), None)
    return plan if problem is None else [problem]


def _rule_plan(plan: CardPlan, spec: RuleSpec) -> CardPlan:
    """What a rule's card says of itself, in place of what a model's would."""
    summary, detail, rung = plan.score.summary, plan.score.detail, spec.rung
    printed = _prints(detail)
    facts = msgspec.structs.replace(
        plan.facts,
        rule=spec.title,
        certainty={
            (rung.threshold, None if band is None else band.name): Prepared(rule_certainty_text(band, rung))
            for band in (*rung.bands, None)
        },
    )
    parts, if_cut = parts_of_rule(printed, summary.prints), parts_of_rule(printed, _NOTHING)
    return msgspec.structs.replace(
        plan, facts=facts, score=msgspec.structs.replace(plan.score, parts=parts, if_cut=if_cut)
    )


class _Templates:
    """The templates of a card file, each with the names that it may say."""

    def __init__(self, spec: CardSpec, shapes: Mapping[str, Shape]) -> None:
        self.shapes = shapes
        self.problems: list[CardProblem] = []
        score, deferral = vocabulary_of_score(shapes), vocabulary_of_deferral(shapes)
        self.summary = self._one("summary", spec.summary, score)
        self.detail = self._detail("detail", spec.detail, score)
        self.deferred = self._pair("deferred", spec.deferred, deferral)
        self.unavailable = self._pair("unavailable", spec.unavailable, vocabulary_of_notice())
        self.label = self._one("fallback.label", spec.fallback_label, vocabulary_of_label())
        self.links = [self._link(f"links.{number}", link) for number, link in enumerate(spec.links)]

    def _link(self, key: str, link: Link) -> LinkPlan:
        quiet = msgspec.structs.replace(link, autolaunchable=False)
        if link.app_context is None or not _is_template(link.app_context):
            return LinkPlan(link, quiet, None)
        return LinkPlan(link, quiet, self._one(f"{key}.appContext", link.app_context, vocabulary_of_link()))

    def _pair(self, key: str, spec: NoticeSpec, vocabulary: Vocabulary) -> tuple[Template, Template | None]:
        summary = self._one(f"{key}.summary", spec.summary, vocabulary)
        return summary, self._detail(f"{key}.detail", spec.detail, vocabulary)

    def _detail(self, key: str, source: str | None, vocabulary: Vocabulary) -> Template | None:
        return None if source is None else self._one(key, source, vocabulary, markdown=True)

    def _one(self, key: str, source: str, vocabulary: Vocabulary, markdown: bool = False) -> Template:
        try:
            template = compile_template(source, vocabulary, markdown)
        except TemplateProblem as problem:
            self.problems.append(CardProblem(key, problem.what, problem.remedy, problem.line))
            return Template(lambda scene: "", _NOTHING, _NOTHING, False)
        for name in sorted(template.reads & self.shapes.keys() & BUILTIN):
            what = f"{name} is a name of the card language and a feature, too"
            self.problems.append(CardProblem(key, what, "rename the feature, or do without it on the card"))
        return template


def _plan(spec: CardSpec, templates: _Templates, actions: ActionPlans, release: ReleaseFacts, rules: Rules) -> CardPlan:
    summary, detail = templates.summary, templates.detail
    printed = _prints(detail)
    percent = _in_percent(templates, release)
    inputs = [templates.shapes[name] for name in release.inputs]
    return CardPlan(
        facts=_scene_facts(spec, templates.shapes, release, rules, percent),
        score=Face(
            summary,
            detail,
            parts_of_score(inputs, percent, printed, summary.prints),
            parts_of_score(inputs, percent, printed, _NOTHING),
            INDICATORS[0],
        ),
        deferral=_face(templates.deferred, parts_of_deferral, spec.deferred.indicator),
        notice=_face(templates.unavailable, parts_of_notice, spec.unavailable.indicator),
        label=templates.label,
        source=spec.source,
        links=spec.links,
        codings=tuple(reason.coding for reason in spec.override_reasons),
        override_reasons=spec.override_reasons,
        told_links=tuple(templates.links) if any(map(_depends, templates.links)) else (),
        actions=actions if actions.suggestions or actions.system_actions else None,
    )


def _depends(link: LinkPlan) -> bool:
    """Whether the link is another one from card to card."""
    return link.app_context is not None or link.link.autolaunchable


def _face(pair: tuple[Template, Template | None], parts: Callable[[frozenset[str]], Parts], indicator: str) -> Face:
    left = parts(_prints(pair[1]))
    return Face(*pair, left, left, indicator)


def _prints(template: Template | None) -> frozenset[str]:
    return _NOTHING if template is None else template.prints


def _in_percent(templates: _Templates, release: ReleaseFacts) -> bool:
    """What wardgate says of a score follows the templates; where they print none, a range of 0 to 1 is per cent."""
    pair = [template for template in (templates.summary, templates.detail) if template is not None]
    if any("score" in template.prints for template in pair):
        return any(template.percent for template in pair)
    return release.score_range == (0, 1)


def _scene_facts(
    spec: CardSpec, shapes: Mapping[str, Shape], release: ReleaseFacts, rules: Rules, percent: bool
) -> SceneFacts:
    note = calibration_text(release.calibration)
    bands: tuple[Band | None, ...] = (*rules.bands, None)
    thresholds = {rules.threshold.default, *rules.threshold.sites.values()}
    return SceneFacts(
        shapes=shapes,
        inputs=release.inputs,
        ageing=tuple((name, w) for name in release.inputs if (w := shapes[name].within) is not None),
        edges=tuple(band.start for band in rules.bands),
        precision=spec.precision,
        model=Prepared(release.model),
        version=Prepared(release.version),
        not_checked=Prepared(not_checked_text(rules, [(limit.text, limit.check) for limit in release.limitations])),
        certainty={
            (threshold, None if band is None else band.name): Prepared(
                certainty_text(band, rules.bands, threshold, rules.threshold, note, percent)
            )
            for threshold in thresholds
            for band in bands
        },
        questions=tuple((each.name, each.when) for each in rules.exclusions if each.when is not None),
        rules={str(n): rule.when.text for n, rule in enumerate(rules.defer, 1) if not rule.when.uses_outputs},
    )


def _sampled(
    plan: CardPlan, features: Mapping[str, FeatureSpec], release: ReleaseFacts, rules: Rules
) -> Iterable[CardProblem]:
    """One problem for each kind of card at most: the first sample that fails tells enough."""
    if (wrong := _label_problem(plan, samples.degraded_samples())) is not None:
        yield wrong
        return
    kinds = (
        ("", render, samples.score_samples(features, release, rules)),
        ("deferred.", render, samples.deferral_samples(features)),
        ("unavailable.", render_notice, samples.notice_samples()),
    )
    for prefix, make, calls in kinds:
        problem = next((found for call in calls if (found := _tried(plan, prefix, make, call)) is not None), None)
        if problem is not None:
            yield problem


def _label_problem(plan: CardPlan, calls: Iterable[CardFacts]) -> CardProblem | None:
    """Law 6: whatever the label says besides, it names the step, on every degraded answer."""
    for call in calls:
        scene = Scene(plan.facts, call)
        label = label_of(plan, scene)
        if scene.step_display().casefold() not in label.casefold():
            what = f"the label of a {call.step.value} answer does not say so (law 6)"
            return CardProblem("fallback.label", what, "print {{ step.display }} in it, whatever else it says")
        if len(label) > LONGEST_LABEL:
            what = f"the label takes {len(label)} of the summary's 139 characters"
            return CardProblem("fallback.label", what, "shorten it")
    return None


def _tried(
    plan: CardPlan, prefix: str, make: Callable[[CardPlan, CardFacts], Card], call: CardFacts
) -> CardProblem | None:
    try:
        card = make(plan, call)
    except (TemplateError, TypeError, ValueError) as error:
        what = f"a template fails with sample values ({type(error).__name__})"
        return CardProblem(f"{prefix}detail", what, "print names that always have a text")
    if len(card.detail or "") > LONGEST_OUTPUT:
        what = f"the card is longer than {LONGEST_OUTPUT:,} characters with sample values"
        return CardProblem(f"{prefix}detail", what, "shorten the template")
    if card.summary.endswith("…") and not prefix and call.step_age is None:
        what = f"the summary is longer than {LONGEST_SUMMARY} characters with sample values"
        return CardProblem("summary", what, "shorten it; the rest belongs in detail")
    return None


def _problems(spec: CardSpec, features: Mapping[str, FeatureSpec]) -> Iterable[CardProblem]:
    if not 0 <= spec.precision <= 12:
        yield CardProblem("precision.score", "the decimals are not between 0 and 12", "use 4, say")
    yield from _band_problems(spec.bands)
    for key, notice in (("deferred", spec.deferred), ("unavailable", spec.unavailable)):
        yield from _indicator(f"{key}.indicator", notice.indicator)
    yield from _source_problems(spec.source)
    for number, link in enumerate(spec.links):
        yield from _link_problems(f"links.{number}", link)
    yield from _launch_problems(spec)
    for number, suggestion in enumerate(spec.suggestions):
        yield from _literal(f"suggestions.{number}.label", suggestion.label)
        for inner, action in enumerate(suggestion.actions):
            yield from _literal(f"suggestions.{number}.actions.{inner}.description", action.description)
    for number, system in enumerate(spec.system_actions):
        yield from _literal(f"systemActions.{number}.description", system.action.description)
    yield from _override_problems(spec.override_reasons)
    for name in spec.names:
        if name not in features:
            yield CardProblem(f"names.{name}", "no feature has this name", "name a feature of the schema")
    for key, text in (("summary", spec.summary), ("deferred.summary", spec.deferred.summary)):
        if not one_line(text):
            yield CardProblem(key, "the summary is empty", "say in one sentence what the card says (CDS Hooks, CARD-2)")


def _band_problems(bands: tuple[Band, ...]) -> Iterable[CardProblem]:
    if not bands:
        yield CardProblem("bands", "there is no band", "declare one at least: {name, from, indicator}")
    for number, band in enumerate(bands):
        yield from _indicator(f"bands.{number}.indicator", band.indicator)
        if not one_line(band.name):
            yield CardProblem(f"bands.{number}.name", "the name is empty", "say what the band means")
        if number and not bands[number - 1].start < band.start:
            what = "the band does not start above the one before"
            yield CardProblem(f"bands.{number}.from", what, "order the bands from the lowest to the highest")
    if len({band.name for band in bands}) < len(bands):
        yield CardProblem("bands", "two bands have the same name", "name them apart")


def _indicator(key: str, indicator: str) -> Iterable[CardProblem]:
    if indicator not in INDICATORS:
        yield CardProblem(key, "no such indicator", "use " + ", ".join(INDICATORS))


def _source_problems(source: Source) -> Iterable[CardProblem]:
    yield from _literal("source.label", source.label)
    if source.url is not None:
        yield from _absolute("source.url", source.url)
    if source.icon is not None:
        yield from _absolute("source.icon", source.icon)
    if source.topic is not None and not (source.topic.system and source.topic.code):
        yield CardProblem("source.topic", "a topic is a Coding with system and code", "give both")
    elif source.topic is not None:
        yield from _literal("source.topic.code", source.topic.code)


def _link_problems(key: str, link: Link) -> Iterable[CardProblem]:
    yield from _literal(f"{key}.label", link.label)
    yield from _absolute(f"{key}.url", link.url)
    if link.type not in ("absolute", "smart"):
        yield CardProblem(f"{key}.type", "no such link type", "use absolute or smart")
    elif link.type == "absolute" and link.app_context is not None:
        yield CardProblem(f"{key}.appContext", "an absolute link has no appContext (LNK-2)", "leave it out")


def _launch_problems(spec: CardSpec) -> Iterable[CardProblem]:
    """A card whose app is launched by itself may never be seen (LNK-3, trap T-26), so nothing may be lost with it."""
    launched = [number for number, link in enumerate(spec.links) if link.autolaunchable]
    for number in launched[1:]:
        yield CardProblem(f"links.{number}.autolaunchable", "the second app that launches itself", "keep one")
    if launched and spec.suggestions:
        key, what = f"links.{launched[0]}.autolaunchable", "a card that may never be seen has suggestions (LNK-3)"
        yield CardProblem(key, what, "leave them to the app, or do without the launch")


def _override_problems(reasons: tuple[OverrideReason, ...]) -> Iterable[CardProblem]:
    for number, reason in enumerate(reasons):
        key = f"override_reasons.{number}"
        yield from _literal(f"{key}.display", reason.coding.display or "")
        if not (reason.coding.system and reason.coding.code):
            yield CardProblem(key, "an override reason is a Coding with system, code and display", "give all three")
    if len({(reason.coding.system, reason.coding.code) for reason in reasons}) < len(reasons):
        yield CardProblem("override_reasons", "two reasons have the same system and code", "tell them apart")


def _literal(key: str, text: str) -> Iterable[CardProblem]:
    if not text.strip() or clean(text) != text:
        yield CardProblem(key, "the text is empty or not one line of visible characters", "write one line")
    elif _is_template(text):
        yield CardProblem(key, "this text is no template", "write it as it shall be read")


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def _absolute(key: str, url: str) -> Iterable[CardProblem]:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname or clean(url) != url or " " in url or "{{" in url:
        yield CardProblem(key, "not an absolute http or https URL", "write it whole, such as https://host.example/path")
