"""What mattered: questions of a space as what a person chooses between."""

import numpy as np
import optuna
import pytest

from autosynth.study.mattered import FEWEST_TRIALS, choice_of, what_mattered


@pytest.mark.parametrize(
    ("question", "choice"),
    [
        ("topology", "topology"),
        ("n_parts", "topology"),
        ("hybrid.shape", "topology"),
        ("branch1.step0.family", "components"),
        ("full.family", "components"),
        ("branch1.step0.reads", "inputs"),
        ("fusion", "fusion"),
        ("inner.fusion", "fusion"),
        ("parallel.sharing", "sharing"),
        ("training", "training"),
        ("init", "training"),
        ("lr", "settings"),
        ("length", "settings"),
        ("branch1.step0.cnn.width", "sizes"),
        ("layers.width", "sizes"),
    ],
)
def test_questions_have_names_that_a_person_knows(question: str, choice: str) -> None:
    assert choice_of(question) == choice


def study(n: int) -> optuna.Study:
    """The fusion decides the error, and nothing else does."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng = np.random.default_rng(0)
    found = optuna.create_study(
        directions=["minimize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for _ in range(n):
        trial = found.ask()
        fusion = trial.suggest_categorical("fusion", ["mean", "sum"])
        trial.suggest_int("branch1.step0.cnn.width", 0, 4)
        trial.suggest_categorical("topology", ["single", "parallel"])
        error = (0.1 if fusion == "mean" else 0.6) + 0.05 * rng.random()
        found.tell(trial, [error, 1.0])
    return found


def test_what_decides_the_error_has_the_largest_share_and_an_interval() -> None:
    found = what_mattered(study(60))
    assert [each.choice for each in found][0] == "fusion"
    assert found[0].share > 0.7
    for each in found:
        assert each.low <= each.share <= each.high <= 1
    for each in found[1:]:
        assert each.low < 0.05
    assert found[0].low > max(each.high for each in found[1:])
    assert what_mattered(study(60)) == found


def test_nothing_is_said_of_few_trials() -> None:
    assert what_mattered(study(FEWEST_TRIALS - 1)) == []
    assert what_mattered(study(FEWEST_TRIALS))
