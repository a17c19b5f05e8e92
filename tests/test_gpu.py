"""The same results where a GPU does the training."""

# SPDX-License-Identifier: BSD-3-Clause

import pickle

import numpy as np
import pytest
import torch
from _adapter import ESTIMATORS, make_study, mark_twins, run_afresh, tiny

from sklcausal.mixture import MOTTO
from sklcausal.representation import TARNet

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("ignore::sklcausal.exceptions.OverlapWarning"),
]

every_estimator = pytest.mark.parametrize(
    "cls", mark_twins(ESTIMATORS), ids=lambda cls: cls.__name__
)

# float32 sums in another order, over a few steps of an optimiser that divides by small numbers
CLOSE = {"rtol": 1e-2, "atol": 1e-2}


@every_estimator
@pytest.mark.parametrize("study", [{}, {"arms": ("a", "b", "c"), "outcomes": ("continuous",) * 2}])
def test_gpu_is_close_to_cpu(cls, study):
    X, T, y = make_study(**study)
    cpu = tiny(cls).fit(X, T, y)
    gpu = tiny(cls, device="cuda").fit(X, T, y)
    np.testing.assert_allclose(gpu.effect(X), cpu.effect(X), **CLOSE)
    np.testing.assert_allclose(gpu.effect_interval(X), cpu.effect_interval(X), **CLOSE)
    np.testing.assert_allclose(gpu.ate_interval(), cpu.ate_interval(), **CLOSE)
    np.testing.assert_allclose(gpu.predict_propensity(X), cpu.predict_propensity(X), **CLOSE)


@every_estimator
def test_auto_takes_the_gpu(cls):
    X, T, y = make_study()
    auto, cuda = (tiny(cls, device=device).fit(X, T, y) for device in ("auto", "cuda"))
    np.testing.assert_allclose(auto.effect(X), cuda.effect(X), **CLOSE)


def test_dose_and_modifiers():
    X, T, y = make_study()
    doses = T + np.random.default_rng(0).normal(size=len(T))
    for params, treatments in (({}, doses), ({"modifiers": [0]}, T)):
        cpu = tiny(TARNet, **params).fit(X, treatments, y)
        gpu = tiny(TARNet, device="cuda", **params).fit(X, treatments, y)
        np.testing.assert_allclose(gpu.effect(X), cpu.effect(X), **CLOSE)


@pytest.mark.parametrize(
    "settings",
    [
        {"task_weighting": "gradnorm"},
        {"task_weighting": "uncertainty", "alignment": "energy"},
        {"n_expert_layers": 2, "n_private_experts": 1, "n_cross_layers": 1},
        {"funnel": [(0, 1)]},
    ],
    ids=str,
)
def test_options_of_mixtures(settings):
    X, T, y = make_study()
    y = np.column_stack([y > -1, y > 0.5]) * 1.0
    cpu, gpu = (tiny(MOTTO, device=at, **settings).fit(X, T, y) for at in ("cpu", "cuda"))
    np.testing.assert_allclose(gpu.effect(X), cpu.effect(X), **CLOSE)
    np.testing.assert_allclose(gpu.effect_interval(X), cpu.effect_interval(X), **CLOSE)


def test_random_state_of_the_gpu_is_left_alone():
    X, T, y = make_study()
    before = torch.cuda.get_rng_state()
    tiny(TARNet, device="cuda").fit(X, T, y).effect(X)
    assert torch.equal(before, torch.cuda.get_rng_state())


READER = """
import pickle
from pathlib import Path
import numpy as np, torch

assert not torch.cuda.is_available()
est = pickle.loads(Path("est.pickle").read_bytes())
X = np.load("X.npy")
np.savez("found.npz", effect=est.effect(X), interval=est.effect_interval(X))
"""


def test_file_of_a_gpu_is_read_without_one(tmp_path):
    X, T, y = make_study()
    est = tiny(TARNet, device="cuda").fit(X, T, y)
    np.save(tmp_path / "X.npy", X)
    (tmp_path / "est.pickle").write_bytes(pickle.dumps(est))
    run_afresh(READER, tmp_path, CUDA_VISIBLE_DEVICES="")
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_allclose(found["effect"], est.effect(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["interval"], est.effect_interval(X), rtol=1e-4, atol=1e-4)
