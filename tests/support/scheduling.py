"""Which tests are slow, and which process xdist gives the others, and when.

What takes long comes first, so that the end is even.
"""

from typing import Any

import pytest

#: The names of all tests in the files that were asked for.
COLLECTED = pytest.StashKey[set[str]]()
#: Nothing but what compiles or runs programs takes more than seconds; in this order.
FIRST = (
    "tests/codegen/test_shared_kernels.py",
    "tests/test_notebooks.py",
    "tests/test_docs.py",
    "tests/codegen/test_kernel_accuracy.py",
    "tests/codegen/",
    "tests/test_determinism.py",
    "tests/test_benchmarks.py",
    "tests/test_packaging.py",
    "tests/cli/",
    "tests/verification/",
    "tests/sweeps/",
)
#: Their tests share nothing in memory: each can go to another process.
SPLIT = FIRST[:4]
#: Seconds of the processor each, for what a shorter test beside them shows too: marked as slow.
LONG = (
    "tests/codegen/test_double_double_kernel.py::test_a_kernel_of_order_0_has_gradients_only",
    "tests/codegen/test_double_double_kernel.py::test_digits_that_are_left_at_order_13",
    "tests/codegen/test_double_double_kernel.py::test_without_biases",
    "tests/codegen/test_expression_kernel.py::test_order_10_against_iterates_in_high_precision[deep linear]",
    "tests/codegen/test_expression_kernel.py::test_order_10_against_iterates_in_high_precision[logistic]",
    "tests/codegen/test_expression_kernel.py::test_order_10_against_iterates_in_high_precision[rational]",
    "tests/codegen/test_faults.py::test_a_disk_that_is_full_while_numba_keeps_what_it_compiled",
    "tests/codegen/test_faults.py::test_two_processes_generate_compile_and_load_the_same_kernel",
    "tests/codegen/test_kernel_accuracy.py::test_every_counterterm[gelu mse]",
    "tests/codegen/test_kernel_accuracy.py::test_high_orders_keep_their_digits[mse]",
    "tests/codegen/test_kernel_accuracy.py::test_shapes_and_weight_decay[one hidden layer, products in pieces]",
    "tests/codegen/test_kernel_accuracy.py::test_shapes_and_weight_decay[one parameter pair]",
    "tests/codegen/test_kernel_accuracy.py::test_shapes_and_weight_decay[outer products in pieces]",
    "tests/codegen/test_normalization_accuracy.py::test_what_is_far_from_its_mean[layer-(100.0, 1.0)]",
    "tests/codegen/test_normalization_accuracy.py::test_what_is_far_from_its_mean[weight-(100.0, 1.0)]",
    "tests/derivation/test_reading.py::test_reading_undoes_writing_with_parameters[both symbolic]",
    "tests/derivation/test_lie.py::test_agrees_with_trees_on_transcendental_losses[softplus, sqrt]",
    "tests/derivation/test_polynomial_ring.py::test_a_field_that_is_no_gradient",
    "tests/derivation/test_polynomial_ring.py::test_every_function_against_the_tree_route[sigmoid(x*y) + softplus(x + y)]",  # noqa: E501
    "tests/derivation/test_tree_tables.py::test_memory_of_a_stream_does_not_grow_with_the_order",
    "tests/derivation/test_tree_tables.py::test_single_trees_of_large_orders_by_powers_of_s",
    "tests/derivation/test_tree_tables.py::test_sum_over_all_trees_is_the_modified_equation_of_the_exponential[20]",
    "tests/derivation/test_tree_tables.py::test_symmetries_count_labellings[20]",
    "tests/derivation/test_whole_state.py::test_of_one_unknown_the_flow_is_one_step_to_the_highest_order[False-heavy-ball(dampened=yes)]",
    "tests/derivation/test_whole_state.py::test_of_one_unknown_the_flow_is_one_step_to_the_highest_order[False-nesterov(lookahead=yes)]",
    "tests/dynamics/test_loop_kernel.py::test_terms_are_the_logarithm_of_real_rounds[Nesterov's y-two]",
    "tests/dynamics/test_loop_kernel.py::test_terms_are_the_logarithm_of_real_rounds[dampened-two]",
    "tests/dynamics/test_loop_kernel.py::test_terms_are_the_logarithm_of_real_rounds[decay-two]",
    "tests/dynamics/test_noise.py::test_a_step_too_large_says_so[options2]",
    "tests/dynamics/test_shadow_start.py::test_the_flow_from_there_has_slopes_one_two_three[adam, inside]",
    "tests/models/test_data.py::test_digits_small_does_not_depend_on_the_number_of_threads",
    "tests/optimizers/test_library_rules.py::test_measured_slopes[optax.adam(b1=1/3, b2=2/5, eps=0.01, eps_root=0.1, nesterov=True)]",  # noqa: E501
    "tests/sweeps/test_cluster.py::test_workers_of_a_cluster_give_the_same_bytes_as_serial",
    "tests/sweeps/test_executors.py::test_a_task_that_kills_every_worker_is_given_up_and_the_others_are_done[1]",
    "tests/sweeps/test_executors.py::test_workers_do_not_hear_ctrl_c",
    "tests/sweeps/test_measure.py::test_it_is_what_verify_measures[heavy-ball]",
    "tests/sweeps/test_run.py::test_processes_give_the_same_bytes_as_serial",
    "tests/test_docs.py::test_examples_print_what_the_page_says[corrected.md]",
    "tests/test_docs.py::test_examples_print_what_the_page_says[implicit_regularisation.md]",
    "tests/test_docs.py::test_examples_print_what_the_page_says[observables.md]",
    "tests/test_docs.py::test_examples_print_what_the_page_says[own_data.md]",
    "tests/test_documented_optimizer.py::test_the_page_runs",
    "tests/test_notebooks.py::test_runs_again[edge]",
    "tests/test_notebooks.py::test_runs_again[high_order]",
    "tests/test_notebooks.py::test_runs_again[layers]",
    "tests/test_notebooks.py::test_runs_again[momentum_and_adam]",
    "tests/test_notebooks.py::test_runs_again[noise]",
    "tests/test_notebooks.py::test_runs_again[switch_the_regulariser_off]",
    "tests/test_notebooks.py::test_runs_again[terms]",
    "tests/test_notebooks.py::test_runs_again[watch_your_run]",
    "tests/test_oracles.py::test_agrees[mpmath]",
    "tests/test_reproductions.py::test_the_balance_is_posed_as_the_authors_do",
    "tests/verification/test_follow.py::test_momentum_is_followed_from_rest_where_the_slow_manifold_is_far_off[0.1-False]",
    "tests/verification/test_loop.py::test_the_values_that_people_use[AdamW, batches]",
)


def rank(nodeid: str) -> int:
    """Where a test comes: the place of its file in ``FIRST``, or behind them all."""
    return next((place for place, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


def scheduler(config: Any, log: Any) -> Any:
    """``--dist loadfile``, but for the files in ``SPLIT`` test by test, in the order of collection."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith(SPLIT) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return Scheduling(config, log)
