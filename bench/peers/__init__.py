"""Other frameworks on the same workloads, each as a competent user of it would write them.

A peer module has `prepare(problem, threads, variant) -> Run`, which raises NotImplementedError
where the peer has no such form. PEERS maps the name on the command line to the library that it
needs, a line of description, and for each case file the module and a variant to pass on.
Importing this package imports no framework.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from bench.cases import Problem, home, ours
from bench.cases.ours import Run


class Peer(NamedTuple):
    """What a peer is and where it lives."""

    library: str
    description: str
    homes: dict[str, tuple[str, str]]  # case file to module and variant
    device: str = "cpu"


TORCH = {
    "binary": ("torch_eager", "tuned"),
    "tables": ("torch_tables", "tuned"),
    "orderless": ("torch_orderless", ""),
    "transformer": ("torch_transformer", "eager"),
    "attention": ("torch_layers", "eager"),
    "recurrent": ("torch_layers", "eager"),
    "columns": ("torch_columns", "eager"),
    "convolution": ("torch_images", "eager"),
    "images": ("torch_images", "eager"),
}
JAX = {
    "binary": ("jax_scan", ""),
    "transformer": ("jax_transformer", ""),
    "attention": ("jax_layers", ""),
    "recurrent": ("jax_layers", ""),
    "columns": ("jax_columns", ""),
    "convolution": ("jax_images", ""),
    "images": ("jax_images", ""),
}
NOBODY_WROTE_IT = "there is no such peer for this workload"
PEERS = {
    "torch": Peer(
        "torch",
        "PyTorch eager; NADE's loop over D walks W.unbind(0); images in the faster of two layouts",
        TORCH,
    ),
    "torch-plain": Peer(
        "torch",
        "PyTorch eager; NADE's loop over D reads W[d]",
        {"binary": ("torch_eager", "plain"), "tables": ("torch_tables", "plain")},
    ),
    "torch.compile": Peer(
        "torch",
        "torch.compile of the whole loss, of a sampler's step, of a PixelRNN's layer",
        {
            "binary": ("torch_compile", "whole"),
            "transformer": ("torch_transformer", "compiled"),
            "attention": ("torch_layers", "compiled"),
            "recurrent": ("torch_layers", "compiled"),
            "columns": ("torch_columns", "compiled"),
            "convolution": ("torch_images", "compiled"),
            "images": ("torch_images", "compiled"),
        },
    ),
    "torch.compile-body": Peer(
        "torch",
        "torch.compile of the body of a loop alone: NADE's, a recurrent layer's, a PixelRNN's",
        {
            "binary": ("torch_compile", "body"),
            "recurrent": ("torch_layers", "body"),
            "images": ("torch_images", "body"),
        },
    ),
    "jax": Peer("jax", "JAX: jit of value_and_grad, loops by lax.scan", JAX),
    "torch-cuda": Peer("torch", "the same as torch on the GPU, float32 throughout", TORCH, "cuda"),
    "jax-cuda": Peer("jax", "the same as jax on the GPU, float32 throughout", JAX, "cuda"),
}
PROPER_NAMES = {"torch": "PyTorch", "jax": "JAX"}


def missing(name: str) -> str | None:
    """Return why a peer cannot run here, or None."""
    library = PEERS[name].library
    if not find_spec(library):
        return f"{PROPER_NAMES[library]} is not installed"
    return ours.missing("cuda") if PEERS[name].device == "cuda" else None


def vectors(name: str) -> str:
    """Return which vector instructions a peer uses, as it says itself."""
    library, _, _, device = PEERS[name]
    if device != "cpu":
        return "the GPU's"
    return str(import_module(f"bench.peers.{library}_device").vectors())


def prepare(name: str, problem: Problem, threads: int) -> Run:
    """Return a workload set up in a peer; NotImplementedError where the peer has no such form."""
    case = home(problem.workload).__name__.rpartition(".")[2]
    library, _, homes, device = PEERS[name]
    if case not in homes:
        raise NotImplementedError(NOBODY_WROTE_IT)
    module, variant = homes[case]
    place = import_module(f"bench.peers.{library}_device")
    if name.startswith("torch.compile"):
        place.forget()
    with place.use(device):
        run: Run = import_module(f"bench.peers.{module}").prepare(problem, threads, variant)
    return run._replace(call=place.finished(run.call, device))
