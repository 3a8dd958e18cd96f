"""Streams: p-values that are exactly uniform, windows, and a bet that clean streams cannot win."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import chainrule as cr
from chainrule import detection
from chainrule.detection import drifting


def test_each_p_value_ranks_among_all_before(rng):
    clean, scores = np.sort(rng.normal(size=5)), rng.normal(size=40)
    p = drifting.among_all_before(clean, scores, np.random.default_rng(3))
    u = 1 - np.random.default_rng(3).random(40)
    for t, s in enumerate(scores):
        before = np.concatenate([clean, scores[:t]])
        assert p[t] == pytest.approx(((before < s).sum() + u[t]) / (len(before) + 1))


@pytest.mark.parametrize("digits", [8, 0])  # with nearly everything tied
def test_p_values_of_a_clean_stream_are_uniform_and_independent(digits, rng):
    found = []
    for _ in range(60):
        scores = np.round(rng.normal(size=150), digits)
        found.append(drifting.among_all_before(np.sort(scores[:50]), scores[50:], rng))
    p = np.array(found)
    assert stats.kstest(p.ravel(), "uniform").pvalue > 1e-3
    lagged = np.corrcoef(p[:, 1:].ravel(), p[:, :-1].ravel())[0, 1]
    assert abs(lagged) < 4.5 / np.sqrt(p.size)


def test_windows_are_kolmogorovs(rng):
    p = rng.random(250)
    windows = drifting.of_windows(p, 100)
    exact = [stats.kstest(part, "uniform").pvalue for part in (p[:100], p[100:200])]
    assert windows.shape == (2,)
    assert_allclose(windows, exact, rtol=0.05)


def test_the_bet_is_fair_and_seldom_wins_against_uniform_p_values(rng):
    fortunes = np.array([drifting.bet(rng.random(120)) for _ in range(1500)])
    mean = (10 ** fortunes[:, 40]).mean()
    assert mean == pytest.approx(1, abs=0.25)
    assert (fortunes.max(axis=1) >= 1).mean() <= 0.1, "ten times its stake: at most once in ten"
    assert drifting.bet(np.full(300, 0.05))[-1] > 20
    assert drifting.bet(np.full(300, 0.95))[-1] > 20


def test_one_step_of_the_bet_by_hand():
    first, second = 10 ** drifting.bet(np.array([0.2, 0.9]))
    shares = np.array([1.3, 1.0, 0.7]) / 3
    assert first == pytest.approx(shares.sum())
    shares = 0.99 * shares + 0.01 * shares.sum() / 3
    assert second == pytest.approx((shares * [0.6, 1.0, 1.4]).sum())


@pytest.fixture(scope="module")
def detector():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(2000, 2)) @ [[1, 0.8], [0, 0.6]]
    model = cr.RNADE(12, n_components=2, epochs=8, seed=0).fit(rows[:1000])
    return cr.Detector(model).fit(rows[1000:]), rng.normal(size=(900, 2)) @ [[1, 0.8], [0, 0.6]]


def test_a_stream_that_changes_raises_an_alarm_and_a_clean_one_none(detector):
    detector, stream = detector
    clean = detection.drift(detector, stream, window=50)
    assert clean.alarm is None and clean.p_values.shape == clean.log10_fortune.shape == (900,)
    assert clean.windows.shape == (18,) and clean.windows.min() > 1e-4
    wider = np.concatenate([stream[:400], stream[400:] * 1.5])
    found = detection.drift(detector, wider, window=50)
    assert f"an alarm at observation {found.alarm}" in repr(found) and "no alarm" in repr(clean)
    assert 400 < found.alarm < 600 and found.windows[9:].min() < 1e-4
    assert found.log10_fortune[found.alarm] >= 2 > found.log10_fortune[found.alarm - 1]
    again = detection.drift(detector, wider, window=50)
    assert_allclose(again.p_values, found.p_values, rtol=0)
    narrower = np.concatenate([stream[:400], stream[400:] * 0.5])
    assert detection.drift(detector, narrower).alarm is not None, "too likely is a drift, too"


def test_settings_of_a_drift_are_checked(detector):
    detector, stream = detector
    with pytest.raises(ValueError, match="window must be"):
        detection.drift(detector, stream, window=0)
    for rate, said in ((0, "never raise an alarm"), (1.5, "false_alarm must be")):
        with pytest.raises(ValueError, match=said):
            detection.drift(detector, stream, false_alarm=rate)
