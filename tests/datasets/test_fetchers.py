"""Tests of the data sets that are fetched."""

# SPDX-License-Identifier: BSD-3-Clause

import inspect
import sys

import numpy as np
import pytest

from sklcausal import datasets
from sklcausal.datasets import (
    DatasetNotAvailableError,
    clear_data_home,
    fetch_acic2016,
    fetch_actg175,
    fetch_hillstrom,
    fetch_ihdp,
    fetch_jobs,
    fetch_lalonde,
    fetch_oj,
    fetch_social_pressure,
    fetch_twins,
    get_data_home,
)

FETCHERS = [getattr(datasets, name) for name in datasets.__all__ if name.startswith("fetch_")]


# ---- with the prepared files


@pytest.mark.parametrize("fetch", FETCHERS, ids=lambda fetch: fetch.__name__)
def test_prepared_files(fetch, prepared):
    data = fetch()
    n, n_features = data.X.shape
    assert data.X.dtype == np.float64
    is_dose = "treatment_names" not in data
    assert data["T"].dtype == (np.float64 if is_dose else np.int64)
    assert data["T"].shape == (n,)
    assert len(data.y) == n
    assert np.isfinite(data.X).all()
    assert len(data.feature_names) == len(data.is_categorical) == n_features
    assert data.is_categorical.dtype == bool
    assert is_dose or set(data["T"]) == set(range(len(data.treatment_names)))
    assert "Reference" in data.DESCR
    X, T, y = fetch(return_X_T_y=True)
    np.testing.assert_array_equal(X, data.X)
    np.testing.assert_array_equal(T, data["T"])
    np.testing.assert_array_equal(y, data.y)


def test_data_home_may_hold_a_prepared_file(prepared, home, monkeypatch):
    monkeypatch.delenv("SKLCAUSAL_DATA")
    home.mkdir()
    (home / "lalonde.npz").symlink_to((prepared / "lalonde.npz").resolve())
    assert fetch_lalonde(download_if_missing=False).X.shape == (2675, 8)


@pytest.mark.parametrize("replication", range(1, 11))
def test_ihdp_equals_the_published_replications(prepared, replication):
    data = fetch_ihdp(replication)
    with np.load(prepared / "ihdp_10.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(data.X, file["X"])
        np.testing.assert_array_equal(data["T"], file["T"])
        for name in ("y", "ycf", "mu0", "mu1"):
            np.testing.assert_allclose(data[name], file[name][replication - 1], rtol=0, atol=1e-9)
        assert data.feature_names == file["feature_names"].tolist()
        np.testing.assert_array_equal(data.is_categorical, file["is_categorical"])


@pytest.mark.parametrize("replication", [1, 500, 501, 1000])
def test_ihdp_law(prepared, replication):
    data = fetch_ihdp(replication=replication)
    assert data.effect[data["T"] == 1].mean() == pytest.approx(4.0)
    np.testing.assert_array_equal(data.effect, data.mu1 - data.mu0)
    np.testing.assert_array_equal(data.mu, np.column_stack([data.mu0, data.mu1]))
    # log mu0 and mu1 are the same linear function up to constants
    difference = np.log(data.mu0) - data.mu1
    np.testing.assert_allclose(difference, difference[0], atol=1e-9)
    noise = data.y - data.mu[np.arange(747), data["T"]]
    assert abs(noise.mean()) < 0.2
    assert noise.std() == pytest.approx(1.0, abs=0.15)


def test_ihdp_leaves_the_generators_alone(prepared):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = fetch_ihdp(77), fetch_ihdp(77)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    np.testing.assert_array_equal(first.y, second.y)
    assert not np.array_equal(first.y, fetch_ihdp(78).y)


@pytest.mark.parametrize("setting", range(1, 6))
def test_acic2016_truths(prepared, setting):
    data = fetch_acic2016(setting)
    with np.load(prepared / "acic2016_5.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(data.mu1, file["mu1"][setting - 1])
        np.testing.assert_array_equal(data.is_categorical, file["is_categorical"])
    np.testing.assert_allclose(data.effect, data.mu1 - data.mu0)
    np.testing.assert_allclose(data.propensity.sum(axis=1), 1.0)
    residual = data["T"] - data.propensity[:, 1]
    assert abs(residual.mean()) < 4 * residual.std() / np.sqrt(len(residual))
    for name, levels in data.levels.items():
        codes = data.X[:, data.feature_names.index(name)]
        assert codes.max() == len(levels) - 1


def test_twins_truths(prepared):
    data = fetch_twins()
    np.testing.assert_array_equal(data.y, np.where(data["T"] == 1, data.y1, data.y0))
    np.testing.assert_array_equal(data.ycf, np.where(data["T"] == 1, data.y0, data.y1))
    assert data.effect.mean() == pytest.approx(-0.0252, abs=1e-4)
    residual = data["T"] - data.propensity[:, 1]
    assert abs(residual.mean()) < 4 * residual.std() / np.sqrt(len(residual))


@pytest.mark.parametrize(
    ("control", "n_samples"),
    [
        ("psid", 2675),
        ("psid2", 438),
        ("psid3", 313),
        ("cps", 16177),
        ("cps2", 2554),
        ("cps3", 614),
        ("nsw", 445),
    ],
)
def test_lalonde(prepared, control, n_samples):
    data = fetch_lalonde(control)
    assert data.X.shape == (n_samples, 8)
    assert data["T"].sum() == 185
    assert data.att_benchmark == pytest.approx(1794.34, abs=0.01)
    assert data.att_benchmark_std == pytest.approx(671, abs=1)


def test_lalonde_full_trial(prepared):
    data = fetch_lalonde("nsw_full")
    assert data.X.shape == (722, 7)
    assert "re74" not in data.feature_names
    difference = data.y[data["T"] == 1].mean() - data.y[data["T"] == 0].mean()
    assert data.att_benchmark == pytest.approx(difference) == pytest.approx(886.3, abs=0.1)


def test_jobs(prepared):
    data = fetch_jobs()
    assert data.experimental.sum() == 722
    assert data.experimental[data["T"] == 1].all()
    assert data.test_idx.shape == (10, 642)
    with np.load(prepared / "jobs_dw_bin.npz", allow_pickle=False) as file:
        assert data.feature_names == file["feature_names"].tolist()
    binary = [len(np.unique(column)) == 2 for column in data.X.T]
    np.testing.assert_array_equal(data.is_categorical, binary)


def test_hillstrom_outcomes(prepared):
    every = fetch_hillstrom("all")
    assert every.y.shape == (64000, 3)
    for column, name in enumerate(every.target_name):
        np.testing.assert_array_equal(fetch_hillstrom(name).y, every.y[:, column])
    assert every.propensity.shape == (64000, 3)


def test_social_pressure_turnout(prepared):
    data = fetch_social_pressure()
    turnout = [data.y[data["T"] == arm].mean() for arm in range(5)]
    np.testing.assert_allclose(turnout, [0.297, 0.315, 0.322, 0.345, 0.378], atol=6e-4)
    assert len(np.unique(data.household)) == 180_002  # as published


def test_oj_elasticity(prepared):
    data = fetch_oj()
    assert data.X.shape == (28947, 3)
    design = np.column_stack([np.ones(28947), data["T"], data.X[:, :2]])
    slopes = np.linalg.lstsq(design, data.y, rcond=None)[0]
    assert slopes[1] == pytest.approx(-3.14, abs=0.005)  # Taddy 2019, chapter 2


def test_oj_columns(prepared):
    data = fetch_oj()
    np.testing.assert_allclose(np.log(data.price), data["T"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(data.price, data.price.round(2), atol=1e-6)  # whole cents
    assert np.unique(data.brand).tolist() == ["dominicks", "minute.maid", "tropicana"]
    for column, name in enumerate(["minute.maid", "tropicana"]):
        assert data.feature_names[column] == "brand_" + name
        np.testing.assert_array_equal(data.X[:, column], data.brand == name)
    with np.load(prepared / "oj.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(data["T"], file["T"])
        np.testing.assert_array_equal(data.X[:, 2], file["X"][:, 1])


def test_actg175_differences_in_means(prepared):
    data = fetch_actg175()
    means = np.array([data.y[data["T"] == arm].mean() for arm in range(4)])
    # CD4 cells after 20 weeks, arms 1 to 3 less arm 0; computed from the file
    np.testing.assert_allclose(means[1:] - means[0], [67.03, 35.90, 38.19], atol=0.01)


def test_actg175_columns(prepared):
    data = fetch_actg175()
    assert data.X.shape == (2139, 15)
    assert np.bincount(data["T"]).tolist() == [532, 522, 524, 561]
    assert data.cd496.shape == data.days.shape == data.event.shape == (2139,)
    assert np.isnan(data.cd496).sum() == 797
    assert data.event.sum() == 521
    assert (data.days > 0).all()
    with np.load(prepared / "actg175.npz", allow_pickle=False) as file:
        assert data.feature_names == file["feature_names"].tolist()
        assert data.treatment_names == file["treatment_names"].tolist()
    binary = [len(np.unique(column)) == 2 for column in data.X.T]
    np.testing.assert_array_equal(data.is_categorical, binary)


# ---- without data


@pytest.mark.parametrize("fetch", FETCHERS, ids=lambda fetch: fetch.__name__)
def test_absent_and_offline_says_what_to_do(fetch, home):
    pattern = (
        r"got neither: .*What helps: put .* into the folder .*home.* \(from https://.*"
        r"`data_home`.*SKLCAUSAL_HOME.*SKLCAUSAL_DATA"
    )
    with pytest.raises(DatasetNotAvailableError, match=pattern) as info:
        fetch()
    assert isinstance(info.value, OSError)
    assert str(home) in str(info.value)


def test_download_if_missing(home):
    with pytest.raises(DatasetNotAvailableError, match="is missing and download_if_missing=False"):
        fetch_twins(download_if_missing=False)
    assert not home.exists()


def test_no_prepared_file_is_named_where_there_is_none():
    with pytest.raises(DatasetNotAvailableError) as info:
        fetch_acic2016(6)
    assert "zymu_6.csv" in str(info.value)
    assert "SKLCAUSAL_DATA" not in str(info.value)


def test_damaged_cached_file(home):
    (home / "twins").mkdir(parents=True)
    (home / "twins" / "Final_data_twins.csv").write_text("damaged")
    with pytest.raises(DatasetNotAvailableError, match=r"must have the sha256 checksum .*, got"):
        fetch_twins()


def test_damaged_prepared_file(tmp_path, monkeypatch):
    (tmp_path / "twins_shalit.npz").write_bytes(b"damaged")
    monkeypatch.setenv("SKLCAUSAL_DATA", str(tmp_path))
    with pytest.raises(DatasetNotAvailableError, match=r"must have the sha256 checksum .*, got"):
        fetch_twins()


def test_data_variable_must_name_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLCAUSAL_DATA", str(tmp_path / "none"))
    with pytest.raises(NotADirectoryError, match="SKLCAUSAL_DATA must name an existing folder"):
        fetch_twins()


def test_without_pooch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'`pooch`.*pip install "sklcausal\[datasets\]"'):
        fetch_twins()


@pytest.mark.parametrize(
    ("fetch", "params", "message"),
    [
        (fetch_ihdp, {"replication": 0}, r"'replication' .* in the range \[1, 1000\]. Got 0"),
        (fetch_ihdp, {"replication": 1001}, r"'replication' .* Got 1001"),
        (fetch_ihdp, {"replication": 1.5}, r"'replication' .* Got 1.5"),
        (fetch_acic2016, {"setting": 11}, r"'setting' .* in the range \[1, 10\]. Got 11"),
        (fetch_lalonde, {"control": "us"}, "'control' .*'psid'.* Got 'us'"),
        (fetch_hillstrom, {"outcome": "click"}, "'outcome' .*'visit'.* Got 'click'"),
        (fetch_jobs, {"data_home": 3}, "'data_home' .* Got 3"),
        (fetch_twins, {"download_if_missing": "no"}, "'download_if_missing' .* Got 'no'"),
    ],
)
def test_bad_parameters(fetch, params, message):
    with pytest.raises(ValueError, match=message):
        fetch(**params)


# ---- the data home


def test_data_home(home, tmp_path, monkeypatch):
    assert get_data_home() == str(home)
    assert home.is_dir()
    assert get_data_home(tmp_path / "other") == str(tmp_path / "other")
    monkeypatch.delenv("SKLCAUSAL_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert get_data_home() == str(tmp_path / "sklcausal_data")


def test_clear_data_home_keeps_foreign_files(home):
    (home / "twins").mkdir(parents=True)
    (home / "twins" / "Final_data_twins.csv").write_text("x")
    (home / "jobs").mkdir()
    (home / "jobs" / "mine.txt").write_text("x")
    clear_data_home()
    assert not (home / "twins").exists()
    assert (home / "jobs" / "mine.txt").is_file()
    (home / "jobs" / "mine.txt").unlink()
    clear_data_home()
    assert not home.exists()
    clear_data_home()


# ---- the package


def test_public_names_are_sorted():
    assert datasets.__all__ == sorted(datasets.__all__)


@pytest.mark.parametrize("fetch", FETCHERS, ids=lambda fetch: fetch.__name__)
def test_common_parameters(fetch):
    parameters = inspect.signature(fetch).parameters
    for name in ("data_home", "download_if_missing", "return_X_T_y"):
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
