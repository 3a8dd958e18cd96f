"""What tests in several folders share."""

import pytest

pytest.register_assert_rewrite(
    "support.parity", "support.recurrent", "support.quadrature", "support.goodness"
)
