"""Parameters that all estimators document alike, written once."""

# SPDX-License-Identifier: BSD-3-Clause

from __future__ import annotations

import inspect
import re
from typing import Any, TypeVar

C = TypeVar("C", bound=type)

SHARED_PARAMETERS = """\
activation : {'auto', 'elu', 'gelu', 'relu', 'silu', 'silu_exp', 'softplus', 'tanh'}, \
default='auto'
    Activation of the hidden layers. With 'silu_exp' half of the units of the last hidden layer of
    the heads, of outcomes and of effects, grow exponentially, as outcomes do whose causes
    multiply (costs, incomes). 'auto' takes it where heads give the outcomes of arms and all are
    continuous, and 'silu' elsewhere.
treatment_type : {'auto', 'discrete', 'dose', 'simultaneous'}, default='auto'
    What T is. 'auto' reads strings, bools and at most 10 integer values as arms, other floats
    as a dose, and several columns as simultaneous treatments.
treatments : sequence of labels or None, default=None
    All arms, each of which needs rows; None takes them from T. Naming them makes an arm that is
    missing from a part of the data, or misspelt, an error.
control : label or None, default=None
    Arm that the others are compared with; None takes the first of ``treatments``, or the first in
    sorted order.
outcome : {'auto', 'continuous', 'binary', 'count', 'choice'} or sequence, default='auto'
    Kind of the outcome, or of each column of y. 'auto' reads 0/1, bools and two strings as
    binary and all else as continuous; counts and choices must be asked for. Of two strings the
    second in sorted order counts as 1.
modifiers : sequence of column names or positions, or None, default=None
    Columns of X that the effect may depend on. All columns are adjusted for. None uses all.
n_folds : int, default=5
    Parts for cross-fitting, one network for each, all trained at once. 1 trains a single
    network without anything that inference needs, which is cheap for searches.
n_repeats : int, default=1
    Times that the rows are split into folds. Averages take the median over the splits, with the
    variance that splits add; effects and their intervals are those of the first. Each repeat
    takes another fit.
numeric_encoding : {'auto', 'piecewise_linear'} or None, default='auto'
    How numeric columns enter: standardised (None), spread over quantile bins
    ('piecewise_linear', [PLE]_), or whichever does better on the validation parts ('auto').
weight_decay : 'auto', float or sequence of float, default='auto'
    Decoupled decay of the weight matrices per unit of learning rate. Of several values the one
    that does best on the validation parts is taken; 'auto' tries 0.3, 1 and 3.
arm_weight_decay : float, default=0.0
    Decoupled decay, per unit of learning rate, of how far weights that belong to an arm differ
    from their mean over the arms. It keeps effects simple that are small beside what arms have in
    common, and leaves that alone. Networks for effects have no use for it; doses, models of
    one's own and hypernetworks refuse it.
max_epochs : int, default=500
    Most passes over the rows, in epochs.
batch_size : int, default=64
    Rows per step and member.
lr : float, default=0.003
    Learning rate.
lr_schedule : {'cosine', 'plateau'} or None, default=None
    Schedule of the learning rate of each member.
gradient_clip : float or None, default=None
    Largest norm of each member's gradient.
patience : int, default=20
    Epochs after which a member stops if its validation loss has not fallen by a hundredth.
validation_fraction : float or None, default=0.2
    Share of a member's rows that decides when it stops, stratified by arm. None trains on all
    rows for ``max_epochs``; 'auto' then means bins and a decay of 1.
propensity_clip : float, default=0.01
    Estimated probabilities of an arm, and of a cell of y being observed, are kept at least this
    large.
n_features_interval : 'auto' or int, default='auto'
    Most features on which the signal is projected for `effect_interval`; small arms allow fewer.
    A fifth of them are learned by the networks, the others are splines of the columns that the
    networks found useful. 'auto' takes 40 at 2,000 rows, more or fewer with the cube root of the
    rows, and at most 100.
device : {'cpu', 'cuda', 'mps', 'auto'} or str, default='cpu'
    Where the networks are trained; 'auto' takes a GPU where there is one.
net_params : dict or None, default=None
    Anything else for skorch's ``NeuralNet``, such as ``{'optimizer': torch.optim.RAdam}`` or
    ``{'compile': True}``.
callbacks : list of skorch callbacks or None, default=None
    Called during training of the outcome networks, a copy of each for every net. Where settings
    are chosen, training starts several times.
verbose : int, default=0
    1 shows a progress bar with the loss and the remaining time.
random_state : int, RandomState instance or None, default=None
    Seed of folds, initial weights and the order of rows.
generation : {'all', 'split', 'chunked', 'layerwise'}, default='split'
    How the hypernetwork makes the weights of a head from its embedding: all at once, in two
    halves, in ``n_chunks`` pieces or layer by layer; pieces and layers have embeddings of their
    own. Pieces need the fewest weights.
embedding_dim : int, default=8
    Length of an embedding.
hyper_widths : sequence of int, default=(100, 100)
    Units of the hidden layers of the hypernetwork.
n_chunks : int, default=10
    Number of pieces if ``generation='chunked'``.
spectral_norm : bool, default=False
    Whether weights of the hypernetwork are divided by their largest singular value.
hyper_dropout : float, default=0.05
    Rate of dropout in the hypernetwork.
arm_features : mapping from label to number, or to several, or None, default=None
    What describes each arm, such as its dose: embeddings are linear in that. It may hold arms
    that nobody received, whose `effect` is predicted from their features; there is no interval
    for them, and no effect where effects have a network of their own. `HyperSLearner` and
    `HyperSNet` refuse it, since not all that belongs to an arm is generated there. None learns an
    embedding of every arm.
outcome_model : regressor or None, default=None
    Scikit-learn model of the outcomes in place of networks, or a classifier where all outcomes
    are binary. It is fitted to what each member may see; None trains networks.
propensity_model : classifier or None, default=None
    Scikit-learn model of the arms with ``predict_proba``; None trains networks.
effect_model : regressor or None, default=None
    Scikit-learn model of the effects; None trains networks.
n_jobs : int or None, default=None
    Processes that fit scikit-learn models, through joblib."""

SHARED_ATTRIBUTES = """\
treatments_ : ndarray of shape (n_arms,) or None
    Labels of the arms, or None for doses.
control_ : label or None
    Arm that the others are compared with; None for doses.
effect_names_out_ : ndarray of str of shape (n_contrasts,)
    Names of the default contrasts.
outcome_names_ : ndarray of str of shape (n_outcomes,)
    Names of the outcomes.
outcome_kinds_ : ndarray of str of shape (n_outcomes,)
    Kinds of the outcomes: 'continuous', 'binary', 'count' or 'choice'.
model_ : StructuralModel
    What the parameters of the networks mean.
activation_ : str
    Activation of the hidden layers: as given, or what 'auto' chose.
folds_ : ndarray of int of shape (n_samples,)
    Fold of each training row; member k never saw fold k.
weight_decay_ : float
    Weight decay that was chosen on the validation parts.
effect_weight_decay_ : float or None
    Weight decay of the network for effects that was chosen on the validation parts; None where
    effects have no network of their own.
n_bins_ : int or None
    Bins of the encoding that was chosen on the validation parts; None if standardised only.
history_ : list of dict
    Losses of each epoch.
n_features_interval_ : int
    Number of features that the signal is projected on, the smallest over pairs of arms; 0 if an
    arm is too small for a projection.
propensity_ : ndarray of shape (n_samples, n_arms) or None
    Probability of each arm for the training rows: out-of-fold, or as it was given.
diagnostics_ : dict
    Overlap and conditioning: effective sample size of the implied weights by arm and share of
    rows whose propensity is at its bound, or share of rows in which x all but determines a dose;
    number of observed outcomes by arm, where some are missing;
    smallest eigenvalue of the expected Hessian relative to its mean (near 0 where nothing tells
    parameters apart), number and share of rows where it was lifted, quantiles of its condition
    number; effective sample size and quantiles of the weights that the first effect gives to
    outcomes, and by how many standard errors these fail to balance covariates.
interval_method_ : str or None
    'influence': intervals come from influence functions. None if there are none, with
    ``n_folds=1``.
n_features_in_ : int
    Number of columns of X.
feature_names_in_ : ndarray of str of shape (n_features_in_,)
    Names of the columns, if X had names that are all strings."""

SHARED_IDENTIFICATION = """\
Effects are identified if, given x, treatment is independent of the potential outcomes (no
unmeasured confounder), everybody could have received every arm (overlap), and one person's
treatment does not change another's outcome. What the intervals promise is said in
`sklcausal.representation.TARNet`."""

_REFERENCES = {
    "[PLE]": 'Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular '
    'deep\n   learning", NeurIPS 2022, arXiv 2203.05556.',
}


def _split_parameters(text: str) -> dict[str, str]:
    """Split a list of parameters by their names."""
    return {part.split(" : ")[0]: part for part in re.split(r"\n(?=\w)", text)}


def _parameters_of(cls: type) -> dict[str, str]:
    """Find the parameters that a docstring describes."""
    text = inspect.cleandoc(cls.__doc__ or "")
    section = re.search(r"Parameters\n-+\n(.*?)\n\n(?=\w+\n--)", text, re.S)
    return _split_parameters(section.group(1)) if section else {}


def _in_order(cls: type, signature: inspect.Signature, known: dict[str, str]) -> list[str]:
    """Put parameters of a class before those of its parents, and those before the shared ones."""
    fields = [list(vars(base).get("__annotations__", {})) for base in cls.__mro__]

    def place(name: str) -> tuple[bool, bool, int, int]:
        if name == "self" or name in known:
            return name != "self", True, 0, 0
        distance = next((i for i, own in enumerate(fields) if name in own), 0)
        return True, False, distance, fields[distance].index(name)

    return sorted(signature.parameters, key=place)


def shared_docs(cls: C) -> C:
    """Fill the shared parameters, attributes and references into an estimator's docstring.

    ``{inherited_parameters}`` stands for parameters that a parent class describes.

    The signature lists the parameters of its own and then those of its parents before the shared
    ones, as the docstring does.

    Parameters
    ----------
    cls : type
        A dataclass.

    Returns
    -------
    type
    """
    init: Any = vars(cls)["__init__"]
    signature = inspect.signature(init)
    known = _split_parameters(SHARED_PARAMETERS)
    text = inspect.cleandoc(cls.__doc__ or "")
    # a class may describe a shared parameter in its own words, such as another default
    own_words = _parameters_of(cls)
    is_shared = "{shared_parameters}" in text
    known = {n: v for n, v in known.items() if is_shared and n not in own_words}
    shared = [known[name] for name in signature.parameters if name in known]
    if "{inherited_parameters}" in text:
        described: dict[str, str] = {}
        for parent in reversed(cls.__mro__[1:]):
            described |= _parameters_of(parent)
        own = vars(cls).get("__annotations__", {})
        names = [n for n in _in_order(cls, signature, known) if n not in own and n not in known]
        inherited = [described[n] for n in names if n in described]
        text = text.replace("{inherited_parameters}", "\n".join(inherited))
    text = text.replace("{shared_parameters}", "\n".join(shared))
    text = text.replace("{shared_attributes}", SHARED_ATTRIBUTES)
    text = text.replace("{shared_identification}", SHARED_IDENTIFICATION)
    references = "\n".join(f".. {key} {value}" for key, value in _REFERENCES.items())
    cls.__doc__ = text.replace("{shared_references}", references) + "\n"
    order = _in_order(cls, signature, known)
    init.__signature__ = signature.replace(parameters=[signature.parameters[n] for n in order])
    return cls
