"""What a candidate is expected to add, which the sampler that models the error goes by."""

import numpy as np
import pytest

from autosynth.study.knowncost import hypervolume_gains


def test_gains_are_the_area_that_a_point_adds() -> None:
    points = np.array([[0.5, 1.0], [0.3, 2.0], [0.6, 1.5]])
    errors, costs = np.array([[0.4, 0.2, 0.5, 0.9]]), np.array([1.0, 3.0, 2.5, 0.0])
    # Reference: error .9, cost 3. At cost 1, .1 less until 2, and nothing from there on.
    assert hypervolume_gains(errors, costs, points) == pytest.approx([0.1, 0.0, 0.0, 0.0])
    errors = np.array([[0.1, 0.2], [0.3, 0.2]])
    found = hypervolume_gains(errors, np.array([2.0, 1.5]), np.array([[0.5, 1.0], [0.3, 3.0]]))
    # One of two draws gains .4 over a width of 1, the other .2; the second .3 over 1.5.
    assert found == pytest.approx([0.5 * (0.4 + 0.2), 0.45])
