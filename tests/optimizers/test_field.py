"""What a field of an update rule sees of the samples and of the gradient of the loss."""

import numpy as np
import pytest

from eomsym.errors import InputError
from eomsym.optimizers.optimizer import Field

GRADIENT = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
SIGNS = {
    Field(): [1, 1, 1, 1],
    Field("batch", 1, 2): [1, 1, 1, 1],
    Field("player", 0, 2): [1, 1, 0, 0],
    Field("player", 1, 2): [0, 0, -1, -1],
    Field("game"): [1, 1, -1, -1],
}


@pytest.mark.parametrize(("field", "signs"), SIGNS.items())
def test_each_field_has_its_own_part_of_the_gradient(field, signs):
    given = GRADIENT.copy()
    np.testing.assert_array_equal(field.of_loss(given), GRADIENT * signs)
    np.testing.assert_array_equal(field.of_loss(given[0]), GRADIENT[0] * signs)
    np.testing.assert_array_equal(given, GRADIENT)
    assert field.is_game == (-1 in signs or 0 in signs)


def test_numbers_of_any_kind_keep_it():
    values = np.array([[1, 2**70]], dtype=object)
    assert Field("game").of_loss(values).tolist() == [[1, -(2**70)]]


def test_batches_are_cut_in_order_and_all_else_sees_every_sample():
    samples = list(range(6))
    assert [samples[Field("batch", index, 3).samples(6)] for index in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert samples[Field("player", 1, 2).samples(6)] == samples[Field().samples(6)] == samples


def test_samples_that_do_not_make_equal_batches_are_refused():
    with pytest.raises(InputError, match="7 samples do not make 3 equal batches; leave 1 out"):
        Field("batch", 0, 3).samples(7)
