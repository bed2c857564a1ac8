"""`EPClassifier`: a network of binary neurons and synapses as a scikit-learn estimator."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from lava_ep._versions import package_versions
from lava_ep.data.own.preprocessing import AUTO_PIXELS, Label, Preprocessing, thermometer
from lava_ep.dynamics import Stream, generator
from lava_ep.errors import InputError
from lava_ep.files import appearing, check_new
from lava_ep.models import choose_execution
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import DataSpec, ExperimentSpec, NetworkSpec, NeuronSpec, TrainingSpec
from lava_ep.training import (
    RunFolder,
    TrainedNetwork,
    fit_temperature,
    load_run,
    probabilities,
)
from lava_ep.training.calibration import CALIBRATED
from lava_ep.training.run_folder import EPOCHS_BEFORE

__all__ = ["EPClassifier", "thermometer"]

PREDICTION_BATCH = 500
"""Upper limit of the number of samples that are predicted at the same time."""

NOT_KEPT = "(not kept: samples given to EPClassifier)"
"""Name of the data set in the run folder of a saved estimator."""

ESTIMATOR = "estimator"
"""Entry of the ``run.json`` of a saved estimator that holds its parameters and history."""

PER_LAYER = {
    "scale": "weight_scale",
    "theta": "theta",
    "gamma": "gamma",
    "bias_offset": "bias_offset",
    "bias_rate": "bias_rate",
}
"""Fields of the layers in a spec, and the parameters of `EPClassifier` that hold them."""

NEURON = ("filter_rate", "threshold", "initial_state")
PHASES = ("free_steps", "nudged_steps", "beta", "nudging")

PARAMETER_NAMES = {
    "neurons": "hidden_layer_sizes",
    "scale": "weight_scale",
    "input_levels": "levels",
    "epochs": "max_iter",
}
"""Parameters of `EPClassifier` whose field in a spec has another name."""

TEXT = "Encode text first, for example by sklearn.preprocessing.OneHotEncoder or OrdinalEncoder."

WAYS_OUT = {
    "Found array with dim": "X.reshape(len(X), -1) makes a row of each image.",
    "could not convert string": TEXT,
    "arrays of bytes/strings": TEXT,
    "inhomogeneous shape": "Give every sample the same number of values.",
}
"""What scikit-learn's messages do not say, by what they contain."""

Spec = TypeVar("Spec", bound=BaseModel)


class EPClassifier(ClassifierMixin, BaseEstimator):
    r"""Classifier of binary neurons and binary synapses that learns by equilibrium propagation.

    The network runs on the Lava runtime: every layer of neurons and every population of synapses
    is a separate Process, and all learning happens in the synapses. Neurons are those of
    `lava_ep.dynamics.binary_step`, weights flip by `lava_ep.dynamics.bop_update`. The defaults
    suit small problems of any kind.

    Pixels are integers from 0 to ``levels``. Features are scaled to them from a range that
    ``input_range`` chooses; see `thermometer` for the equation. Values outside of that range are
    clipped to it, with a warning if they are more than a tenth of all, and a feature without a
    range (a constant one) is always 0. A binary weight can add or subtract a pixel, no more, so a
    feature may be given several pixels.

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
        and the four parameters below take one number for all layers, a pair (hidden layers,
        output layer), or one number for each layer.
    theta : float or tuple of float
        BOP threshold on :math:`M = m/\gamma`.
    gamma : float or tuple of float
        BOP adaptivity.
    bias_offset : float or tuple of float
        Added to the initial biases.
    bias_rate : float or tuple of float
        Learning rate of the biases; 0 keeps them fixed.
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
    execution : {"inline", "processes"} or None
        Whether all Processes of the network take turns in this operating-system process, or each
        is one of its own; None: the faster one. Results are the same.
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
    preprocessing_ : Preprocessing
        How samples become pixels.
    spec_ : NetworkSpec
        The network.
    parameters_ : NetworkParameters
        What it has learned.
    train_accuracy_ : list of float
        Accuracy of the free phases during every epoch, with the weights of the moment.
    metrics_ : list of dict
        Of every epoch the accuracy, seconds, weight flips, events and synaptic operations, as in
        the ``metrics.jsonl`` of a run folder.
    temperature_ : float or None
        T of `predict_proba`; None where an earlier version of lava-ep trained the network.
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
    `fit`, `partial_fit`, `predict`, `predict_proba`, `decision_function` and `score` start the
    network and end it again, which takes about a second each; a fitted estimator holds no running
    Processes and can be pickled. Results depend on ``random_state`` and the data alone, not on the
    number of samples that are predicted together.

    `save` writes a run folder, which the commands of ``lava-ep`` and `lava_ep.load_run` take and
    which never executes code on loading, as pickles do; `from_run` reads it.

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
    preprocessing_: Preprocessing
    spec_: NetworkSpec
    parameters_: NetworkParameters
    train_accuracy_: list[float]
    metrics_: list[dict[str, Any]]
    temperature_: float | None
    n_iter_: int
    seed_: int
    batch_size_: int
    decay_batches_: int
    _started: str | None

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
        bias_rate: float | tuple[float, ...] = 0.0,
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
        execution: Literal["inline", "processes"] | None = None,
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
        self.bias_rate = bias_rate
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
        self.execution = execution
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
        """Learn for one more epoch over the given samples.

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

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        r"""Probabilities of the classes, :math:`\mathrm{softmax}(s/T)` of their scores s.

        T makes the labels of the last epoch of `fit` or `partial_fit` most likely: of its last
        samples, up to about 1024, with the scores predicted before the network learned from them.
        The network has seen these samples in earlier epochs, so the probabilities of new ones are
        rather too close to 0 and 1; `sklearn.calibration.CalibratedClassifierCV` calibrates on
        samples held out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows add up to 1; columns are in the order of ``classes_``.

        Warns
        -----
        UserWarning
            If an earlier version of lava-ep trained the network, which fitted no T; it is 1 then.
        """
        check_is_fitted(self)
        if self.temperature_ is None:
            warnings.warn(
                "probabilities are not calibrated, as an earlier version of lava-ep trained the "
                "network: softmax of the scores with T = 1; call fit or partial_fit to fit T",
                UserWarning,
                stacklevel=2,
            )
        return probabilities(self._scores(X), self.temperature_ or 1.0)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a run folder, for `from_run`, `lava_ep.load_run` and the commands of ``lava-ep``.

        It holds the network, what it has learned, how samples are scaled, the classes, and the
        metrics of every epoch, whose test accuracy is null. The samples themselves are not kept, so
        commands that show some to the network need ``--data FILE``.

        Parameters
        ----------
        path : path
            The folder, which appears as a whole or not at all; it may exist if it is empty.

        Raises
        ------
        InputError
            If the folder is not empty or cannot be written, or the labels are not text, whole
            numbers or truth values.
        """
        check_is_fitted(self)
        place = Path(path).expanduser()
        try:
            check_new(place)
        except InputError:
            raise InputError(
                f"{place}: exists and is not an empty folder; choose another one"
            ) from None
        names = self.preprocessing_.feature_names
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(
                f"feature {twice[0]!r} is there {names.count(twice[0])} times: expected different "
                "names, by which columns of a file are found; rename them and fit again"
            )
        preprocessing = replace(self.preprocessing_, classes=_labels_to_save(self.classes_))
        training = self._training_spec()
        experiment = ExperimentSpec(
            network=self.spec_,
            training=TrainingSpec(
                epochs=self.n_iter_,
                # Momenta count contrasts of a batch of this size.
                batch_size=self.batch_size_,
                seed=self.seed_,
                decay=training.decay,
                test_batch_size=PREDICTION_BATCH,
            ),
            data=DataSpec(name=NOT_KEPT),
        )
        parameters = {name: _plain(value) for name, value in self.get_params(deep=False).items()}
        if isinstance(self.random_state, np.random.RandomState):
            parameters["random_state"] = self.seed_
        before = len(self.train_accuracy_) - len(self.metrics_)
        about = {
            "command": " ".join(repr(self).split()),
            "data_dir": None,
            "data_kept": False,
            "backend": self.backend,
            "execution": choose_execution(self.execution, self.backend, self.spec_),
            "seed": self.seed_,
            "started": self._started or datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "versions": package_versions(),
            EPOCHS_BEFORE: self.n_iter_ - len(self.metrics_),
            ESTIMATOR: {
                "parameters": parameters,
                "label_type": self.classes_.dtype.str,
                "train_accuracy_before": self.train_accuracy_[:before],
                "decay_batches": self.decay_batches_,
            },
        }
        with appearing(place, "save the estimator") as temporary:
            folder = RunFolder.create(temporary, experiment, about, preprocessing=preprocessing)
            for line in self.metrics_:
                folder.append_metrics(line)
            folder.write_checkpoint(self.n_iter_, self.parameters_)

    @classmethod
    def from_run(cls, path: str | os.PathLike[str]) -> EPClassifier:
        """Load a fitted estimator from a run folder that `save` or ``lava-ep train`` has written.

        It predicts as `lava_ep.load_run` does, and `partial_fit` resumes the training. A clone
        trains the same network; it does not repeat an augmentation or a validation part of the run.

        Parameters
        ----------
        path : path
            The folder.

        Returns
        -------
        EPClassifier
            A fitted estimator.

        Raises
        ------
        InputError
            If the folder is not that of a run or is damaged, or its network or samples are of a
            kind that the parameters of an estimator do not describe.
        """
        trained = load_run(path)
        preprocessing = trained.preprocessing
        folder = RunFolder(Path(path).expanduser())
        about, lines = folder.about(), folder.metrics()
        if preprocessing.recordings is not None:
            raise _no_estimator(path, "takes recordings of an event camera, not numbers")
        if list(preprocessing.classes) != sorted(preprocessing.classes):
            raise _no_estimator(path, "has classes that are not sorted, as scikit-learn needs them")
        estimator = cls(**_parameters_of(path, trained))
        training = trained.experiment.training
        estimator.seed_ = training.seed
        estimator.classes_ = trained.classes
        estimator.n_features_in_ = preprocessing.features
        if preprocessing.feature_names:
            estimator.feature_names_in_ = np.array(preprocessing.feature_names, object)
        estimator.preprocessing_ = preprocessing
        low, high = preprocessing.low, preprocessing.high
        levels = float(preprocessing.levels)
        estimator.data_min_ = np.zeros(preprocessing.features) if low is None else low
        estimator.data_max_ = np.full(preprocessing.features, levels) if high is None else high
        estimator.spec_ = estimator._network_spec()
        # An arrangement of the pixels makes no difference to dense layers.
        expected = trained.experiment.ep_network.model_copy(update={"image_shape": None})
        if estimator.spec_ != expected:
            found, wanted = (spec.model_dump(mode="json") for spec in (expected, estimator.spec_))
            raise _no_estimator(path, f"has network.{_difference(found, wanted)}")
        estimator.metrics_ = [line for line in lines if line["epoch"] <= trained.epoch]
        estimator.train_accuracy_ = [float(line["train_accuracy"]) for line in estimator.metrics_]
        estimator.temperature_ = trained.temperature
        estimator.n_iter_ = trained.epoch
        estimator.batch_size_ = training.batch_size
        estimator.decay_batches_ = max(trained.parameters.batch // trained.epoch, 1)
        estimator._started = about.get("started")
        if ESTIMATOR in about:
            estimator._restore(about[ESTIMATOR], folder.path / "run.json")
        estimator.parameters_ = trained.parameters
        return estimator

    def _restore(self, kept: Any, source: Path) -> None:
        """Set what only the run folder of a saved estimator holds."""
        try:
            parameters = kept["parameters"].items()
            self.set_params(**{k: tuple(v) if isinstance(v, list) else v for k, v in parameters})
            kind = np.dtype(kept["label_type"])
            classes = self.classes_.astype(kind)
            if kind.kind not in "biufUO" or classes.tolist() != self.classes_.tolist():
                raise ValueError(f"label_type={kind}")
            self.classes_ = classes
            before = [float(accuracy) for accuracy in kept["train_accuracy_before"]]
            self.train_accuracy_ = before + self.train_accuracy_
            self.decay_batches_ = int(kept["decay_batches"])
            if self.decay_batches_ < 1:
                raise ValueError(f"decay_batches={self.decay_batches_}")
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{source}: {ESTIMATOR}: damaged, or of a later version ({error!s:.200}); restore "
                "the file, or use lava_ep.load_run"
            ) from None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Complete pickles of earlier versions."""
        super().__setstate__(state)
        self.__dict__.setdefault("bias_rate", 0.0)
        self.__dict__.setdefault("execution", None)
        if "parameters_" in state and "preprocessing_" not in state:
            self.preprocessing_ = self._scaling()
            self.metrics_ = []
            self.temperature_ = self._started = None

    def __sklearn_is_fitted__(self) -> bool:
        """Whether the network has learned."""
        return hasattr(self, "parameters_")

    def _validate(
        self, X: ArrayLike, y: ArrayLike, *, reset: bool = True
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        samples, labels = self._checked_data(X, y, reset=reset)
        check_classification_targets(labels)
        return samples, labels

    def _checked_data(self, X: ArrayLike, *y: ArrayLike, reset: bool) -> Any:
        """Check samples as scikit-learn does, with hints where its messages have none."""
        finite: bool | Literal["allow-nan"] = True
        if not reset and self.preprocessing_.fill is not None:
            finite = "allow-nan"
        try:
            return validate_data(self, X, *y, reset=reset, ensure_all_finite=finite)
        except ValueError as error:
            for sign, way_out in WAYS_OUT.items():
                if sign in str(error):
                    raise InputError(f"{error} {way_out}") from None
            raise

    def _begin(self, X: NDArray[Any], classes: NDArray[Any]) -> None:
        """Fix everything that later calls of `partial_fit` rely on."""
        if len(classes) < 2:
            raise InputError(f"y has one class, {classes[0]!r}: expected two classes or more")
        random, seed = check_random_state(self.random_state), self.random_state
        self.seed_ = int(seed if isinstance(seed, int | np.integer) else random.randint(2**31))
        self.classes_ = classes
        self.data_min_, self.data_max_ = self._range(X)
        self.spec_ = self._network_spec()
        self.preprocessing_ = self._scaling()
        self.batch_size_ = min(self._training_spec().batch_size, len(X))
        self.decay_batches_ = len(X) // self.batch_size_
        self.train_accuracy_ = []
        self.metrics_ = []
        self.n_iter_ = 0
        self.temperature_ = None
        self._started = datetime.now(timezone.utc).isoformat(timespec="seconds")

    def _learn(self, X: NDArray[Any], y: NDArray[Any], epochs: int) -> EPClassifier:
        training = self._training_spec()
        choose_execution(self.execution, self.backend, self.spec_)
        labels = LabelEncoder().fit(self.classes_).transform(y)
        pixels = self.preprocessing_.pixels(X, "X")
        size = min(training.batch_size, len(X))
        if self.__sklearn_is_fitted__():
            parameters = _for_batch_size(self.parameters_, size / self.batch_size_)
        else:
            parameters = initial_parameters(self.spec_, seed=self.seed_)
        history, lines = list(self.train_accuracy_), list(self.metrics_)
        from lava_ep.training import NetworkSession  # needs Lava

        with NetworkSession(
            self.spec_,
            batch=size,
            parameters=parameters,
            seed=self.seed_,
            decay=training.decay,
            epoch_batches=self.decay_batches_,
            backend=self.backend,
            execution=self.execution,
        ) as session:
            before = session.counters()
            for epoch in range(self.n_iter_, self.n_iter_ + epochs):
                start = time.perf_counter()
                order = generator(self.seed_, Stream.DATA_ORDER, epoch).permutation(len(X))
                order = order[: len(X) // size * size]
                shown = labels[order]
                scores = np.concatenate(list(session.stream(pixels[order], shown)))
                history.append(float(np.mean(scores.argmax(axis=1) == shown)))
                counters = session.counters()
                seconds = round(time.perf_counter() - start, 3)
                lines.append(
                    {
                        "epoch": epoch + 1,
                        "train_accuracy": history[-1],
                        "test_accuracy": None,
                        "seconds": seconds,
                        "train_seconds": seconds,
                        **(counters - before).metrics(len(order)),
                    }
                )
                before = counters
                if self.verbose:
                    print(f"epoch {epoch + 1}: training accuracy {history[-1]:.4f}", flush=True)
            parameters = session.parameters()
        latest = slice(-(-(-CALIBRATED // size) * size), None)
        lines[-1]["temperature"] = temperature = fit_temperature(scores[latest], shown[latest])
        self.parameters_ = parameters
        self.temperature_ = temperature
        self.batch_size_ = size
        self.train_accuracy_ = history
        self.metrics_ = lines
        self.n_iter_ += epochs
        return self

    def _scores(self, X: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        pixels = self.preprocessing_.pixels(self._checked_data(X, reset=False), "X")
        portions = -(-len(pixels) // PREDICTION_BATCH)
        from lava_ep.training import NetworkSession  # needs Lava

        with NetworkSession(
            self.spec_,
            batch=-(-len(pixels) // portions),
            parameters=self.parameters_,
            learning=False,
            backend=self.backend,
            execution=self.execution,
        ) as session:
            return session.scores(pixels)

    def _range(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of the values that are scaled to pixels, one each per feature."""
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

    def _scaling(self) -> Preprocessing:
        """Return how samples become pixels."""
        features = self.n_features_in_
        pixels = self.spec_.inputs // features
        return Preprocessing(
            classes=tuple(self.classes_.tolist()),
            levels=self.spec_.input_levels,
            features=features,
            image_shape=(features, pixels) if pixels > 1 else (1, features),
            low=self.data_min_,
            high=self.data_max_,
            pixels_per_feature=pixels,
            feature_names=tuple(getattr(self, "feature_names_in_", ())),
        )

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
            name: self._per_layer(parameter, len(sizes)) for name, parameter in PER_LAYER.items()
        }
        layers = [
            {"neurons": size, **{name: values[index] for name, values in columns.items()}}
            for index, size in enumerate(sizes)
        ]
        data = {
            "inputs": self.n_features_in_ * pixels,
            "input_levels": _plain(self.levels),
            "classes": len(self.classes_),
            "layers": layers,
            "neuron": {name: _plain(getattr(self, name)) for name in NEURON},
            "phases": {name: _plain(getattr(self, name)) for name in PHASES},
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


def _no_estimator(path: str | os.PathLike[str], why: str) -> InputError:
    """Return the error that a run cannot be an `EPClassifier`."""
    return InputError(
        f"{os.fspath(path)}: {why}, for which EPClassifier has no parameter; "
        f"lava_ep.load_run({os.fspath(path)!r}) predicts with this network"
    )


def _parameters_of(path: str | os.PathLike[str], trained: TrainedNetwork) -> dict[str, Any]:
    """Return the parameters of an estimator that describe the network of a run.

    Raises
    ------
    InputError
        If the network is not one of binary neurons, binary weights and dense layers.
    """
    network, training = trained.experiment.network, trained.experiment.training
    preprocessing = trained.preprocessing
    if not isinstance(network, NetworkSpec):
        raise _no_estimator(path, f"has network.kind={network.kind!r}")
    if not isinstance(network.neuron, NeuronSpec):
        raise _no_estimator(path, f"has network.neuron.kind={network.neuron.kind!r}")
    sizes = [layer.neurons or 0 for layer in network.layers]
    if not all(sizes) or not all(layer.binary for layer in network.layers):
        raise _no_estimator(path, "has convolutions or weights that are not binary")
    input_range: Any = "feature" if preprocessing.picture_shape is None else "global"
    return {
        "hidden_layer_sizes": tuple(sizes[:-1]),
        "neurons_per_class": sizes[-1] // network.classes,
        **{
            parameter: _shortest([getattr(layer, field) for layer in network.layers])
            for field, parameter in PER_LAYER.items()
        },
        **network.neuron.model_dump(include=set(NEURON)),
        **network.phases.model_dump(include=set(PHASES), mode="json"),
        "decay": training.decay,
        "max_iter": training.epochs,
        "batch_size": training.batch_size,
        "levels": network.input_levels,
        "input_range": input_range if preprocessing.low is not None else (0, preprocessing.levels),
        "pixels_per_feature": preprocessing.pixels_per_feature,
        "random_state": training.seed,
        "backend": trained.backend,
    }


def _shortest(values: list[Any]) -> Any:
    """Return a number for all layers, a pair (hidden layers, output layer), or one per layer."""
    if len(set(values)) == 1:
        return values[0]
    return (values[0], values[-1]) if len(set(values[:-1])) == 1 else tuple(values)


def _difference(found: Any, expected: Any) -> str:
    """Return the first field in which two specs differ, with the value that it has."""
    keys = found if isinstance(found, dict) else range(len(found))
    key = next(key for key in keys if found[key] != expected[key])
    if isinstance(found[key], dict | list) and isinstance(expected[key], dict | list):
        return f"{key}.{_difference(found[key], expected[key])}"
    return f"{key}={found[key]!r}"


def _labels_to_save(classes: NDArray[Any]) -> tuple[Label, ...]:
    """Return labels as they are written to a file: whole numbers as such, whatever their type.

    Raises
    ------
    InputError
        If one is not text, a whole number or a truth value.
    """
    labels: list[Any] = classes.tolist()
    for label in labels:
        whole = isinstance(label, float) and label.is_integer()
        if not isinstance(label, str | int | bool) and not whole:
            raise InputError(
                f"label {label!r}: expected text, whole numbers or truth values; convert y and fit "
                "again"
            )
    return tuple(int(label) if isinstance(label, float) else label for label in labels)


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
