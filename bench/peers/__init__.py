"""Other frameworks on the same workloads, each as a competent user of it would write them.

A peer module has `missing() -> str | None`, why it cannot run here, and
`prepare(problem, threads) -> Run`. PEERS maps the name on the command line to the module, a
variant to pass on, and a line of description. Importing this package imports no framework.
"""

from importlib import import_module
from typing import Any, NamedTuple

from bench.cases import Problem
from bench.cases.ours import Run


class Peer(NamedTuple):
    """Where a peer lives and what it is."""

    module: str
    variant: str
    description: str

    def load(self) -> Any:
        """Import and return the peer's module."""
        return import_module(f"bench.peers.{self.module}")


PEERS = {
    "torch": Peer("torch_eager", "tuned", "PyTorch eager; the loop over D walks W.unbind(0)"),
    "torch-plain": Peer("torch_eager", "plain", "PyTorch eager; the loop over D reads W[d]"),
    "torch.compile": Peer("torch_compile", "whole", "torch.compile of the whole loss"),
    "torch.compile-body": Peer("torch_compile", "body", "torch.compile of the loop's body alone"),
    "jax": Peer("jax_scan", "", "JAX: jit of value_and_grad over lax.scan"),
}


def missing(name: str) -> str | None:
    """Return why a peer cannot run here, or None."""
    return PEERS[name].load().missing()


def prepare(name: str, problem: Problem, threads: int) -> Run:
    """Return a workload set up in a peer; NotImplementedError where the peer has no such form."""
    peer = PEERS[name]
    return peer.load().prepare(problem, threads, peer.variant)
