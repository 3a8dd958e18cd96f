"""The tanh recurrence: the tests that all recurrent passes share."""

from support.recurrent import Passes


class TestRnn(Passes):
    name = "rnn"
