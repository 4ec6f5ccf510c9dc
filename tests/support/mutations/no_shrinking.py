"""A plugin of pytest: a fault that is found needs no smallest example, which takes minutes."""

from hypothesis import Phase, settings


def pytest_configure():
    """After the profile of the tests is loaded."""
    settings.register_profile("mutations", settings(), phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutations")
