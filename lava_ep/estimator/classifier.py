"""`EPClassifier`: a network of binary neurons and synapses as a scikit-learn estimator."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted

from lava_ep.dynamics import Stream, generator
from lava_ep.errors import InputError
from lava_ep.estimator.configured import PREDICTION_BATCH, Configured
from lava_ep.estimator.saving import load, save
from lava_ep.models import choose_execution
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.training import (
    fit_temperature,
    probabilities,
)
from lava_ep.training.calibration import CALIBRATED


class EPClassifier(ClassifierMixin, Configured):
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
        save(self, path)

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
        return load(cls, path)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Complete pickles of earlier versions."""
        super().__setstate__(state)
        self.__dict__.setdefault("bias_rate", 0.0)
        self.__dict__.setdefault("execution", None)
        if "parameters_" in state and "preprocessing_" not in state:
            self.preprocessing_ = self._scaling()
            self.metrics_ = []
            self.temperature_ = self._started = None

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
