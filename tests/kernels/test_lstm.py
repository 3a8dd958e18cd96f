"""The LSTM: the tests that all recurrent passes share."""

from support.recurrent import Passes


class TestLstm(Passes):
    name = "lstm"
