"""The study page's numbers: written again, recomputed by plain NumPy, checked by differences."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.models import transformer
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS
from study.by_hand import transformer as transformer_page
from study.places import every_name, page_of

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def tiny():
    spec = importlib.util.spec_from_file_location("tiny", EXAMPLES / "tiny_transformer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield


def normalised(x, b):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) + b


def by_numpy(w, tokens, shift=None):
    """Return the pass in plain NumPy. shift: a name, and what to add to that intermediate."""
    name, by = shift or (None, 0)
    f = {}

    def put(key, value):
        f[key] = value + (by if key == name else 0)
        return f[key]

    x = put("x", w["E"][tokens] + w["E_pos"])
    qkv = put("qkv", put("h", normalised(x, w["ln1_b"])) @ w["W_qkv"] + w["b_qkv"])
    q, k, v = (part.reshape(3, 2, 2).swapaxes(0, 1) for part in np.hsplit(qkv, 3))
    e = np.exp(q @ k.swapaxes(1, 2) / 2**0.5) * np.tri(3)
    f["P"] = e / e.sum(axis=2, keepdims=True)
    a = put("a", (f["P"] @ v).swapaxes(0, 1).reshape(3, 4))
    z = put("z", x + a @ w["W_o"] + w["b_o"])
    u = put("u", put("h2", normalised(z, w["ln2_b"])) @ w["W_1"])
    c = u + w["b_1"]
    y = put("y", 0.5 * c * (1 + np.tanh((2 / np.pi) ** 0.5 * (c + 0.044715 * c**3))))
    x2 = put("x2", z + y @ w["W_2"] + w["b_2"])
    s = put("s", put("h3", normalised(x2, w["ln_b"])) @ w["E"][:3].T)
    f["nll"] = np.log(np.exp(s).sum(axis=1)) - s[np.arange(3), [2, 0, 1]]
    return f


def test_the_page_is_what_the_library_computes_now(tiny):
    assert (EXAMPLES / "tiny_transformer.md").read_text("utf-8") == tiny.page()


def test_every_number_of_the_forward_pass(tiny):
    w = tiny.weights(tiny.parameters())
    f = tiny.forward(w)
    plain = by_numpy(w, f["tokens"])
    for name in plain.keys() & f.keys():
        assert_allclose(f[name], plain[name], rtol=1e-10, atol=1e-12, err_msg=name)
    assert_allclose(tiny.probabilities(f), plain["P"], atol=1e-12)


def test_every_intermediate_gradient(tiny):
    """dA is the change of the loss when A alone is nudged and all that follows from it moves."""
    w = tiny.weights(tiny.parameters())
    f = tiny.forward(w)
    d = tiny.backward(w, f)
    for name in ("x", "h", "qkv", "a", "z", "h2", "u", "y", "x2", "h3", "s"):
        nudge = np.zeros_like(f[name])
        numeric = numeric_grad(
            lambda name=name, by=nudge: by_numpy(w, f["tokens"], (name, by))["nll"].sum(), nudge
        )
        assert_allclose(d[f"d{name}"], numeric, rtol=1e-6, atol=1e-8, err_msg=name)


def test_every_parameters_gradient(tiny):
    params = tiny.parameters()
    w = tiny.weights(params)
    f = tiny.forward(w)
    d, grad = tiny.backward(w, f), params.like()
    loss = transformer.loss_and_grad(tiny.CONFIG, params, tiny.X, grad)
    assert_allclose(loss, f["nll"].sum(), rtol=1e-12)
    for name, p in w.items():
        numeric = numeric_grad(lambda: by_numpy(w, f["tokens"])["nll"].sum(), p)
        if not name.endswith("_g"):  # by_numpy has the gains at 1
            assert_allclose(d[f"d{name}"], numeric, rtol=1e-6, atol=1e-8, err_msg=name)
        whole = grad[name].reshape(d[f"d{name}"].shape)
        assert_allclose(d[f"d{name}"], whole, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_attentions_inner_gradients(tiny):
    """μ is the mean of dP under P, and da·a; rows of ds sum to 0, and lead to dq and dk."""
    w = tiny.weights(tiny.parameters())
    f = tiny.forward(w)
    d = tiny.backward(w, f)
    dP, mean, ds = tiny.through_softmax(f, d)
    assert_allclose(mean, (d["da"] * f["a"]).reshape(3, 2, 2).sum(axis=2).T, atol=1e-12)
    assert_allclose(ds.sum(axis=2), 0, atol=1e-12)
    q, k, _ = (a[0].swapaxes(0, 1) for a in tiny.split(f["qkv"]))
    dq, dk, _ = (a[0].swapaxes(0, 1) for a in tiny.split(d["dqkv"]))
    assert_allclose(ds @ k / 2**0.5, dq, atol=1e-12)
    assert_allclose(ds.swapaxes(1, 2) @ q / 2**0.5, dk, atol=1e-12)
    assert dP.shape == (2, 3, 3)


def test_the_tables_gradient_is_the_sum_of_its_two_parts(tiny):
    w = tiny.weights(tiny.parameters())
    f = tiny.forward(w)
    d = tiny.backward(w, f)
    into = np.zeros_like(w["E"])
    into[f["tokens"]] = d["dx"]
    assert_allclose(d["dE"], d["dE out"] + into)
    assert not d["dE out"][3].any()


def test_the_page_leads_to_the_derivations_whose_letters_it_has(tiny):
    """Here to the sources, on the site to their pages; each half reads x and gives z, as there."""
    page = tiny.page()
    found = re.findall(r"\]\(\.\./(\w+(?:/\w+)+)\.py\)", page)
    assert {"engine/layers/transformer_block", "kernels/gelu/__init__"} <= set(found)
    assert all((EXAMPLES.parent / f"{name}.py").exists() for name in found)
    for target in re.findall(r"\]\(\.\./([\w/]+)\.rst\)", transformer_page.linked(page)):
        assert target in {page_of(name) for name in every_name()}
    block = (EXAMPLES.parent / "engine/layers/transformer_block.py").read_text("utf-8")
    for equation in ("h = LN(x)", "u = h W_1", "du W_1ᵀ", "[dq dk dv] W_qkvᵀ"):
        assert equation in block and equation in " ".join(page.split())
    for equation in ("M3: z = x + y W_2", "B1: dy = dz W_2ᵀ", "B4: dx is dz", "A5: z = x + a W_o"):
        assert equation in page
