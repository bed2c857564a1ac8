"""`EPClassifier`: a network of binary neurons and synapses as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from lava_ep.dynamics import Stream, generator
from lava_ep.errors import InputError
from lava_ep.models import run_config
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec, TrainingSpec
from lava_ep.training import NetworkSession

PREDICTION_BATCH = 500
"""Upper limit of the number of samples that are predicted at the same time."""

AUTO_PIXELS = 64
"""Number of pixels that ``pixels_per_feature="auto"`` reaches at least."""

ROWS = 1000
"""Samples that are converted to pixels at the same time."""

PARAMETER_NAMES = {
    "neurons": "hidden_layer_sizes",
    "scale": "weight_scale",
    "input_levels": "levels",
    "epochs": "max_iter",
}
"""Parameters of `EPClassifier` whose field in a spec has another name."""

Spec = TypeVar("Spec", bound=BaseModel)


class EPClassifier(ClassifierMixin, BaseEstimator):
    r"""Classifier of binary neurons and binary synapses that learns by equilibrium propagation.

    The network runs on the Lava runtime: every layer of neurons and every population of synapses
    is a Process of its own, and all learning happens in the synapses. Neurons are those of
    `lava_ep.dynamics.binary_step`, weights flip by `lava_ep.dynamics.bop_update`. The defaults
    suit small problems of any kind.

    Pixels are integers from 0 to ``levels``. Features are scaled to them from a range that
    ``input_range`` chooses; see `thermometer` for the equation. Values outside of that range are
    clipped to it, and a feature without a range (a constant one) is always 0. A binary weight can
    add or subtract a pixel, no more, so a feature may be given several pixels.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int
        Neurons of the hidden layers, input side first; ``()`` for none.
    neurons_per_class : int
        Output neurons of each class; its score is their mean.
    free_steps, nudged_steps : int
        Time steps T of the free phase and K of a nudged phase.
    beta : float
        Nudging strength.
    nudging : {"symmetric", "random-sign", "positive"}
        See `lava_ep.dynamics.Nudging`.
    weight_scale : float or tuple of float
        c of the scaling factor :math:`\alpha = c/\sqrt{\mathrm{fan\,in}}` of the weights. This
        and the three parameters below take one number for all layers, a pair (hidden layers,
        output layer), or one number for each layer.
    theta : float or tuple of float
        BOP threshold on :math:`M = m/\gamma`.
    gamma : float or tuple of float
        BOP adaptivity.
    bias_offset : float or tuple of float
        Added to the initial biases.
    decay : float
        Factor in (0, 1] by which contributions to the momenta shrink from epoch to epoch.
    filter_rate, threshold, initial_state : float
        Rate of the neurons' filter, their threshold, and their state when a sample begins.
    max_iter : int
        Epochs of `fit`.
    batch_size : int
        Samples that are learned from at the same time, at most as many as there are. The few
        that an epoch's order leaves over after the last full batch sit that epoch out.
    levels : int
        Pixel value that means 1.0, at most 255.
    input_range : {"feature", "global"} or (float, float)
        Range of values that is scaled to the pixels 0 to ``levels``: that of each feature in the
        training data, the one that all features have together (for images), or a known range,
        the same for all features. `partial_fit` looks at its first call only, so give a known
        range if later data may exceed that.
    pixels_per_feature : int or "auto"
        Number of pixels, and so of binary synapses to each neuron, that a feature is spread over.
        ``"auto"`` makes at least 64 pixels in all of data with fewer features, and one pixel of
        each feature otherwise.
    random_state : int, RandomState instance or None
        Source of the initial weights and biases, the order of the samples, and random signs of
        beta. An integer is the seed of the run, as in ``lava-ep train --seed``.
    backend : str
        Name of the backend, see `lava_ep.models.BACKENDS`.
    verbose : bool
        Whether to print the training accuracy after every epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, in the order of the scores.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if they all were strings.
    data_min_, data_max_ : ndarray of shape (n_features,)
        Range of each feature that is scaled to the pixels.
    spec_ : NetworkSpec
        The network.
    parameters_ : NetworkParameters
        What it has learned.
    train_accuracy_ : list of float
        Accuracy of the free phases during every epoch, with the weights of the moment.
    n_iter_ : int
        Number of epochs so far.
    seed_ : int
        Seed of the run.
    batch_size_ : int
        Batch size of the latest epoch.
    decay_batches_ : int
        Number of batches after which ``decay`` applies once more: an epoch of the first call.

    Notes
    -----
    `fit`, `partial_fit`, `predict`, `decision_function` and `score` start the network and end it
    again, which takes about a second each; a fitted estimator holds no running Processes and can
    be pickled. Results depend on ``random_state`` and the data alone, not on the number of
    samples that are predicted together.

    There is no ``predict_proba``, since the scores are no probabilities.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from lava_ep.estimator import EPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    >>> EPClassifier(random_state=0).fit(X, y).score(X_test, y_test)  # doctest: +SKIP
    0.955...
    """

    classes_: NDArray[Any]
    n_features_in_: int
    data_min_: NDArray[np.float64]
    data_max_: NDArray[np.float64]
    spec_: NetworkSpec
    parameters_: NetworkParameters
    train_accuracy_: list[float]
    n_iter_: int
    seed_: int
    batch_size_: int
    decay_batches_: int

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | tuple[int, ...] = (512,),
        neurons_per_class: int = 5,
        free_steps: int = 10,
        nudged_steps: int = 10,
        beta: float = 3.0,
        nudging: Literal["symmetric", "random-sign", "positive"] = "symmetric",
        weight_scale: float | tuple[float, ...] = (0.56, 0.69),
        theta: float | tuple[float, ...] = (0.1, 0.033),
        gamma: float | tuple[float, ...] = 1e-4,
        bias_offset: float | tuple[float, ...] = 0.15,
        decay: float = 0.9,
        filter_rate: float = 0.45,
        threshold: float = 0.5,
        initial_state: float = 0.0,
        max_iter: int = 15,
        batch_size: int = 16,
        levels: int = 255,
        input_range: Literal["feature", "global"] | tuple[float, float] = "feature",
        pixels_per_feature: int | Literal["auto"] = "auto",
        random_state: int | np.random.RandomState | None = None,
        backend: str = "message-passing",
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.neurons_per_class = neurons_per_class
        self.free_steps = free_steps
        self.nudged_steps = nudged_steps
        self.beta = beta
        self.nudging = nudging
        self.weight_scale = weight_scale
        self.theta = theta
        self.gamma = gamma
        self.bias_offset = bias_offset
        self.decay = decay
        self.filter_rate = filter_rate
        self.threshold = threshold
        self.initial_state = initial_state
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.levels = levels
        self.input_range = input_range
        self.pixels_per_feature = pixels_per_feature
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> EPClassifier:
        """Learn from scratch for ``max_iter`` epochs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers.
        y : array-like of shape (n_samples,)
            Class labels of two classes or more.

        Returns
        -------
        EPClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If the data or a parameter are unusable; no Process has been started then.
        """
        self.__dict__.pop("parameters_", None)
        samples, labels = self._validate(X, y)
        self._begin(samples, unique_labels(labels))
        return self._learn(samples, labels, self._training_spec().epochs)

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None
    ) -> EPClassifier:
        """Go on learning for one epoch over the given samples.

        Calls on the same data end with the same bytes as `fit` with as many epochs. Contributions
        to the momenta shrink by ``decay`` after every ``decay_batches_`` batches: set it to 1
        when the calls are chunks of one stream.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), optional
            All labels that may ever occur; needed in the first call.

        Returns
        -------
        EPClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If the data or a parameter are unusable, or parameters of the network have changed
            since the first call; no Process has been started then.
        """
        first = not self.__sklearn_is_fitted__()
        if first and classes is None:
            raise InputError("classes must be passed on the first call to partial_fit")
        samples, labels = self._validate(X, y, reset=first)
        if first:
            self._begin(samples, unique_labels(classes))
        elif classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise InputError(f"classes={classes!r}: expected {self.classes_!r} as in earlier calls")
        elif self._network_spec() != self.spec_:
            raise InputError(
                "parameters of the network have changed since it began to learn; "
                "set them back or call fit"
            )
        return self._learn(samples, labels, 1)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float32]:
        """Class scores at the end of the free phase.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Mean pre-activation of each class's output neurons, in [0, 1]. For two classes that of
            ``classes_[1]`` minus that of ``classes_[0]``.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Label of the class with the largest score; of the first one among equals.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        best = self._scores(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def __sklearn_is_fitted__(self) -> bool:
        """Whether the network has learned."""
        return hasattr(self, "parameters_")

    def _validate(
        self, X: ArrayLike, y: ArrayLike, *, reset: bool = True
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        samples, labels = validate_data(self, X, y, reset=reset)
        check_classification_targets(labels)
        return samples, labels

    def _begin(self, X: NDArray[Any], classes: NDArray[Any]) -> None:
        """Fix everything that later calls of `partial_fit` rely on."""
        if len(classes) < 2:
            raise InputError(f"y has one class, {classes[0]!r}: expected two classes or more")
        random, seed = check_random_state(self.random_state), self.random_state
        self.seed_ = int(seed if isinstance(seed, int | np.integer) else random.randint(2**31))
        self.classes_ = classes
        self.data_min_, self.data_max_ = self._range(X)
        self.spec_ = self._network_spec()
        self.batch_size_ = min(self._training_spec().batch_size, len(X))
        self.decay_batches_ = len(X) // self.batch_size_
        self.train_accuracy_ = []

    def _learn(self, X: NDArray[Any], y: NDArray[Any], epochs: int) -> EPClassifier:
        training = self._training_spec()
        run_config(self.backend)
        labels = LabelEncoder().fit(self.classes_).transform(y)
        pixels = self._pixels(X)
        size = min(training.batch_size, len(X))
        if self.__sklearn_is_fitted__():
            parameters = _for_batch_size(self.parameters_, size / self.batch_size_)
        else:
            parameters = initial_parameters(self.spec_, seed=self.seed_)
        history = list(self.train_accuracy_)
        with NetworkSession(
            self.spec_,
            batch=size,
            parameters=parameters,
            seed=self.seed_,
            decay=training.decay,
            epoch_batches=self.decay_batches_,
            backend=self.backend,
        ) as session:
            for _ in range(epochs):
                order = generator(self.seed_, Stream.DATA_ORDER, len(history)).permutation(len(X))
                order = order[: len(X) // size * size]
                scores = list(session.stream(pixels[order], labels[order]))
                predicted = np.concatenate(scores).argmax(axis=1)
                history.append(float(np.mean(predicted == labels[order])))
                if self.verbose:
                    print(f"epoch {len(history)}: training accuracy {history[-1]:.4f}", flush=True)
            parameters = session.parameters()
        self.parameters_ = parameters
        self.batch_size_ = size
        self.train_accuracy_ = history
        self.n_iter_ = len(history)
        return self

    def _scores(self, X: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        pixels = self._pixels(validate_data(self, X, reset=False))
        portions = -(-len(pixels) // PREDICTION_BATCH)
        with NetworkSession(
            self.spec_,
            batch=-(-len(pixels) // portions),
            parameters=self.parameters_,
            learning=False,
            backend=self.backend,
        ) as session:
            return session.scores(pixels)

    def _range(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of the values that are scaled to pixels, one each a feature."""
        chosen = _plain(self.input_range)
        low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
        if chosen == "global":
            low[:], high[:] = low.min(), high.max()
        elif isinstance(chosen, list) and len(chosen) == 2 and chosen[0] < chosen[1]:
            low[:], high[:] = chosen
        elif chosen != "feature":
            raise InputError(
                f"input_range={self.input_range!r}: expected 'feature', 'global' or (low, high)"
            )
        with np.errstate(over="ignore"):
            if not np.isfinite(high - low).all():
                raise InputError("X spans a wider range than float64 can hold; scale it down")
        return low, high

    def _pixels(self, X: NDArray[Any]) -> NDArray[np.uint8]:
        low, high = self.data_min_, self.data_max_
        extent = np.where(high > low, high - low, np.inf)
        pixels = np.empty((len(X), self.spec_.inputs), np.uint8)
        for start in range(0, len(X), ROWS):
            rows = slice(start, start + ROWS)
            share = (np.clip(X[rows].astype(np.float64), low, high) - low) / extent
            count = self.spec_.inputs // self.n_features_in_
            pixels[rows] = thermometer(share, pixels=count, levels=self.spec_.input_levels)
        return pixels

    def _network_spec(self) -> NetworkSpec:
        per_class = _plain(self.neurons_per_class)
        if not isinstance(per_class, int) or per_class < 1:
            raise InputError(f"neurons_per_class={per_class!r}: expected a positive integer")
        pixels = _plain(self.pixels_per_feature)
        if pixels == "auto":
            pixels = -(-AUTO_PIXELS // self.n_features_in_)
        elif not isinstance(pixels, int) or pixels < 1:
            raise InputError(
                f"pixels_per_feature={pixels!r}: expected a positive integer or 'auto'"
            )
        hidden = _plain(self.hidden_layer_sizes)
        sizes = [
            *(hidden if isinstance(hidden, list) else [hidden]),
            per_class * len(self.classes_),
        ]
        columns = {
            name: self._per_layer(parameter, len(sizes))
            for name, parameter in (
                ("scale", "weight_scale"),
                ("theta", "theta"),
                ("gamma", "gamma"),
                ("bias_offset", "bias_offset"),
            )
        }
        layers = [
            {"neurons": size, **{name: values[index] for name, values in columns.items()}}
            for index, size in enumerate(sizes)
        ]
        neuron = ("filter_rate", "threshold", "initial_state")
        phases = ("free_steps", "nudged_steps", "beta", "nudging")
        data = {
            "inputs": self.n_features_in_ * pixels,
            "input_levels": _plain(self.levels),
            "classes": len(self.classes_),
            "layers": layers,
            "neuron": {name: _plain(getattr(self, name)) for name in neuron},
            "phases": {name: _plain(getattr(self, name)) for name in phases},
        }
        return self._checked(NetworkSpec, data)

    def _training_spec(self) -> TrainingSpec:
        data = {
            "epochs": _plain(self.max_iter),
            "batch_size": _plain(self.batch_size),
            "decay": _plain(self.decay),
        }
        return self._checked(TrainingSpec, data)

    def _checked(self, kind: type[Spec], data: Mapping[str, Any]) -> Spec:
        """Build a spec, or say which of the estimator's parameters is at fault."""
        try:
            return kind.model_validate(data)
        except ValidationError as error:
            faults = {}
            for fault in error.errors():
                field = [part for part in fault["loc"] if isinstance(part, str)][-1]
                faults[PARAMETER_NAMES.get(field, field)] = fault["msg"]
            given = self.get_params()
            raise InputError(
                "; ".join(
                    f"{name}={given[name]!r}: {message}"
                    for name, message in faults.items()
                    if name in given
                )
            ) from None

    def _per_layer(self, name: str, layers: int) -> list[Any]:
        values = _plain(getattr(self, name))
        if not isinstance(values, list):
            return [values] * layers
        if len(values) == layers:
            return list(values)
        if len(values) == 2:
            return [values[0]] * (layers - 1) + [values[1]]
        raise InputError(
            f"{name}={tuple(values)}: expected a number, a pair (hidden layers, output layer), or "
            f"{layers} numbers, one for each layer"
        )


def thermometer(share: NDArray[np.float64], *, pixels: int, levels: int) -> NDArray[np.uint8]:
    r"""Spread every feature over pixels that fill up one after another.

    .. math:: p_j = \mathrm{round}(\mathrm{levels}\,\mathrm{clip}(k u - j, 0, 1)),
        \qquad j = 0 \dots k-1

    Synapses of weight +1 or -1 turn the k pixels of a feature into any piecewise linear function of
    it with k pieces that rise or fall alike, and a single pixel into one rising or falling line.

    Parameters
    ----------
    share
        Where each value lies within the range of its feature :math:`u`, (samples, features),
        from 0 to 1.
    pixels
        Number of pixels :math:`k` of each feature.
    levels
        Pixel value that means 1.0, at most 255.

    Returns
    -------
    ndarray
        (samples, features x k); the pixels of a feature lie together.
    """
    filled = np.clip(share[:, :, None] * pixels - np.arange(pixels), 0, 1)
    values: NDArray[np.uint8] = np.rint(filled * levels).astype(np.uint8)
    return values.reshape(len(share), -1)


def _for_batch_size(parameters: NetworkParameters, ratio: float) -> NetworkParameters:
    """Convert momenta, which count contrasts summed over a batch, to another batch size."""
    if ratio == 1:
        return parameters
    layers = tuple(
        replace(layer, momentum=layer.momentum * np.float32(ratio))
        for layer in parameters.layers
        if layer.momentum is not None
    )
    return replace(parameters, layers=layers)


def _plain(value: Any) -> Any:
    """Return Python numbers and lists in place of NumPy's, which searches over grids yield."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
