from hypothesis import given
from hypothesis import strategies as st

from anaphora.values.message import Image, Message, Text, ToolCall, text_message
from anaphora.values.tokens import IMAGE_TOKENS, MESSAGE_OVERHEAD, Estimate, measure_of

PROSE = text_message("user", "The quick brown fox jumps over the lazy dog. " * 40)


def test_english_is_estimated_a_little_too_high_at_first():
    # OpenAI's o200k_base counts 401 tokens for this text.
    assert 401 < Estimate().count(PROSE) < 401 * 1.4


def test_pictures_and_tool_calls_count():
    message = Message("user", (Image(b"x", "image/png"), Text("hi")))
    assert Estimate().count(message) == MESSAGE_OVERHEAD + IMAGE_TOKENS + 1
    assert Estimate().count(Message("assistant", (ToolCall("1", "look", '{"x": 1}'),))) > MESSAGE_OVERHEAD


def test_the_estimate_learns_from_reports_until_it_is_near():
    estimate = Estimate()
    for _ in range(5):
        estimate = estimate.learned(measure_of([PROSE]), 405)
    assert abs(estimate.count(PROSE) - 405) <= 2


def test_zero_and_tiny_reports_teach_nothing():
    assert Estimate().learned(measure_of([PROSE]), 0) == Estimate()
    assert Estimate().learned(measure_of([PROSE]), MESSAGE_OVERHEAD) == Estimate()
    assert Estimate().learned(measure_of([text_message("user", "hi")]), 20) == Estimate()


@given(st.lists(st.integers(0, 10_000_000), max_size=20))
def test_no_report_makes_the_estimate_absurd(reports: list[int]):
    estimate = Estimate()
    for report in reports:
        estimate = estimate.learned(measure_of([PROSE]), report)
    assert 1.5 <= estimate.bytes_per_token <= 8.0


@given(st.text())
def test_a_longer_text_never_counts_less(text: str):
    count = Estimate().count
    assert count(text_message("user", text + "x")) >= count(text_message("user", text)) >= MESSAGE_OVERHEAD
