"""Whether a card repeats the one before: what is not sure is shown."""

from hypothesis import given
from hypothesis import strategies as st

from wardgate.domain.decisions.suppression import (
    RETRY,
    Repetition,
    ShownMark,
    Suppression,
    repetition,
    repetition_of_notice,
)
from wardgate.domain.outcomes import Step

STEPS = [Step.MODEL, Step.CACHED, Step.RULE]
marks = st.builds(
    ShownMark,
    at=st.floats(0, 200_000),
    digest=st.sampled_from(["sha256:a", "sha256:b"]),
    step=st.sampled_from(STEPS),
    scale=st.sampled_from([None, "news2"]),
    band=st.sampled_from([None, 0.1, 0.2]),
    site=st.sampled_from([None, "a", "b"]),
)
rules = st.builds(Suppression, lasts=st.sampled_from([5.0, 3600.0, 86_400.0]), site=st.booleans(), band=st.booleans())


@given(rules, marks, marks)
def test_a_card_is_suppressed_exactly_where_nothing_about_it_is_news(
    rule: Suppression, before: ShownMark, now: ShownMark
) -> None:
    """Against the list of what lifts: time, release, scale, step, a worse band, and what `same` names."""
    height = {None: 0, 0.1: 1, 0.2: 2}
    news = (
        now.digest != before.digest
        or now.scale != before.scale
        or (now.step is Step.MODEL and before.step is not Step.MODEL)
        or height[now.band] > height[before.band]
        or (rule.band and now.band != before.band)
        or (rule.site and now.site != before.site)
    )
    over = now.at - before.at >= max(rule.lasts, RETRY)
    early = now.at - before.at < RETRY
    expected = Repetition.NEW if news or over else Repetition.RETRY if early else Repetition.REPEAT
    assert repetition(rule, before, now) is expected


@given(rules, marks)
def test_without_a_mark_everything_is_new(rule: Suppression, now: ShownMark) -> None:
    """Nothing was shown, or nobody knows."""
    assert repetition(rule, None, now) is Repetition.NEW


@given(st.none() | st.floats(0, 5000), st.floats(0, 5000), st.floats(0, 3000))
def test_a_notice_is_told_once_in_its_time(told: float | None, now: float, every: float) -> None:
    """A mark in the future hides nothing."""
    expected = Repetition.NEW
    if told is not None and now - told < RETRY:
        expected = Repetition.RETRY
    elif told is not None and now - told < every:
        expected = Repetition.REPEAT
    assert repetition_of_notice(told, now, every) is expected
