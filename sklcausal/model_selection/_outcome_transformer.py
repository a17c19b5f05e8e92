"""Let supervised transformers see the outcome inside packed targets."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklcausal._kinds import check_treatments
from sklcausal.targets import unpack_targets


def _wrapped_has(name: str) -> Callable[[Any], bool]:
    return lambda self: hasattr(getattr(self, "transformer_", self.transformer), name)


class OutcomeTransformer(BaseEstimator):
    """Fit a supervised transformer to the outcome alone, where targets are packed.

    Parameters
    ----------
    transformer : transformer
        Its ``fit(X, y)`` needs a y, as those of ``SelectKBest``, ``TargetEncoder`` or
        ``PLSRegression`` do.
    target : {'y', 'T'}, default='y'
        What it sees as its y: outcomes as they are, or treatments as codes of arms or as doses.
        A single column comes with one axis.
    treatment_type : {'auto', 'discrete', 'dose', 'simultaneous'}, default='auto'
        What T is, as in the estimators; for ``target='T'``.

    Attributes
    ----------
    transformer_ : transformer
        The fitted copy of ``transformer``.
    n_features_in_ : int
        Number of columns of X, if the transformer counts them.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the columns of X, if the transformer keeps them.

    See Also
    --------
    EffectPipeline : Pipelines whose steps get packed targets.
    sklcausal.pack_targets : Pack T and y.

    Notes
    -----
    Columns that are chosen because they tell the outcome predict it well. Nothing is promised of
    effects: a confounder that moves treatment much and the outcome little may be dropped, and the
    estimate is biased by what it did. Choosing by T instead keeps columns that tell the treatment,
    among them those that only make it predictable, which costs overlap and precision. A column
    that is known to confound should pass by the selection, in a ``ColumnTransformer``.

    The transformer is fitted to the outcomes of all rows, before the estimator behind it cuts
    these into folds. Its intervals take the columns as given: they know neither that columns were
    chosen nor that an encoding holds outcomes of other folds. Inside a search or
    cross-validation the rows that are judged stay unseen.

    ``fit_transform`` is that of the transformer, which may differ from ``transform`` of the same
    rows: ``TargetEncoder`` cross-fits there. Of transformers that return what they make of y too,
    as ``PLSRegression`` does, it returns what they make of X.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_selection import SelectKBest, f_regression
    >>> from sklcausal import pack_targets
    >>> from sklcausal.model_selection import OutcomeTransformer
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> targets = pack_targets([0, 1] * 50, X[:, 2] + 0.1 * X[:, 0])
    >>> select = OutcomeTransformer(SelectKBest(f_regression, k=1)).fit(X, targets)
    >>> select.get_feature_names_out()
    array(['x2'], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "transformer": [HasMethods(["fit", "transform"])],
        "target": [StrOptions({"y", "T"})],
        "treatment_type": [StrOptions({"auto", "discrete", "dose", "simultaneous"})],
    }

    def __init__(self, transformer: Any, *, target: str = "y", treatment_type: str = "auto"):
        self.transformer = transformer
        self.target = target
        self.treatment_type = treatment_type

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **params: Any) -> OutcomeTransformer:
        """Fit a copy of the transformer.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        y : structured ndarray of shape (n_samples,)
            What `pack_targets` returns.
        **params : object
            Arguments of the transformer's ``fit``, such as ``sample_weight``. With metadata
            routing enabled, those that it has requested.

        Returns
        -------
        self : OutcomeTransformer
            The fitted adapter.

        Raises
        ------
        TargetError
            If the targets are not packed, or T cannot be read.
        ValueError, TypeError
            If a parameter or X cannot be used.
        """
        routed = self._route("fit", params)
        fitted = clone(self.transformer)
        fitted.fit(X, self._read(y), **routed["fit"])
        self.transformer_ = fitted
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X: Any, y: Any, **params: Any) -> Any:
        """Fit a copy of the transformer and transform the same rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        y : structured ndarray of shape (n_samples,)
            What `pack_targets` returns.
        **params : object
            Arguments of the transformer's ``fit_transform``, as in `fit`.

        Returns
        -------
        array-like of shape (n_samples, n_features_out)
            What the transformer's ``fit_transform`` makes of X, or its ``fit`` and ``transform``
            where it has no such method.

        Raises
        ------
        TargetError
            If the targets are not packed, or T cannot be read.
        ValueError, TypeError
            If a parameter or X cannot be used.
        """
        routed = self._route("fit_transform", params)
        fitted = clone(self.transformer)
        seen = self._read(y)
        if hasattr(fitted, "fit_transform"):
            out = fitted.fit_transform(X, seen, **routed["fit_transform"])
        else:
            out = fitted.fit(X, seen, **routed["fit"]).transform(X, **routed["transform"])
        self.transformer_ = fitted
        return out[0] if isinstance(out, tuple) else out

    def transform(self, X: Any, **params: Any) -> Any:
        """Transform covariates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Covariates.
        **params : object
            Arguments of the transformer's ``transform``, as in `fit`.

        Returns
        -------
        array-like of shape (n_samples, n_features_out)
            What the transformer makes of X.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        routed = self._route("transform", params)
        return self.transformer_.transform(X, **routed["transform"])

    @available_if(_wrapped_has("inverse_transform"))
    def inverse_transform(self, X: Any, **params: Any) -> Any:
        """Bring transformed covariates back, where the transformer can.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Transformed covariates.
        **params : object
            Arguments of the transformer's ``inverse_transform``, as in `fit`.

        Returns
        -------
        array-like of shape (n_samples, n_features)
            Covariates.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        routed = self._route("inverse_transform", params)
        return self.transformer_.inverse_transform(X, **routed["inverse_transform"])

    @available_if(_wrapped_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns that come out.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns that go in.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            Names by the transformer.

        Raises
        ------
        NotFittedError
            If called before ``fit``.
        """
        check_is_fitted(self)
        return self.transformer_.get_feature_names_out(input_features)

    @available_if(_wrapped_has("set_output"))
    def set_output(self, *, transform: str | None = None) -> OutcomeTransformer:
        """Choose what kind of table comes out.

        Parameters
        ----------
        transform : {'default', 'pandas', 'polars'} or None, default=None
            Kind of the table; None changes nothing.

        Returns
        -------
        self : OutcomeTransformer
            The adapter.
        """
        for transformer in (self.transformer, getattr(self, "transformer_", None)):
            if transformer is not None:
                transformer.set_output(transform=transform)
        return self

    @property
    def n_features_in_(self) -> int:
        """Number of columns of X."""
        return self.transformer_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns of X."""
        return self.transformer_.feature_names_in_

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which metadata go to the transformer.

        Returns
        -------
        MetadataRouter
            Requests of the transformer.
        """
        mapping = MethodMapping()
        for method in ("fit", "transform", "inverse_transform"):
            mapping.add(caller=method, callee=method)
        own = hasattr(self.transformer, "fit_transform")
        for callee in ("fit_transform",) if own else ("fit", "transform"):
            mapping.add(caller="fit_transform", callee=callee)
        return MetadataRouter(owner=self).add(transformer=self.transformer, method_mapping=mapping)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "transformer_")

    def __sklearn_tags__(self) -> Any:
        tags, wrapped = super().__sklearn_tags__(), get_tags(self.transformer)
        tags.input_tags = wrapped.input_tags
        tags.transformer_tags = wrapped.transformer_tags
        tags.non_deterministic = wrapped.non_deterministic
        tags.target_tags.required = True
        return tags

    def _route(self, method: str, params: dict[str, Any]) -> Any:
        """Find out which arguments go to which method of the transformer."""
        if get_config()["enable_metadata_routing"]:
            return process_routing(self, method, **params).transformer
        routed: dict[str, dict[str, Any]] = {
            "fit": params,
            "fit_transform": params,
            "transform": {},
            "inverse_transform": {},
        }
        return routed | {method: params}

    def _read(self, targets: Any) -> np.ndarray:
        """Take what the transformer may see out of packed targets."""
        fields = unpack_targets(targets)
        seen = fields.y
        if self.target == "T":
            schema = check_treatments(fields.T, treatment_type=self.treatment_type)
            seen = schema.encode(fields.T)
        return seen[:, 0] if seen.ndim == 2 and seen.shape[1] == 1 else seen
