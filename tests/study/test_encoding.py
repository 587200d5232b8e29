"""A strategy as numbers: what was chosen, and what was not there to be chosen."""

import numpy as np

from autosynth.strategy import parse
from autosynth.study.encoding import NO_CHOICE, answers_of, as_rows, costed_answers


def test_choices_have_names() -> None:
    found = answers_of(
        parse("mean(cnn[width=16, depth=2], cnn[width=64] > gru) train=subsets | lr=0.004")
    )
    assert found["topology"] == "hybrid"
    assert found["fusion"] == "mean[]"
    assert found["train"] == "subsets"
    assert (found["cnn"], found["gru"]) == (2.0, 1.0)
    assert found["cnn.width"] == 6.0  # the largest, as a logarithm
    assert found["cnn.depth"] == 1.0
    assert found["settings.lr"] == np.log2(0.004)


def test_rows_have_a_column_for_each_number_and_each_word() -> None:
    one, two = answers_of(parse("cnn[width=16, norm=batch]")), answers_of(parse("gru[depth=4]"))
    rows = as_rows([one, two])
    assert rows.shape[0] == 2
    different = [tuple(column) for column in rows.T if column[0] != column[1]]
    assert sorted(different) == sorted(
        [(1.0, NO_CHOICE), (4.0, NO_CHOICE), (1.0, 0.0), (NO_CHOICE, 1.0), (NO_CHOICE, 2.0)]
    )
    assert as_rows([one, one])[0].tolist() == as_rows([one, one])[1].tolist()


def test_what_a_strategy_does_not_use_is_no_choice_of_it() -> None:
    settings = "| lr=0.004 schedule=wsd length=2.0"
    assert not [name for name in answers_of(parse(f"trees {settings}")) if "settings" in name]
    found = answers_of(parse(f"mean(trees, mlp) {settings}"))
    assert {name for name in found if "settings" in name} == {"settings.lr", "settings.schedule"}
    assert costed_answers(parse("mlp"), 1024.0)["flops"] == 10.0
