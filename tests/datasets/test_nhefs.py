"""Tests of the smoking cessation data."""

# SPDX-License-Identifier: BSD-3-Clause

import builtins

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklcausal.datasets import load_nhefs


@pytest.fixture(scope="module")
def nhefs():
    return load_nhefs()


def test_content(nhefs):
    assert nhefs.X.shape == (1566, 9)
    assert nhefs.X.dtype == np.float64
    assert nhefs["T"].dtype == np.int64
    assert nhefs["T"].sum() == 403
    assert nhefs.y.dtype == np.float64
    assert nhefs.death.sum() == 291
    assert np.isfinite(nhefs.X).all()
    assert np.isfinite(nhefs.y).all()
    assert len(nhefs.feature_names) == 9
    assert len(nhefs.treatment_names) == 2
    assert nhefs.target_name == "wt82_71"
    assert nhefs.frame is None
    assert "public domain" in nhefs.DESCR
    categorical = [n for n, c in zip(nhefs.feature_names, nhefs.is_categorical, strict=True) if c]
    assert categorical == ["sex", "race", "education", "active", "exercise"]


def test_triple_equals_the_bunch(nhefs):
    X, T, y = load_nhefs(return_X_T_y=True)
    np.testing.assert_array_equal(X, nhefs.X)
    np.testing.assert_array_equal(T, nhefs["T"])
    np.testing.assert_array_equal(y, nhefs.y)


def test_calls_return_independent_arrays(nhefs):
    X, _, _ = load_nhefs(return_X_T_y=True)
    X[:] = 0.0
    assert nhefs.X.any()


def test_frame(nhefs):
    pytest.importorskip("pandas")
    data = load_nhefs(as_frame=True)
    assert list(data.X.columns) == nhefs.feature_names
    assert data["T"].name == "qsmk"
    assert data.y.name == "wt82_71"
    assert data.frame.shape == (1566, 12)
    assert all(dtype.kind in "if" for dtype in data.frame.dtypes)
    np.testing.assert_array_equal(data.X.to_numpy(), nhefs.X)
    X, T, y = load_nhefs(as_frame=True, return_X_T_y=True)
    assert X.equals(data.X)
    assert T.equals(data["T"])
    assert y.equals(data.y)


def test_frame_without_pandas_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name.startswith("pandas"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    monkeypatch.setattr("importlib.import_module", without_pandas)
    with pytest.raises(ImportError, match=r"needs the package `pandas`.*pip install pandas"):
        load_nhefs(as_frame=True)


def test_bad_parameter():
    with pytest.raises(ValueError, match="'as_frame' parameter of load_nhefs must be"):
        load_nhefs(as_frame="yes")


def test_published_unadjusted_difference(nhefs):
    T, y = nhefs["T"], nhefs.y
    assert y[T == 1].mean() - y[T == 0].mean() == pytest.approx(2.54, abs=0.005)


def test_published_weighted_difference(nhefs):
    # the weights of the book: logistic, squares of the numeric columns, indicators of codes
    T, y = nhefs["T"], nhefs.y
    numeric = nhefs.X[:, ~nhefs.is_categorical]
    codes = nhefs.X[:, nhefs.is_categorical].T
    indicators = [np.equal.outer(code, np.unique(code)[1:]) for code in codes]
    design = np.column_stack([numeric, numeric**2, *indicators])
    model = LogisticRegression(C=1e6, max_iter=5000)
    propensity = model.fit(StandardScaler().fit_transform(design), T).predict_proba(
        StandardScaler().fit_transform(design)
    )
    weight = 1.0 / propensity[np.arange(len(T)), T]
    means = [np.average(y[arm], weights=weight[arm]) for arm in (T == 1, T == 0)]
    assert means[0] - means[1] == pytest.approx(3.44, abs=0.1)


def test_equals_the_prepared_file(nhefs, prepared):
    with np.load(prepared / "nhefs.npz", allow_pickle=False) as file:
        for name in ("X", "T", "y", "death"):
            np.testing.assert_array_equal(nhefs[name].astype(file[name].dtype), file[name])
        assert nhefs.feature_names == file["feature_names"].tolist()
        np.testing.assert_array_equal(nhefs.is_categorical, file["is_categorical"])
