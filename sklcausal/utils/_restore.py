"""Leave no half-fitted estimator behind."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable)


def restores_on_failure(fit: F) -> F:
    """Let a method that fails leave the estimator as it was.

    Parameters
    ----------
    fit : callable
        Method of an estimator.

    Returns
    -------
    callable
    """

    @functools.wraps(fit)
    def whole(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(self.__dict__)
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return cast("F", whole)
