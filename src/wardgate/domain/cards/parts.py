"""What every card states, whether its template says it or not: each part once, by the template or by wardgate.

A part is stated where the template's detail prints its names in any case (`Template.prints`); the others follow the
detail as blocks, and as notes under a heading.
"""

from collections.abc import Callable, Iterable

import msgspec

from wardgate.domain.cards.scene import Scene
from wardgate.domain.cards.score import Share
from wardgate.domain.cards.shapes import Shape
from wardgate.domain.cards.text import Markdown, escape
from wardgate.domain.cards.wording import NOT_A_RESULT

Say = Callable[[Scene], str]
_ALWAYS = "(always)"  # no template prints it, so wardgate says it


class Part(msgspec.Struct, frozen=True):
    """`text` gives Markdown, or nothing where there is nothing to say."""

    stated_by: frozenset[str]
    text: Say


class Parts(msgspec.Struct, frozen=True):
    """What is left for wardgate to say: blocks, then notes under `heading`."""

    blocks: tuple[Say, ...]
    heading: str
    notes: tuple[Say, ...]

    def text(self, scene: Scene) -> Iterable[str]:
        blocks = [text for say in self.blocks if (text := say(scene))]
        notes = ["- " + text for say in self.notes if (text := say(scene))]
        return [*blocks, f"**{self.heading}**", "\n".join(notes)] if notes else blocks


def _part(say: Say, *stated_by: str) -> Part:
    return Part(frozenset(stated_by), say)


def _score(percent: bool) -> Say:
    def say(scene: Scene) -> str:
        score = scene.score()
        text = score.percent if percent and isinstance(score, Share) else str(score)
        return escape(f"Score: {text} ({scene.band()}).")

    return say


def _inputs(scene: Scene) -> str:
    return scene.reasons().markdown()


def _inputs_if_changed(scene: Scene) -> str:
    """Where a template prints each input by hand: what it cannot have printed, effects and what the gateway changed."""
    prediction = scene.call.prediction
    if prediction is None:
        return ""
    told = prediction.contributions is None and not prediction.inputs.filled and not prediction.inputs.clipped
    return "" if told else _inputs(scene)


def _certainty(scene: Scene) -> str:
    return f"How sure: {scene.certainty().markdown}"


def _model(scene: Scene) -> str:
    return f"Model: {scene.plan.model.markdown} {scene.plan.version.markdown}."


def _rule(scene: Scene) -> str:
    return escape(scene.rule_text())


def _cached(scene: Scene) -> str:
    return escape(scene.cached_text())


def _unchecked(scene: Scene) -> str:
    text = scene.unchecked_text()
    return f"**{escape(text)}**" if text else ""


def _not_checked(scene: Scene) -> str:
    return scene.not_checked().markdown


def _times(scene: Scene) -> str:
    return f"Computed {scene.computed_at()}, valid until {scene.valid_until()}."


def _asked_at(scene: Scene) -> str:
    return f"Asked {scene.computed_at()}."


def _why(scene: Scene) -> str:
    text = f"**Why no score:** {escape(scene.reason_display())}."
    rule = scene.rule()
    return f"{text} (Rule: {escape(rule)})" if rule else text


def _missing(scene: Scene) -> str:
    return _titled("Not usable", scene.missing().markdown())


def _known(scene: Scene) -> str:
    return _titled("Known", scene.known().markdown())


def _titled(title: str, table: Markdown) -> str:
    return f"**{title}**\n\n{table}" if table else ""


def _advice(scene: Scene) -> str:
    return f"**What to do:** {escape(scene.advice())}"


def _silence(scene: Scene) -> str:
    return NOT_A_RESULT


def parts_of_score(shapes: Iterable[Shape], percent: bool, detail: frozenset[str], summary: frozenset[str]) -> Parts:
    """`detail` and `summary` are what the templates print; of the summary only score and band count. Of a cached score
    no template can leave out that it is one, and which inputs nobody could look at."""
    by_hand = all(_printed_by_hand(shape, detail) for shape in shapes)
    blocks = (_part(_unchecked, _ALWAYS), _part(_inputs_if_changed if by_hand else _inputs, "reasons"))
    notes = (
        _part(_score(percent), "score", "band"),
        _part(_certainty, "certainty"),
        _part(_model, "release.model", "release.version"),
        _part(_cached, _ALWAYS),
        _part(_not_checked, "not_checked"),
        _part(_times, "computed_at", "valid_until"),
    )
    stated = detail | (summary & {"score", "band"})
    return Parts(_left(blocks, detail), "About this score", _left(notes, stated))


def parts_of_rule(detail: frozenset[str], summary: frozenset[str]) -> Parts:
    """As of a score; that a rule stood in, and for what, no template can leave out."""
    notes = (
        _part(_score(percent=False), "score", "band"),
        _part(_certainty, "certainty"),
        _part(_rule, _ALWAYS),
        _part(_not_checked, "not_checked"),
        _part(_times, "computed_at", "valid_until"),
    )
    stated = detail | (summary & {"score", "band"})
    return Parts(_left((_part(_inputs, "reasons"),), detail), "About this score", _left(notes, stated))


def _printed_by_hand(shape: Shape, printed: frozenset[str]) -> bool:
    value = {f"{shape.name}.value", f"{shape.name}.text"}
    when = {f"{shape.name}.age", f"{shape.name}.date"}
    return bool(value & printed) and (not shape.dated or bool(when & printed))


def parts_of_deferral(detail: frozenset[str]) -> Parts:
    blocks = (
        _part(_why, "reason.display"),
        _part(_missing, "missing"),
        _part(_known, "known"),
        _part(_advice, "advice"),
    )
    notes = (
        _part(_model, "release.model", "release.version"),
        _part(_not_checked, "not_checked"),
        _part(_asked_at, "computed_at"),
    )
    return Parts(_left(blocks, detail), "About this card", _left(notes, detail))


def parts_of_notice(detail: frozenset[str]) -> Parts:
    blocks = (_part(_why, "reason.display"), _part(_silence, _ALWAYS))
    notes = (_part(_model, "release.model", "release.version"), _part(_asked_at, "computed_at"))
    return Parts(_left(blocks, detail), "About this card", _left(notes, detail))


def _left(parts: Iterable[Part], printed: frozenset[str]) -> tuple[Say, ...]:
    return tuple(part.text for part in parts if not part.stated_by <= printed)
