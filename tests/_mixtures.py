"""Settings with which a mixture fits in a moment."""

# SPDX-License-Identifier: BSD-3-Clause

TINY = {
    "expert_widths": (8,),
    "head_widths": (8,),
    "representation_widths": (8,),
    "numeric_encoding": None,
    "weight_decay": 0.3,
    "max_epochs": 3,
    "n_folds": 2,
    "random_state": 0,
}
