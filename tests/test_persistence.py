"""Files of fitted estimators, read in another process."""

# SPDX-License-Identifier: BSD-3-Clause

import io
import pickle
import warnings

import joblib
import numpy as np
import pytest
import skops.io
import torch
from _adapter import ESTIMATORS, describe_params, make_study, run_afresh, tiny
from numpy.testing import assert_array_equal

from sklcausal.exceptions import OverlapWarning
from sklcausal.mixture import MOTTO
from sklcausal.representation import TARNet

FORMATS = ("joblib", "pickle", "skops")

# Everything that was fitted is read in one fresh process, where starting torch takes longest.
READER = """
import pickle
from pathlib import Path
import joblib, numpy as np, skops.io

X = np.load("X.npy")
for path in sorted(Path().glob("*.*.bin")):
    if path.suffixes[0] == ".joblib":
        est = joblib.load(path)
    elif path.suffixes[0] == ".pickle":
        est = pickle.loads(path.read_bytes())
    else:
        est = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    np.savez(
        path.with_suffix(".npz"),
        effect=est.effect(X),
        interval=est.effect_interval(X),
        band=est.effect_interval(X, simultaneous=True),
        ate_interval=est.ate_interval(),
        ate_of_rows=est.ate_interval(X),
        summary=est.summary(),
        names=est.effect_names_out_.astype(str),
    )
"""


def fit_cases():
    """Fit what holds every kind of state: links, arms, doses, modifiers, known propensities."""
    X, T, y = make_study(n=120)
    fitted = {}
    for cls in ESTIMATORS:
        name = cls.__name__
        fitted[name] = tiny(cls).fit(X, T, y)
        _, arms, both = make_study(n=120, arms=("a", "b", "c"), outcomes=("continuous",) * 2)
        fitted[f"{name}-arms"] = tiny(cls, control="b").fit(X, arms, both)
        fitted[f"{name}-binary"] = tiny(cls).fit(X, T, np.where(y > 0, "yes", "no"))
        if getattr(cls, "_takes_modifiers", False):
            fitted[f"{name}-modifiers"] = tiny(cls, modifiers=[0], n_folds=3).fit(X, T, y)
    known = np.full(len(X), 0.5)
    encoded = tiny(TARNet, numeric_encoding="piecewise_linear")
    fitted["TARNet-trial"] = encoded.fit(X, T, y, propensity=known)
    doses = T + np.random.default_rng(0).normal(size=len(T))
    fitted["TARNet-dose"] = tiny(TARNet).fit(X, doses, y)
    within = np.column_stack([y > -1, y > 0.5]) * 1.0
    fitted["MOTTO-funnel"] = tiny(MOTTO, funnel=[(0, 1)]).fit(X, T, within)
    fitted["TARNet-simultaneous"] = tiny(TARNet).fit(X, np.c_[T, doses], y)
    return fitted


@pytest.fixture(scope="module")
def fitted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OverlapWarning)
        return fit_cases()


@pytest.fixture(scope="module")
def folder(fitted, tmp_path_factory):
    """Write every estimator in every format, and let a fresh process answer from the files."""
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "X.npy", make_study(n=20, seed=1)[0])
    for name, est in fitted.items():
        joblib.dump(est, folder / f"{name}.joblib.bin")
        (folder / f"{name}.pickle.bin").write_bytes(pickle.dumps(est))
        skops.io.dump(est, folder / f"{name}.skops.bin")
    run_afresh(READER, folder)
    return folder


@pytest.mark.parametrize("file_format", FORMATS)
def test_fresh_process_answers_the_same_to_the_bit(fitted, folder, file_format):
    X = np.load(folder / "X.npy")
    for name, est in fitted.items():
        found = np.load(folder / f"{name}.{file_format}.npz")
        assert_array_equal(found["effect"], est.effect(X), err_msg=name)
        assert_array_equal(found["interval"], est.effect_interval(X), err_msg=name)
        band = est.effect_interval(X, simultaneous=True)
        assert_array_equal(found["band"], band, err_msg=name)
        assert_array_equal(found["ate_interval"], est.ate_interval(), err_msg=name)
        assert_array_equal(found["ate_of_rows"], est.ate_interval(X), err_msg=name)
        assert str(found["summary"]) == est.summary()
        assert_array_equal(found["names"], est.effect_names_out_)


@pytest.mark.parametrize("file_format, limit", [("joblib", 2e5), ("pickle", 2e5), ("skops", 1e6)])
def test_files_are_small(fitted, folder, file_format, limit):
    # 120 rows and some hundred weights; skops spends about a kilobyte on each array
    for name, est in fitted.items():
        size = (folder / f"{name}.{file_format}.bin").stat().st_size
        # a stack keeps two candidates, fitted to all rows and without each of two folds
        n_fits = 1 if not hasattr(est, "fold_estimators_") else 6
        assert size < n_fits * limit, f"{name}: {size} bytes"


def test_file_grows_by_a_few_numbers_a_row():
    sizes = []
    for n in (200, 2200):
        est = tiny(TARNet, batch_size=1024).fit(*make_study(n=n))
        sizes.append(len(pickle.dumps(est)))
    assert (sizes[1] - sizes[0]) / 2000 < 8 * 40


class _Recorder(pickle.Unpickler):
    def __init__(self, file):
        super().__init__(file)
        self.seen = set()

    def find_class(self, module, name):
        self.seen.add(module.split(".")[0])
        return super().find_class(module, name)


def test_state_holds_numpy_and_no_torch(fitted):
    for name, est in fitted.items():
        reader = _Recorder(io.BytesIO(pickle.dumps(est)))
        reader.load()
        # a stack keeps a model of the arms, by default scikit-learn's
        own = {"sklearn"} if hasattr(est, "propensity_model_") else set()
        assert reader.seen == {"numpy", "sklcausal"} | own, name


def test_skops_needs_trust_in_this_package_only(fitted, folder):
    for name, est in fitted.items():
        unknown = skops.io.get_untrusted_types(file=folder / f"{name}.skops.bin")
        assert unknown
        own = ("sklcausal.", "sklearn.") if hasattr(est, "propensity_model_") else ("sklcausal.",)
        assert [kind for kind in unknown if not kind.startswith(own)] == [], name


def test_loading_leaves_the_random_state_of_torch_alone(fitted):
    content = pickle.dumps(fitted["TARNet"])
    before = torch.random.get_rng_state()
    pickle.loads(content)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", ["TARNet", "TARNet-arms", "TARNet-dose", "TARNet-modifiers"])
def test_loaded_estimator_can_be_saved_and_fitted_again(fitted, folder, name):
    X, T, y = make_study(n=120)
    again = pickle.loads(pickle.dumps(fitted[name]))
    assert_array_equal(pickle.loads(pickle.dumps(again)).effect(X), fitted[name].effect(X))
    assert again.get_params() == fitted[name].get_params()
    again.set_params(control=None, modifiers=None, n_folds=2)
    assert_array_equal(again.fit(X, T, y).effect(X), fitted["TARNet"].effect(X))


def test_unfitted_estimators():
    for cls in ESTIMATORS:
        est = pickle.loads(pickle.dumps(tiny(cls)))
        assert describe_params(est) == describe_params(tiny(cls))
        assert not hasattr(est, "treatments_")
