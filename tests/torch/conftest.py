"""The tests of PyTorch models skip, by name, where PyTorch is not installed, and run on one thread."""

import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")


@pytest.fixture(autouse=True)
def one_thread():
    """More threads than cores that are free wait for each other: ten times slower on matrices of this size."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
