"""Where a network's loss is invariant: the places, against the shapes in θ that they must be."""

import numpy as np
import pytest

from eomsym.errors import InputError
from eomsym.models import MLP
from eomsym.models.invariance import scale_invariant, translation_invariant


def test_translation_places_are_the_last_layer_one_row_an_input_and_the_biases():
    model = MLP([2, 3, 4])
    places = translation_invariant(model)
    np.testing.assert_array_equal(places, 9 + np.arange(16).reshape(4, 4))
    assert translation_invariant(MLP([2, 5])).shape == (3, 5)
    np.testing.assert_array_equal(translation_invariant(MLP([3, 2, 4], bias=False)), 6 + np.arange(8).reshape(2, 4))


def test_no_softmax_no_translation():
    with pytest.raises(InputError, match="loss 'mse': no softmax"):
        translation_invariant(MLP([2, 3, 1], loss="mse"))


@pytest.mark.parametrize("kind", ["weight", "batch"])
def test_scale_groups_are_the_weights_of_each_hidden_unit(kind):
    groups = scale_invariant(MLP([2, 3, 4, 2], normalization=kind))
    assert [group.tolist() for group in groups[:3]] == [[0, 3], [1, 4], [2, 5]]
    assert [group.tolist() for group in groups[3:]] == [[9 + u, 13 + u, 17 + u] for u in range(4)]


def test_scale_groups_are_whole_hidden_layers_with_layer_normalisation():
    groups = scale_invariant(MLP([2, 3, 4, 2], normalization="layer"))
    assert [group.tolist() for group in groups] == [list(range(9)), list(range(9, 25))]
    assert scale_invariant(MLP([2, 3, 2], bias=False, normalization="layer"))[0].tolist() == list(range(6))
