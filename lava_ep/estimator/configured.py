"""The parameters of the classifier, as a network, a training and a scaling of samples."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ValidationError
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from lava_ep.data.own.preprocessing import AUTO_PIXELS, Preprocessing
from lava_ep.errors import InputError
from lava_ep.parameters import NetworkParameters
from lava_ep.spec import NetworkSpec, TrainingSpec

PREDICTION_BATCH = 500
"""Upper limit of the number of samples that are predicted at the same time."""

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


def plain(value: Any) -> Any:
    """Return Python numbers and lists in place of NumPy's, which searches over grids yield."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


class Configured(BaseEstimator):
    """What follows from the parameters of `EPClassifier` and the data."""

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

    def __sklearn_is_fitted__(self) -> bool:
        """Whether the network has learned."""
        return hasattr(self, "parameters_")

    def _range(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of the values that are scaled to pixels, one each per feature."""
        chosen = plain(self.input_range)
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
        per_class = plain(self.neurons_per_class)
        if not isinstance(per_class, int) or per_class < 1:
            raise InputError(f"neurons_per_class={per_class!r}: expected a positive integer")
        pixels = plain(self.pixels_per_feature)
        if pixels == "auto":
            pixels = -(-AUTO_PIXELS // self.n_features_in_)
        elif not isinstance(pixels, int) or pixels < 1:
            raise InputError(
                f"pixels_per_feature={pixels!r}: expected a positive integer or 'auto'"
            )
        hidden = plain(self.hidden_layer_sizes)
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
            "input_levels": plain(self.levels),
            "classes": len(self.classes_),
            "layers": layers,
            "neuron": {name: plain(getattr(self, name)) for name in NEURON},
            "phases": {name: plain(getattr(self, name)) for name in PHASES},
        }
        return self._checked(NetworkSpec, data)

    def _training_spec(self) -> TrainingSpec:
        data = {
            "epochs": plain(self.max_iter),
            "batch_size": plain(self.batch_size),
            "decay": plain(self.decay),
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
        values = plain(getattr(self, name))
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
