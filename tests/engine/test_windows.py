"""What a symbol sees beyond the context."""

import pytest

from chainrule.engine.windows import stride, window_start, windows


@pytest.mark.parametrize("context", [1, 2, 3, 4, 7, 64])
def test_every_symbol_sees_between_half_a_context_and_all_but_one(context):
    for t in range(5 * context):
        start = window_start(t, context)
        assert 0 <= start <= t
        assert t - start <= context - 1
        if t < context:
            assert start == 0
        else:
            assert t - start >= context - stride(context) and start % stride(context) == 0


@pytest.mark.parametrize("context", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("T", [0, 1, 3, 7, 20, 21])
def test_windows_decide_every_symbol_once_with_what_it_may_see(T, context):
    decided = []
    for start, first, stop in windows(T, context):
        assert stop - start <= context
        decided += range(first, stop)
        assert all(window_start(t, context) == start for t in range(first, stop))
    assert decided == list(range(T))
