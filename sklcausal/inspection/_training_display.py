"""Losses of training and validation by epoch."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from typing import Any

import numpy as np

from sklcausal.inspection._history import average_members, last_epochs, read_history
from sklcausal.inspection._legends import legend_in_headroom, note
from sklcausal.inspection._plotting import (
    BLACK,
    BLUE,
    VERMILION,
    import_pyplot,
    label_decades,
    restyle,
    tidy,
    unwrap,
)

DECADE = 10.0
EARLY = 0.1  # share of epochs whose losses may lie above the picture
FIGURE_SIZE = (7.6, 4.8)
GREY = "#999999"


class TrainingDisplay:
    """Show the losses of every member by epoch, and which weights were kept.

    Where validation losses rise while training losses fall, the network learns noise, and the
    weights from before are kept. Where both still fall at the end, ``max_epochs`` or ``patience``
    is too small.

    Create it by `from_estimator` or `from_history`. Parameters are stored as attributes.

    Parameters
    ----------
    train : ndarray of shape (n_epochs, n_members)
        Training loss of each member; NaN after it has stopped.
    valid : ndarray of shape (n_epochs, n_members) or None, default=None
        Loss on the rows that a member is judged by. None if there are none.
    dropped : ndarray of shape (n_epochs, n_dropped) or None, default=None
        Mean loss over the members of each setting that was tried and dropped.

    Attributes
    ----------
    train_lines_, valid_lines_ : list of Line2D
        Losses of each member.
    train_mean_, valid_mean_ : Line2D or None
        Means over the members; those that have stopped count with their last loss.
    dropped_lines_ : list of Line2D
        Losses of the settings that were dropped.
    best_points_ : Line2D
        Epoch from which each member's weights were kept.
    stop_points_ : Line2D
        Last epoch of each member.
    best_epoch_, stop_epoch_ : ndarray of int of shape (n_members,)
        These epochs, counted from 1.
    legend_ : Legend
        Legend.
    ax_ : Axes
        Axes with the picture.
    figure_ : Figure
        Figure that contains the axes.

    See Also
    --------
    InfluenceDisplay : What an average effect rests on.

    Notes
    -----
    Losses are those of the outcome networks, in the units in which these are trained. Networks of
    propensities and of learned Hessians are not shown, nor are settings with another encoding of
    the columns than the one that was chosen. A low loss says that outcomes are predicted well,
    and nothing about how well effects are.

    Examples
    --------
    >>> from sklcausal.inspection import TrainingDisplay
    >>> history = [{"train_loss": 3.0, "valid_loss": 4.0}, {"train_loss": 2.0, "valid_loss": 5.0}]
    >>> display = TrainingDisplay.from_history(history)
    >>> display.best_epoch_, display.stop_epoch_
    (array([1]), array([2]))
    """

    train_lines_: list[Any]
    valid_lines_: list[Any]
    train_mean_: Any
    valid_mean_: Any
    dropped_lines_: list[Any]
    best_points_: Any
    stop_points_: Any
    best_epoch_: np.ndarray
    stop_epoch_: np.ndarray
    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        train: np.ndarray,
        valid: np.ndarray | None = None,
        dropped: np.ndarray | None = None,
    ):
        self.train = train
        self.valid = valid
        self.dropped = dropped

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, **plot_params: Any
    ) -> TrainingDisplay:
        """Show how the outcome networks of a fitted estimator were trained.

        Parameters
        ----------
        estimator : estimator
            Fitted effect estimator with a ``history_``, or a fitted pipeline or search that ends
            in one.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator does not estimate effects or has no history.
        """
        final, _ = unwrap(estimator)
        if not hasattr(final, "history_"):
            raise TypeError(
                f"`estimator` must have a `history_` of its training, got {type(final).__name__}"
            )
        folds = getattr(final, "folds_", None)  # a member for each
        n_members = None if folds is None else int(folds.max()) + 1
        return cls.from_history(final.history_, n_members=n_members, ax=ax, **plot_params)

    @classmethod
    def from_history(
        cls, history: Any, *, n_members: int | None = None, ax: Any = None, **plot_params: Any
    ) -> TrainingDisplay:
        """Show a history of losses.

        Parameters
        ----------
        history : sequence of mapping
            One entry for each epoch, with ``train_loss_members`` and perhaps
            ``valid_loss_members``, the losses of all networks, NaN of those that have stopped;
            or, as skorch writes it, with single numbers ``train_loss`` and ``valid_loss``.
        n_members : int or None, default=None
            Number of members. Where an epoch has losses of several times as many networks, these
            are the members of several settings, one setting after the other; the one with the
            smallest mean of best validation losses was chosen. None takes all for members.
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        **plot_params : object
            Passed to `plot`.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        TypeError
            If history is no sequence of mappings.
        ValueError
            If history is empty or lacks losses, if these are not finite, or if the number of
            networks is no multiple of n_members.
        """
        train, valid, dropped = read_history(history, n_members)
        return cls(train=train, valid=valid, dropped=dropped).plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        member_kwargs: dict[str, Any] | None = None,
        mean_kwargs: dict[str, Any] | None = None,
    ) -> TrainingDisplay:
        """Draw the picture, with a logarithmic axis where losses span more than a decade.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw. None makes a new figure.
        member_kwargs, mean_kwargs : dict or None, default=None
            Passed to ``ax.plot`` for the losses of single members and for their means.

        Returns
        -------
        self : TrainingDisplay
            With its artists.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(figsize=FIGURE_SIZE, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        judged = self.train if self.valid is None else self.valid
        self.stop_epoch_ = last_epochs(judged)
        self.best_epoch_ = self.stop_epoch_
        if self.valid is not None:
            self.best_epoch_ = 1 + np.nanargmin(self.valid, axis=0)
        self.valid_lines_, self.valid_mean_, self.dropped_lines_ = [], None, []
        styles = {"color": BLUE, "linestyle": "--"}, member_kwargs, mean_kwargs
        self.train_lines_, self.train_mean_ = self._draw_part("Training", self.train, *styles)
        handles = [self.train_mean_]
        if self.valid is not None:
            styles = {"color": VERMILION, "linestyle": "-"}, member_kwargs, mean_kwargs
            drawn = self._draw_part("Validation", self.valid, *styles)
            self.valid_lines_, self.valid_mean_ = drawn
            handles.append(self.valid_mean_)
        if self.train.shape[1] > 1:
            handles.append(note("Thin: single members"))
        handles += [*self._draw_dropped(), *self._mark_ends(judged)]
        ax.set_xlabel("Epoch")
        ax.set_ylabel("Mean loss of a row, as trained")
        n_epochs = len(self.train)
        pad = max(0.5, 0.02 * n_epochs)
        ax.set_xlim(1 - pad, n_epochs + pad)
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        handles += self._scale()
        tidy(ax)
        # losses fall from the left
        self.legend_ = legend_in_headroom(ax, handles, n_columns=2, loc="upper right")
        return self

    def _draw_part(
        self,
        name: str,
        losses: np.ndarray,
        style: dict[str, Any],
        member_kwargs: dict[str, Any] | None,
        mean_kwargs: dict[str, Any] | None,
    ) -> tuple[list[Any], Any]:
        epochs, n_members = np.arange(1, len(losses) + 1), losses.shape[1]
        # a single epoch makes no line
        style = style | {"marker": "s" if len(losses) == 1 else None}
        thin = style | {"linewidth": 0.7, "alpha": 0.6, "markersize": 3, "zorder": 2}
        lines = self.ax_.plot(epochs, losses, **restyle(thin, member_kwargs))
        label = name if n_members == 1 else f"{name}, mean of {n_members}"
        thick = style | {"linewidth": 2.2, "zorder": 3, "label": label}
        (mean,) = self.ax_.plot(epochs, average_members(losses), **restyle(thick, mean_kwargs))
        return lines, mean

    def _draw_dropped(self) -> list[Any]:
        if self.dropped is None:
            return []
        n_dropped = self.dropped.shape[1]
        epochs = np.arange(1, len(self.dropped) + 1)
        style = {"color": GREY, "linewidth": 1, "zorder": 1.5}
        self.dropped_lines_ = self.ax_.plot(epochs, self.dropped, **style)
        label = f"{n_dropped} setting{'s' if n_dropped > 1 else ''} dropped"
        self.dropped_lines_[0].set_label(label)
        return self.dropped_lines_[:1]

    def _mark_ends(self, judged: np.ndarray) -> list[Any]:
        members = np.arange(judged.shape[1])
        marks = []
        for what, epoch, style in (
            ("Last", self.stop_epoch_, {"marker": "x", "markersize": 5}),
            ("Kept", self.best_epoch_, {"marker": "o", "markersize": 5}),
        ):
            low, high = int(epoch.min()), int(epoch.max())
            when = f"epoch {low}" if low == high else f"epochs {low} to {high}"
            style |= {"linestyle": "none", "color": BLACK, "zorder": 4, "label": f"{what}: {when}"}
            marks += self.ax_.plot(epoch, judged[epoch - 1, members], **style)
        self.stop_points_, self.best_points_ = marks
        return marks[::-1]

    def _scale(self) -> list[Any]:
        """Set scale and limits, and say so where the first epochs would squeeze the others."""
        parts = [p for p in (self.train, self.valid, self.dropped) if p is not None]
        losses = np.concatenate(parts, axis=1)
        is_log = np.nanmin(losses) > 0 and np.nanmax(losses) > DECADE * np.nanmin(losses)
        scaled = np.log(losses) if is_log else losses
        low, high = float(np.nanmin(scaled)), float(np.nanmax(scaled))
        late = scaled[max(int(EARLY * len(scaled)), 1) :]
        top = float(np.nanmax(late)) if len(late) else high
        is_cut = high - top > 2 * (top - low) > 0
        top = top + 0.5 * (top - low) if is_cut else high
        pad = 0.05 * (top - low) or max(abs(top), 1.0)
        ends = np.array([low - pad, top + pad])
        if is_log:
            ends = np.exp(ends)
            self.ax_.set_yscale("log")
            label_decades(self.ax_.yaxis, ends[0], ends[1], least=0.0)
        self.ax_.set_ylim(ends)
        return [note(f"Start: up to {np.nanmax(losses):.3g}")] if is_cut else []
