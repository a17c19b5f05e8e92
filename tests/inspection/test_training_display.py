"""TrainingDisplay: members, settings that were dropped, kept weights and scales."""

# SPDX-License-Identifier: BSD-3-Clause

import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklcausal import pack_targets
from sklcausal.inspection import TrainingDisplay
from sklcausal.representation import TARNet

NAN = np.nan
TRAIN = np.array([[5.0, 6.0], [4.0, 5.0], [3.0, 4.5], [2.5, NAN]])
VALID = np.array([[5.5, 6.5], [5.0, 5.5], [4.5, 6.0], [4.8, NAN]])


class _WithoutHistory(BaseEstimator):
    def fit(self, X, y):
        self.fitted_ = True
        return self

    def effect(self, X):
        return np.zeros(len(X))


def _history(train, valid=None):
    parts = {"train": train} if valid is None else {"train": train, "valid": valid}
    return [
        {f"{part}_loss_members": losses[k].tolist() for part, losses in parts.items()}
        for k in range(len(train))
    ]


def _legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def _points(line):
    return np.column_stack([line.get_xdata(), line.get_ydata()])


@pytest.fixture(scope="module")
def searched(two_arms):
    """Fit with a choice between two settings."""
    est, X, T, y = two_arms
    params = {"weight_decay": [1.0, 3.0], "max_epochs": 30, "patience": 3}
    return clone(est).set_params(**params).fit(X, T, y)


def test_members_and_their_mean():
    display = TrainingDisplay.from_history(_history(TRAIN, VALID))
    for lines, losses in ((display.train_lines_, TRAIN), (display.valid_lines_, VALID)):
        assert len(lines) == 2
        for line, own in zip(lines, losses.T, strict=True):
            np.testing.assert_array_equal(_points(line), np.column_stack([[1, 2, 3, 4], own]))
    # a member that has stopped counts with its last loss
    np.testing.assert_allclose(display.train_mean_.get_ydata(), [5.5, 4.5, 3.75, 3.5])
    np.testing.assert_allclose(display.valid_mean_.get_ydata(), [6.0, 5.25, 5.25, 5.4])
    assert display.train_mean_.get_linewidth() > display.train_lines_[0].get_linewidth()
    assert display.best_epoch_.tolist() == [3, 2]
    assert display.stop_epoch_.tolist() == [4, 3]
    np.testing.assert_array_equal(_points(display.best_points_), [[3, 4.5], [2, 5.5]])
    np.testing.assert_array_equal(_points(display.stop_points_), [[4, 4.8], [3, 6.0]])
    assert display.dropped_lines_ == []
    assert _legend(display) == [
        "Training, mean of 2",
        "Validation, mean of 2",
        "Thin: single members",
        "Kept: epochs 2 to 3",
        "Last: epochs 3 to 4",
    ]


def test_without_validation_the_last_weights_are_kept():
    display = TrainingDisplay.from_history(_history(TRAIN[:3]))
    assert display.valid_mean_ is None and display.valid_lines_ == []
    assert display.best_epoch_.tolist() == display.stop_epoch_.tolist() == [3, 3]
    np.testing.assert_array_equal(display.best_points_.get_ydata(), [3.0, 4.5])
    assert "Kept: epoch 3" in _legend(display)


def test_settings_that_were_dropped():
    worse = np.array([[5.6, 6.6], [5.2, 5.6], [NAN, NAN], [NAN, NAN]])
    # ends lower than the chosen setting, but its best losses are worse on average
    wild = np.array([[4.4, 9.0], [7.0, 8.0], [6.0, NAN], [NAN, NAN]])
    valid = np.column_stack([worse, VALID, wild])
    display = TrainingDisplay.from_history(_history(valid + 1, valid), n_members=2)
    np.testing.assert_array_equal(display.valid, VALID)
    np.testing.assert_array_equal(display.train, VALID + 1)
    expected = [[6.1, 5.4, NAN, NAN], [6.7, 7.5, 7.0, NAN]]
    np.testing.assert_allclose(display.dropped.T, expected)
    np.testing.assert_allclose([line.get_ydata() for line in display.dropped_lines_], expected)
    assert "2 settings dropped" in _legend(display)
    display = TrainingDisplay.from_history(_history(valid[:, 2:] + 1, valid[:, 2:]), n_members=2)
    assert "1 setting dropped" in _legend(display)


def test_history_of_skorch():
    history = [
        {"train_loss": 3.0, "valid_loss": 4.0, "dur": 1},
        {"train_loss": 2, "valid_loss": 5},
    ]
    display = TrainingDisplay.from_history(history)
    assert display.train.shape == (2, 1)
    assert (display.best_epoch_.tolist(), display.stop_epoch_.tolist()) == ([1], [2])
    assert _legend(display)[:3] == ["Training", "Validation", "Kept: epoch 1"]


@pytest.mark.parametrize(
    "last, shift, scale",
    [(0.9, 0.0, "linear"), (0.05, 0.0, "log"), (0.05, -0.05, "linear"), (0.05, -9.0, "linear")],
)
def test_logarithmic_axis_beyond_a_decade(last, shift, scale):
    losses = np.geomspace(1, last, 30)[:, None] + shift
    assert TrainingDisplay.from_history(_history(losses)).ax_.get_yscale() == scale


def test_numbers_on_a_logarithmic_axis_are_plain(pyplot):
    display = TrainingDisplay.from_history(_history(np.geomspace(2, 0.05, 30)[:, None]))
    display.figure_.canvas.draw()
    labels = [text.get_text() for text in display.ax_.get_yticklabels(which="both")]
    assert {"0.05", "0.1", "0.2", "0.5", "1", "2"} <= set(labels)


def test_first_epochs_do_not_squeeze_the_others():
    losses = np.concatenate([[5.0, 2.0], np.linspace(1.0, 0.9, 38)])[:, None]
    display = TrainingDisplay.from_history(_history(losses))
    assert display.ax_.get_ylim()[1] < 2.0
    assert _legend(display)[-1] == "Start: up to 5"
    late = np.concatenate([np.linspace(1.0, 0.9, 38), [2.0, 5.0]])[:, None]
    assert TrainingDisplay.from_history(_history(late)).ax_.get_ylim()[1] > 5


def test_a_single_epoch_is_seen():
    display = TrainingDisplay.from_history(_history(TRAIN[:1], VALID[:1]))
    assert display.train_mean_.get_marker() == "s"
    low, high = display.ax_.get_xlim()
    assert [tick for tick in display.ax_.get_xticks() if low <= tick <= high] == [1]


@pytest.mark.parametrize("size", [(7.6, 4.8), (4, 3)])
def test_legend_covers_no_loss(pyplot, size):
    _, ax = pyplot.subplots(figsize=size, layout="constrained")
    display = TrainingDisplay.from_history(_history(TRAIN, VALID), ax=ax)
    display.figure_.canvas.draw()
    highest = ax.transData.transform((0, np.nanmax(VALID)))[1]
    box = display.legend_.get_window_extent()
    assert box.y0 >= highest
    assert box.x0 >= ax.bbox.x0 - 1


def test_estimator_with_a_single_setting(two_arms):
    est = two_arms[0]
    display = TrainingDisplay.from_estimator(est)
    recorded = [epoch["valid_loss_members"] for epoch in est.history_]
    np.testing.assert_array_equal(display.valid, recorded)
    assert display.train.shape == (2, 2)
    assert display.dropped is None


def test_estimator_that_chose_a_setting(searched):
    display = TrainingDisplay.from_estimator(searched)
    recorded = np.array([epoch["valid_loss_members"] for epoch in searched.history_])
    assert recorded.shape[1] == 4
    assert display.valid.shape == (len(recorded), 2)
    assert display.dropped.shape == (len(recorded), 1)
    chosen = [1.0, 3.0].index(searched.weight_decay_)
    np.testing.assert_array_equal(display.valid, recorded[:, 2 * chosen : 2 * chosen + 2])
    best = np.nanmin(display.valid, axis=0)
    at = display.valid[display.best_epoch_ - 1, [0, 1]]
    np.testing.assert_array_equal(at, best)
    assert (display.stop_epoch_ >= display.best_epoch_).all()
    assert display.stop_epoch_.max() == len(recorded)


def test_estimator_without_folds_and_validation(two_arms):
    est, X, T, y = two_arms
    params = {"n_folds": 1, "validation_fraction": None, "weight_decay": 1.0}
    single = clone(est).set_params(**params).fit(X, T, y)
    display = TrainingDisplay.from_estimator(single)
    assert display.train.shape == (2, 1) and display.valid is None
    assert display.best_epoch_.tolist() == [2]


def test_pipelines(two_arms):
    est, X, T, y = two_arms
    pipe = make_pipeline(StandardScaler(), clone(est)).fit(X, pack_targets(T, y))
    display = TrainingDisplay.from_estimator(pipe)
    recorded = [epoch["train_loss_members"] for epoch in pipe[-1].history_]
    np.testing.assert_array_equal(display.train, recorded)


def test_plot_draws_where_and_how_it_is_told(pyplot):
    _, ax = pyplot.subplots()
    display = TrainingDisplay.from_history(_history(TRAIN, VALID), ax=ax)
    assert display.ax_ is ax and display.figure_ is ax.figure
    again = display.plot(member_kwargs={"alpha": 0.1}, mean_kwargs={"linewidth": 9})
    assert again is display
    assert display.ax_ is not ax
    assert display.valid_lines_[0].get_alpha() == 0.1
    assert display.train_mean_.get_linewidth() == 9


@pytest.mark.parametrize(
    "history, error, message",
    [
        (None, TypeError, "`history` must be a sequence with a mapping .*, got NoneType"),
        ("ab", TypeError, "`history` must be a sequence with a mapping .*, got str"),
        ([1.0], TypeError, "`history` must be a sequence with a mapping .*, got list"),
        ([], ValueError, r"'train_loss' in each of at least 1 epoch, got 0 epoch\(s\)"),
        ([{"loss": 1.0}], ValueError, r"'train_loss' in each of .*, got 1 epoch\(s\)"),
        ([{"train_loss": NAN}], ValueError, "finite losses 'train_loss', and NaN only after"),
        ([{"train_loss": np.inf}], ValueError, "finite losses 'train_loss', and NaN only after"),
        (
            [{"train_loss": 1.0}, {"train_loss": NAN}, {"train_loss": 1.0}],
            ValueError,
            "NaN only after a network has stopped",
        ),
        (
            [{"train_loss_members": [1.0]}, {"train_loss_members": [1.0, 2.0]}],
            ValueError,
            r"as many losses 'train_loss_members' in every epoch, got \[1, 2\]",
        ),
        (
            [{"train_loss_members": [1.0, 2.0], "valid_loss_members": [1.0]}],
            ValueError,
            "the same networks in both parts, got 2 training and 1 validation losses",
        ),
    ],
)
def test_bad_histories(history, error, message):
    with pytest.raises(error, match=message):
        TrainingDisplay.from_history(history)


@pytest.mark.parametrize(
    "n_members, message",
    [
        (3, "`n_members` must divide the 2 networks of `history`, got 3"),
        (0, "`n_members` must be an integer of at least 1, got 0"),
    ],
)
def test_bad_numbers_of_members(n_members, message):
    with pytest.raises(ValueError, match=message):
        TrainingDisplay.from_history(_history(TRAIN), n_members=n_members)


def test_bad_estimators(two_arms):
    _, X, _, y = two_arms
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(TARNet())
    with pytest.raises(TypeError, match=r"must be an effect estimator.*got LinearRegression"):
        TrainingDisplay.from_estimator(LinearRegression().fit(X, y))
    with pytest.raises(TypeError, match=r"must have a `history_` .*, got _WithoutHistory"):
        TrainingDisplay.from_estimator(_WithoutHistory().fit(X, y))


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    message = r'TrainingDisplay needs matplotlib.*pip install "sklcausal\[plot\]"'
    with pytest.raises(ImportError, match=message):
        TrainingDisplay.from_history(_history(TRAIN))
