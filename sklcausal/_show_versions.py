"""Print the versions that a bug report needs."""

# SPDX-License-Identifier: BSD-3-Clause

import platform
import sys
from importlib import metadata

from sklcausal._version import __version__

_PACKAGES = (
    "joblib",
    "matplotlib",
    "numpy",
    "pandas",
    "polars",
    "pooch",
    "scikit-learn",
    "scipy",
    "skops",
    "skorch",
    "torch",
    "tqdm",
)


def _installed_version(package):
    """Version of an installed distribution, or None; the package is not imported."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def show_versions() -> None:
    """Print the versions of the system, of Python and of the packages used.

    The versions are read from the installed metadata, so that nothing heavy is imported.
    Paste the output into a bug report.

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn, with its thread pools.

    Examples
    --------
    >>> import sklcausal
    >>> sklcausal.show_versions()
    System:
        python: ...
    """
    system = {
        "python": sys.version.replace("\n", " "),
        "executable": sys.executable,
        "machine": platform.platform(),
    }
    packages = {"sklcausal": __version__}
    packages |= {name: _installed_version(name) for name in _PACKAGES}
    for title, rows in (("System", system), ("Packages", packages)):
        width = max(map(len, rows))
        print(f"{title}:")
        for name, value in rows.items():
            print(f"{name:>{width + 4}}: {value}")
