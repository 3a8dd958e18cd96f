"""The GRU: the tests that all recurrent passes share."""

from support.recurrent import Passes


class TestGru(Passes):
    name = "gru"
