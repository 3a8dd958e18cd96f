from support.parity import Parity


class TestLogistics(Parity):
    name = "logistics"
