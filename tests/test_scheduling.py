"""What is marked as slow by name is there: a name that leads nowhere would make a slow test a fast one."""

import pytest
import scheduling


@pytest.mark.parametrize("nodeid", scheduling.LONG)
def test_every_long_test_is_a_test(nodeid, request):
    if any("::" in asked for asked in request.config.args):
        pytest.skip("not all tests of a file were asked for")
    collected = request.config.stash[scheduling.COLLECTED]
    file, _, _ = nodeid.partition("::")
    assert nodeid in collected or not any(known.startswith(f"{file}::") for known in collected)
