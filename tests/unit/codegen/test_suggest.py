"""Did-you-mean."""

from codegen.suggest import did_you_mean, likely, nearest, quoted

NAMES = ("price", "lanes", "max_input_tokens", "max_output_tokens", "openai/responses")


def test_closest_name_comes_first_and_capitals_and_dashes_do_not_count() -> None:
    assert nearest("pric", NAMES) == ("price",)
    assert nearest("Max-Output-Token", NAMES)[0] == "max_output_tokens"
    assert nearest("zzz", NAMES) == ()


def test_a_name_that_begins_with_the_word_is_offered_but_not_taken_for_granted() -> None:
    assert nearest("openai", NAMES) == ("openai/responses",)
    assert likely("openai", NAMES) is None
    assert likely("PRICES", NAMES) == "price"


def test_no_more_than_three_are_offered() -> None:
    assert len(nearest("model", [f"model{n}" for n in range(9)])) == 3


def test_a_very_long_word_is_cut_before_it_is_compared() -> None:
    assert nearest("x" * 1_000_000, NAMES) == ()


def test_names_in_a_sentence() -> None:
    assert [quoted(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "`a`",
        "`a` and `b`",
        "`a`, `b` and `c`",
    ]
    assert did_you_mean(("a", "b")) == "did you mean `a` or `b`?"
