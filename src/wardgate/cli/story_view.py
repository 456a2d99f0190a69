"""The story of a call on a terminal: all of it on one screen, in the order in which it happened."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wardgate.domain.follow_up import FollowUp
from wardgate.domain.meanings import OUTCOMES, REASONS
from wardgate.domain.outcomes import Outcome, Reason
from wardgate.domain.records import Action, DecisionRecord, InputFact
from wardgate.domain.units import describe_age
from wardgate.records.archive import OutcomeRow
from wardgate.records.story import Reported, Story

_WIDEST = 110
_BAR = 30
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHOWN = {
    Action.CARD: "the card",
    Action.DEFERRAL: "a card that says that there is no score",
    Action.NOTICE: "the notice that there is no answer",
    Action.NONE: "nothing",
}
_COLOURS = {
    Outcome.SHOWN: "green",
    Outcome.DEFERRED: "yellow",
    Outcome.UNAVAILABLE: "red",
    Outcome.REFUSED: "red",
    Outcome.SHED: "red",
}
_STEPS = {"model": "by the model", "cached": "by its last score", "rule": "by a rule", "none": "without a score"}


def show(stories: Sequence[Story], console: Console) -> None:
    width = min(console.width, _WIDEST)
    for story in stories:
        console.print(_whole(story), width=width)


def _whole(story: Story) -> RenderableType:
    record = story.decision
    parts: list[RenderableType] = [Text(), _headline(record), _facts(story)]
    if record.inputs:
        parts += [_heading("inputs"), _indented(_inputs(record.inputs, story))]
    if record.stages_ms:
        parts += [_heading("stages", _total(record)), _indented(_stages(record))]
    if story.shadows:
        parts += [_heading("in shadow", "the same call, seen by nobody"), _indented(_shadows(story.shadows))]
    if story.repeats:
        parts += [_heading("given again", "the same request within a minute"), _indented(_repeats(story))]
    if record.action is not Action.NONE or record.visible or story.reports:
        parts += [_heading("feedback"), _indented(_reports(story.reports, record.user_role))]
    if story.follow_up is not None:
        parts += [_heading("outcome"), _indented(_outcome(story.follow_up, story))]
    return Group(*parts)


def _headline(record: DecisionRecord) -> Text:
    text = Text(f"{record.service_id} · {record.hook}", style="bold")
    text.append(f"   {_moment(record.at)}", style="default")
    return text


def _facts(story: Story) -> RenderableType:
    record = story.decision
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for name, value in _told(story):
        rows.add_row(name, value)
    rows.add_row("ended", _ended(record))
    rows.add_row("", Text(_meaning(record)))
    if record.score is not None:
        rows.add_row("score", _score(record))
    rows.add_row("shown", _shown(record))
    return _indented(rows)


def _told(story: Story) -> Iterator[tuple[str, Text]]:
    record = story.decision
    yield "decision", Text(record.decision_id)
    where = {
        "client": record.client,
        "site": record.site_id,
        "unit": record.unit,
        "specialty": record.specialty,
        "encounter": record.encounter_type,
        "role": record.user_role,
        "in": record.environment,
    }
    yield "where", _named(where)
    yield from _people(record)
    if record.model_name is not None:
        release = Text(f"{record.model_name} {record.model_version} · schema {record.feature_schema_version}")
        release.append(f"\n{record.release_digest}", style="dim")
        if story.approvals:
            release.append(f"\n{story.approvals}")
        yield "release", release
    rollout = Text(f"{record.mode} · {record.arm}")
    if record.snapshot_epoch is not None:
        rollout.append(f" · snapshot {record.snapshot_epoch}")
    if record.config_digest is not None:
        rollout.append(f" · files {record.config_digest[:19]}…", style="dim")
    yield "rollout", rollout


def _people(record: DecisionRecord) -> Iterator[tuple[str, Text]]:
    """By their pseudonyms: whom they stand for, the EHR knows."""
    for kind, name in (("patient", record.patient), ("encounter", record.encounter), ("user", record.user)):
        if name is not None:
            yield kind, Text(name.removeprefix(f"{kind}:"), style="dim")


def _ended(record: DecisionRecord) -> Text:
    same = record.outcome == record.reason
    text = Text(record.outcome, style=f"bold {_COLOURS.get(Outcome(record.outcome), 'default')}")
    text.append("" if same else f" / {record.reason}", style="default")
    text.append(f", {_STEPS.get(record.step, record.step)}", style="default")
    if record.question is not None:
        text.append(f" · {record.question}")
    if record.rule is not None:
        text.append(f" · rule {record.rule}")
    return text


def _meaning(record: DecisionRecord) -> str:
    said = REASONS[Reason(record.reason)].bedside if record.reason in list(Reason) else ""
    if not said:
        said = OUTCOMES.get(Outcome(record.outcome), "")
    if record.fallback_from in list(Reason):
        said += f" Before that: {REASONS[Reason(record.fallback_from)].bedside}"
    return said


def _score(record: DecisionRecord) -> Text:
    text = Text(f"{record.score:.6g}", style="bold")
    if record.threshold is not None:
        text.append(f" · threshold {record.threshold:g}", style="default")
    if record.band is not None:
        text.append(f" · band {record.band}", style="default")
    if record.cache_age_s is not None:
        text.append(f" · {describe_age(record.cache_age_s)} old", style="default")
    return text


def _shown(record: DecisionRecord) -> Text:
    if not record.visible:
        text = Text("nothing")
        if record.card_uuids:
            text.append("; rendered, and kept back", style="default")
    else:
        text = Text(_SHOWN[record.action] if record.action is not Action.NONE else "a card")
        if record.recommendation_type is not None:
            text.append(f" · {record.recommendation_type.value.replace('_', ' ')}")
    if record.system_actions:
        text.append(f" · {record.system_actions} done by the EHR itself")
    for kind, uuids in (("card", record.card_uuids), ("suggestion", record.suggestion_uuids)):
        for uuid in uuids:
            text.append(f"\n{kind} {uuid}", style="dim")
    return text


def _inputs(facts: Iterable[InputFact], story: Story) -> Table:
    table = _table("feature", "value in", "age", "mark")
    for fact in facts:
        where = story.ranges.get(fact.name) or ("" if fact.bin is None else f"bin {fact.bin}")
        notes = [
            each for each, holds in (("filled", fact.filled), ("clipped", fact.clipped), ("late", fact.late)) if holds
        ]
        mark = Text(fact.mark or "", style="yellow")
        mark.append(f"{' · ' if fact.mark and notes else ''}{' · '.join(notes)}", style="default")
        table.add_row(fact.name, where, fact.age_step or "", mark)
    return table


def _total(record: DecisionRecord) -> str:
    total = sum(record.stages_ms.values()) if record.latency_ms is None else record.latency_ms
    return f"{total:.1f} ms"


def _stages(record: DecisionRecord) -> Table:
    """A bar for each, as long as its share of the slowest."""
    slowest = max(record.stages_ms.values()) or 1.0
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for name, took in record.stages_ms.items():
        table.add_row(name, f"{took:.2f} ms", Text(_bar(took / slowest), style="blue"))
    return table


def _bar(share: float) -> str:
    eighths = round(max(share, 0.0) * _BAR * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip() or "▏"


def _shadows(records: Sequence[DecisionRecord]) -> Table:
    table = _table("release", "score", "band", "would have ended")
    for record in records:
        score = "" if record.score is None else f"{record.score:.6g}"
        table.add_row(record.model_version or "", score, record.band or "", f"{record.outcome} / {record.reason}")
    return table


def _repeats(story: Story) -> Text:
    return Text("\n".join(f"{_moment(each.at)}  decision {each.decision_id}" for each in story.repeats))


def _reports(reports: Sequence[Reported], role: str | None) -> RenderableType:
    """`role`: of the user who was shown the card, where a report says none."""
    if not reports:
        return Text("none so far", style="dim")
    table = _table("", "after", "why", "who")
    for report in reports:
        entry = report.entry
        number = len(entry.suggestion_keys)
        taken = f" ({number} suggestion{'s' if number > 1 else ''})" if number else ""
        code = f"{entry.override_code} " if entry.override_code is not None else ""
        why = f"{code}({entry.override_class})" if entry.outcome == "overridden" else ""
        table.add_row(
            f"{entry.outcome}{taken}", report.after or "the clocks disagree", why, entry.user_role or role or ""
        )
    return table


def _outcome(rule: FollowUp, story: Story) -> Text:
    text = Text(f"{rule.label} within {rule.within / 86400:g} days ({rule.take}): ")
    known = {None: "not known yet", 0.0: "did not happen", 1.0: "happened"}
    text.append(known.get(story.outcome, f"{story.outcome}"), style="bold")
    for row in story.happened:
        text.append(f"\n{_seen(row, story.decision.at)}", style="dim")
    return text


def _seen(row: OutcomeRow, decided: float) -> str:
    span = f"{describe_age(abs(row.at - decided))} {'after' if row.at >= decided else 'before'} the decision"
    if row.value == 0:
        return f"had not happened until {span}"
    return f"happened {span}" if row.value == 1 else f"{row.value:g}, {span}"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, name in enumerate(names):
        table.add_column(name, overflow="fold", no_wrap=place == 0)
    return table


def _named(parts: dict[str, str | None]) -> Text:
    text = Text()
    for name, value in parts.items():
        if value is not None:
            text.append(" · " if text else "").append(f"{name} ", style="dim").append(value)
    return text


def _heading(name: str, note: str = "") -> Text:
    text = Text(f"\n{name}", style="bold")
    return text.append(f"  {note}", style="dim") if note else text


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
