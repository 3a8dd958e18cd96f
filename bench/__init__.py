"""Benchmarks: how fast the engine is beside other frameworks, on this machine, today.

    python -m bench --list          what there is to run
    python -m bench                 the main comparison: one table
    pytest bench                    small sizes under pytest-benchmark, for regressions
    python -m bench.likelihood …    test likelihoods beside the published ones
    python -m bench.text …          models of characters, and of pixels, after a stated training

How a number comes about:

    cases/      the workloads: shapes, data, FLOP and byte counts, and our side of each
    peers/      the same workloads as a competent user of another framework would write them
    check       every rival's numbers against our float64 reference, before it is timed
    worker      one process a rival, so that no library's threads or settings disturb another's
    harness     rivals take turns, A B C A B C …; medians with p20 and p80
    machine     where it ran, and the ceilings (sgemm, copy) measured there in the same run
    memory      peak memory of a process; peaks: of a training step
    report      the table and the JSON file; chart, curves: the pictures; showing: the end of a run
    caveats     what keeps numbers from counting; absence: who takes no part; outputs: where to
"""
