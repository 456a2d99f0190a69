"""A hook call and its cards on a terminal."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Markdown, TableElement
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from wardgate.cli.ehr import HookAnswer, Prefetched
from wardgate.domain.meanings import REASONS
from wardgate.domain.outcomes import Reason

_COLOURS = {"info": "blue", "warning": "yellow", "critical": "red"}
_WIDEST = 100
_SIGNS = {"create": "+", "update": "~", "delete": "−"}


class _TightTable(TableElement):
    """rich draws a Markdown table with an empty line above and below, besides those of the paragraphs."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                part.show_edge = False
            yield part


class _CardMarkdown(Markdown):
    elements = {**Markdown.elements, "table_open": _TightTable}


def show(answer: HookAnswer, console: Console, today: date) -> None:
    console.print(_facts(answer, today))
    for card in answer.cards:
        console.print(_card(card), width=min(console.width, _WIDEST))
    actions = _system_actions(answer)
    if actions:
        console.print(Padding(Group(Text("The EHR does by itself:", style="bold"), *actions), (0, 2)))
    if not answer.cards:
        console.print(Padding(_nothing(answer), (0, 2)))
    console.print()


def plain(value: object) -> str:
    """Text from outside without control characters, so that no chart can steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in str(value))


def _facts(answer: HookAnswer, today: date) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    service = f"{plain(answer.service['id'])} · {plain(answer.service['hook'])}"
    table.add_row("service", Text(service, style="bold"))
    table.add_row("patient", Text(_person(answer.patient, today)))
    table.add_row("prefetch", Text(_prefetched(answer.prefetched)))
    table.add_row("answer", _status(answer))
    return table


def _person(patient: Mapping[str, Any], today: date) -> str:
    facts = [_name(patient), plain(patient.get("gender", "")), _age(patient, today)]
    return f"{plain(patient.get('id', ''))} ({', '.join(fact for fact in facts if fact)})"


def _name(patient: Mapping[str, Any]) -> str:
    names = patient.get("name")
    first = names[0] if isinstance(names, list) and names and isinstance(names[0], dict) else {}
    given = first.get("given")
    words = [*(given if isinstance(given, list) else []), first.get("family") or ""]
    return plain(" ".join(str(word) for word in words if word) or first.get("text", ""))


def _age(patient: Mapping[str, Any], today: date) -> str:
    try:
        born = date.fromisoformat(str(patient.get("birthDate")))
    except ValueError:
        return ""
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return f"{years} years"


def _prefetched(states: tuple[Prefetched, ...]) -> str:
    if not states:
        return "none: the gateway reads from the FHIR server itself"
    return " · ".join(
        f"{plain(each.key)} {each.count}" if each.count is not None else f"{plain(each.key)} missing ({each.why})"
        for each in states
    )


def _status(answer: HookAnswer) -> Text:
    good = answer.status == 200
    text = Text(str(answer.status), style="green" if good else "bold red")
    text.append(f" in {answer.milliseconds:.1f} ms", style="default")
    if good:
        number = len(answer.cards)
        text.append(f" · {'no card' if number == 0 else '1 card' if number == 1 else f'{number} cards'}")
    return text


def _card(card: Mapping[str, Any]) -> Panel:
    indicator = str(card.get("indicator", "info"))
    colour = _COLOURS.get(indicator, "magenta")
    parts: list[RenderableType] = [Text(plain(card.get("summary", "")), style="bold")]
    if card.get("detail"):
        parts += [Text(), _CardMarkdown(plain(card["detail"]))]
    parts += [Text(), *_foot(card)]
    title = Text(f" {plain(indicator).upper()} ", style=f"bold reverse {colour}")
    return Panel(Group(*parts), title=title, title_align="left", border_style=colour, padding=(1, 2))


def _foot(card: Mapping[str, Any]) -> Iterator[RenderableType]:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, parts in (
        (_choice(card), [_suggested(each) for each in _list(card, "suggestions")]),
        ("links", [_link(each) for each in _list(card, "links")]),
        ("override", [_reason(each) for each in _list(card, "overrideReasons")]),
        ("source", [_source(card.get("source"))]),
    ):
        if parts:
            table.add_row(name, Group(*parts))
    yield table


def _list(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """What another service sent may be anything."""
    found = holder.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _choice(card: Mapping[str, Any]) -> str:
    return "choose one" if card.get("selectionBehavior") == "at-most-one" else "suggests"


def _suggested(suggestion: Mapping[str, Any]) -> RenderableType:
    """What a click would do: selected beforehand or not, and each action with what it brings into the chart."""
    recommended = suggestion.get("isRecommended") is True
    label = Text("☑ " if recommended else "☐ ", style="green" if recommended else "dim")
    label.append(plain(suggestion.get("label", "")), style="bold")
    if recommended:
        label.append(" (recommended)", style="green")
    return Group(_hanging(label), *(_hanging(each, 2) for each in _actions(suggestion.get("actions"))))


def _actions(actions: object) -> list[Text]:
    texts = []
    for action in actions if isinstance(actions, list) else []:
        if isinstance(action, dict):
            kind, resource = plain(action.get("type", "")), action.get("resource")
            what = resource.get("resourceType", "") if isinstance(resource, dict) else action.get("resourceId", "")
            text = Text(f"{_SIGNS.get(kind, '?')} {plain(action.get('description', ''))} ")
            texts.append(text.append(f"({' '.join(filter(None, (kind, plain(what))))})", style="dim"))
    return texts


def _hanging(text: Text, left: int = 0) -> RenderableType:
    """Its sign stands alone at the left of all its lines."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(text[:1], text[2:])
    return Padding(table, (0, 0, 0, left))


def _system_actions(answer: HookAnswer) -> list[RenderableType]:
    body = answer.body if answer.status == 200 and isinstance(answer.body, dict) else {}
    return [_hanging(each) for each in _actions(body.get("systemActions"))]


def _link(link: Mapping[str, Any]) -> RenderableType:
    how = ["SMART app"] if link.get("type") == "smart" else []
    how += ["opens by itself"] if link.get("autolaunchable") is True else []
    return _hanging(_linked(link.get("label", ""), link.get("url"), ", ".join(how), "→ "))


def _reason(reason: Mapping[str, Any]) -> RenderableType:
    return _hanging(Text(f"· {plain(reason.get('display') or reason.get('code', ''))}"))


def _source(source: object) -> Text:
    if not isinstance(source, dict):
        return Text()
    text = _linked(source.get("label", ""), source.get("url"))
    topic = source.get("topic")
    if isinstance(topic, dict):
        named = [plain(part) for part in (topic.get("display"), topic.get("code")) if part]
        text.append(f"\ntopic: {' · '.join(named)}", style="dim")
    return text


def _linked(label: object, url: object, how: str = "", sign: str = "") -> Text:
    text = Text(sign + plain(label))
    if how:
        text.append(f" ({how})", style="dim")
    if url:
        text.append(f"\n{plain(url)}", style="dim underline")
    return text


def _nothing(answer: HookAnswer) -> RenderableType:
    if answer.status != 200:
        return Text(_problem(answer.body), style="red")
    if answer.counted is None:
        return Text(
            "No card. The service had nothing to show for this patient: below the threshold, out of its scope, "
            "deferred or not available. The gateway's /metrics and its records say which."
        )
    outcome, reason = answer.counted.get("outcome", ""), answer.counted.get("reason", "")
    text = Text("No card. ")
    text.append(REASONS[Reason(reason)].bedside if reason in list(Reason) else "")
    counted = outcome if outcome == reason else f"{outcome} / {reason}"
    text.append(f"\nThe gateway counted: {plain(counted)}", style="dim")
    return text


def _problem(body: Any) -> str:
    issues = body.get("issue") if isinstance(body, dict) else None
    said = [plain(each.get("diagnostics", "")) for each in issues or [] if isinstance(each, dict)]
    return "\n".join(each for each in said if each) or "The gateway says no more about it."
