import pytest

from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS


@pytest.fixture(params=HOST_BACKENDS)
def backend(request):
    """Run a test once on each host backend."""
    with use_backend(request.param):
        yield request.param
