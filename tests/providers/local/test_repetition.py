from anaphora.providers.local.repetition import REPETITION_SPAN, runs_in_circles


def test_a_sentence_said_over_and_over_is_noticed():
    assert runs_in_circles(
        ("The fox was named Felix because of the butcher who brought him to the market. " * 20)[-REPETITION_SPAN:]
    )


def test_prose_lists_code_and_rules_are_let_be():
    assert not runs_in_circles(
        "".join(f"{number}. An animal that is number {number} of the list.\n" for number in range(40))[-REPETITION_SPAN:]
    )
    assert not runs_in_circles("-" * REPETITION_SPAN)
    assert not runs_in_circles("short. " * 10)
