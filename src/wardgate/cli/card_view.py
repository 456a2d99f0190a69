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
    source = card.get("source") or {}
    table.add_row("source", _linked(source.get("label", ""), source.get("url")))
    for link in card.get("links") or []:
        table.add_row("link", _linked(link.get("label", ""), link.get("url")))
    for suggestion in card.get("suggestions") or []:
        table.add_row("suggests", Text(plain(suggestion.get("label", ""))))
    reasons = [plain(each.get("display") or each.get("code", "")) for each in card.get("overrideReasons") or []]
    if reasons:
        table.add_row("override", Text(" / ".join(reasons)))
    yield table


def _linked(label: object, url: object) -> Text:
    text = Text(plain(label))
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
