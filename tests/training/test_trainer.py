import dataclasses
import functools
import hashlib

import numpy as np
import pytest

from lava_ep.analysis.recording import record_sample
from lava_ep.data import crop_and_flip
from lava_ep.dynamics import Stream, generator
from lava_ep.errors import DivergedError, InputError
from lava_ep.parameters import initial_parameters
from lava_ep.spec import load_preset, override
from lava_ep.training import (
    RunFolder,
    Trainer,
    check_fit,
    describe_run,
    evaluate,
    open_run,
    read_checkpoint,
)

# Starts fewer processes than the default; that backends learn the same is tested elsewhere.
fused = functools.partial(Trainer, backend="fused")


def new_folder(path, spec, dataset, **more):
    about = describe_run(spec, dataset, backend="fused", command="test")
    return RunFolder.create(path, spec, about | more)


def digest(folder, epoch):
    return hashlib.sha256(folder.checkpoints()[epoch].read_bytes()).hexdigest()


def without_times(metrics):
    return [{k: v for k, v in entry.items() if not k.endswith("seconds")} for entry in metrics]


def test_same_seed_same_bytes_and_another_seed_others(tmp_path, spec, dataset):
    digests, metrics = [], []
    for name, variant in {
        "a": spec,
        "b": spec,
        "c": override(spec, ["training.seed=1"]),
    }.items():
        folder = new_folder(tmp_path / name, variant, dataset)
        metrics.append(without_times(fused(variant, dataset, folder=folder).fit()))
        digests.append(digest(folder, 3))
    assert digests[0] == digests[1] != digests[2]
    assert metrics[0] == metrics[1] != metrics[2]


def test_a_stopped_and_resumed_run_ends_with_the_same_bytes(tmp_path, spec, dataset):
    # Where every Process is an OS process, more is lost when a run is stopped.
    whole = new_folder(tmp_path / "whole", spec, dataset)
    metrics = Trainer(spec, dataset, folder=whole).fit()

    class Stop(Exception):
        pass

    def stop_in_second_epoch(progress):
        if (progress.epoch, progress.batch) == (2, 3):
            raise Stop

    folder = new_folder(tmp_path / "parts", spec, dataset)
    with pytest.raises(Stop):
        Trainer(spec, dataset, folder=folder, on_progress=stop_in_second_epoch).fit()
    assert list(folder.checkpoints()) == [1]
    # What a kill between the two writes of an epoch would leave behind:
    folder.append_metrics({**folder.metrics()[0], "epoch": 2, "test_accuracy": 2.0})
    again = Trainer(spec, dataset, folder=folder)
    assert again.resume() == 1
    assert without_times(again.fit()) == without_times(metrics)
    assert digest(folder, 3) == digest(whole, 3)
    assert without_times(folder.metrics()) == without_times(metrics)


def test_resume_after_the_last_epoch_changes_nothing(tmp_path, spec, dataset):
    folder = new_folder(tmp_path / "run", spec, dataset)
    first = fused(spec, dataset, folder=folder).fit()
    before = digest(folder, 3)
    again = fused(spec, dataset, folder=folder)
    assert again.resume() == 3
    assert again.fit() == first
    assert digest(folder, 3) == before


def test_more_epochs_can_be_added(tmp_path, spec, dataset):
    folder = new_folder(tmp_path / "run", spec, dataset)
    fused(spec, dataset, folder=folder).fit()
    folder, longer, data = open_run(folder.path, epochs=4)
    trainer = fused(longer, data, folder=folder)
    trainer.resume()
    assert [entry["epoch"] for entry in trainer.fit()] == [1, 2, 3, 4]
    assert folder.spec().training.epochs == 4


def test_an_impossible_number_of_epochs_leaves_the_run_as_it_was(tmp_path, spec, dataset):
    folder = new_folder(tmp_path / "run", spec, dataset)
    with pytest.raises(InputError, match=r"training\.epochs=0: Input should be greater"):
        open_run(folder.path, epochs=0)
    assert folder.spec() == spec


def test_other_samples_than_before_are_refused(tmp_path, spec, dataset):
    about = describe_run(spec, dataset, backend="fused", command="test")
    folder = RunFolder.create(tmp_path / "run", spec, {**about, "data_sha256": "0" * 64})
    with pytest.raises(InputError, match="other samples than digits"):
        open_run(folder.path)


def test_a_run_without_metrics_goes_on_after_its_checkpoint(tmp_path, spec, dataset):
    whole = new_folder(tmp_path / "whole", spec, dataset)
    fused(spec, dataset, folder=whole).fit()
    # As import makes it: a checkpoint of so many epochs, and nothing of what came before.
    folder = new_folder(tmp_path / "imported", spec, dataset, epochs_before=2)
    folder.write_checkpoint(2, read_checkpoint(whole.checkpoints()[2], spec.network))
    trainer = fused(spec, dataset, folder=folder)
    assert trainer.resume() == 2
    assert [entry["epoch"] for entry in trainer.fit()] == [3]
    assert list(folder.checkpoints()) == [2, 3]
    assert digest(folder, 3) == digest(whole, 3)


def test_a_run_without_metrics_and_without_epochs_left_is_refused(tmp_path, spec, dataset):
    folder = new_folder(tmp_path / "imported", spec, dataset, epochs_before=3)
    folder.write_checkpoint(3, initial_parameters(spec.network, seed=0))
    with pytest.raises(InputError, match=r"for 3 epochs elsewhere; give more of them by --epochs"):
        open_run(folder.path)
    assert open_run(folder.path, epochs=4)[1].training.epochs == 4
    with pytest.raises(InputError, match="elsewhere"):
        open_run(folder.path, epochs=3)
    assert folder.spec().training.epochs == 4


def test_diverged_training_is_an_error_that_keeps_the_last_checkpoint(tmp_path, spec, dataset):
    graded = override(
        load_preset("cvf-digits"),
        ["data.limit_train=150", "data.limit_test=70", "training.epochs=1"],
    )
    folder = new_folder(tmp_path / "run", graded, dataset)
    fused(graded, dataset, folder=folder).fit()
    before = digest(folder, 1)
    wild = override(
        graded,
        ["training.epochs=3", *(f"network.layers.{layer}.rate=3e38" for layer in (0, 1))],
    )
    trainer = fused(wild, dataset, folder=folder)
    trainer.resume()
    with pytest.raises(DivergedError, match=r"epoch 2: .* not finite.*keeps .* up to epoch 1"):
        trainer.fit()
    assert "lower the learning rates" in folder.diverged()
    assert "keeps" not in folder.diverged()
    assert (list(folder.checkpoints()), digest(folder, 1)) == ([1], before)
    assert [entry["epoch"] for entry in folder.metrics()] == [1]
    fused(graded, dataset, folder=folder).fit()
    assert folder.diverged() is None


def test_random_spikes_of_test_images_are_the_same_however_they_are_tested(spec, dataset):
    rate = override(
        spec,
        [
            "network.encoding.code=rate",
            "training.epochs=2",
            "training.seed=3",
            "network.phases.free_steps=3",
        ],
    )
    trainer = fused(rate, dataset)
    entry = trainer.fit()[-1]
    for batch in (32, 70):
        tested = override(rate, [f"training.test_batch_size={batch}"])
        found = evaluate(tested, trainer.parameters, dataset, backend="fused")
        assert found.accuracy == entry["test_accuracy"]
    shown = 5
    recording = record_sample(
        rate.network,
        trainer.parameters,
        dataset.x_test[shown],
        int(dataset.y_test[shown]),
        seed=3,
        backend="fused",
    )
    assert recording.scores.argmax() == found.predictions[shown]


def test_training_stops_when_patience_is_over(spec, dataset):
    # With a frozen network no epoch is better than the first.
    still = override(
        spec,
        [
            "training.patience=2",
            "training.epochs=9",
            "network.layers.0.frozen=true",
            "network.layers.0.bias_rate=0",
            "network.layers.1.frozen=true",
        ],
    )
    assert len(fused(still, dataset).fit()) == 3


def test_a_frozen_input_layer_stays_and_the_output_learns(spec, dataset):
    frozen = spec.with_frozen_input_layer()
    trainer = fused(frozen, dataset)
    metrics = trainer.fit()
    start = initial_parameters(spec.network, seed=0)
    np.testing.assert_array_equal(trainer.parameters.layers[0].weights, start.layers[0].weights)
    assert np.any(trainer.parameters.layers[1].weights != start.layers[1].weights)
    assert all(entry["weight_flips"][0] == 0 for entry in metrics)


def test_progress_reports_every_batch(spec, dataset):
    seen = []
    fused(
        override(spec, ["training.epochs=1"]),
        dataset,
        on_progress=lambda p: seen.append((p.epoch, p.batch, p.samples)),
    ).fit()
    assert seen == [(1, 1, 32), (1, 2, 64), (1, 3, 96), (1, 4, 128)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("network.inputs=63", "digits has 64 pixels; set network.inputs=64"),
        ("network.input_levels=255", "set network.input_levels=16"),
        ("network.classes=2", "digits has 10"),
        ("training.batch_size=151", "only 150 training samples"),
        (
            "network.image_shape=[4,16]",
            r"image_shape=\[4, 16\]: images of digits are 8 x 8 x 1; .*=\[8,8,1\]",
        ),
        ("network.image_shape=[8,4,2]", "images of digits are 8 x 8 x 1"),
        (
            'network.normalization={"mean":[0.5,0.5],"std":[1,1]}',
            r"normalization=\[0.5, 0.5\]: expected as many numbers as images .* channels, 1",
        ),
    ],
)
def test_a_spec_that_does_not_fit_the_data_is_refused(spec, dataset, change, message):
    with pytest.raises(InputError, match=message):
        fused(override(spec, [change]), dataset)


@pytest.mark.parametrize("shape", [[8, 8], [8, 8, 1]])
def test_gray_images_may_be_given_with_their_one_channel(spec, dataset, shape):
    check_fit(override(spec, [f"network.image_shape={shape}"]), dataset)
    gray = dataclasses.replace(dataset, image_shape=(8, 8, 1))
    check_fit(override(spec, [f"network.image_shape={shape}"]), gray)


def test_without_augmentation_an_epoch_shows_the_images_as_they_are(spec, dataset):
    images, labels = fused(spec, dataset).samples(0)
    assert len(images) == 128
    rows = {
        row.tobytes(): label for row, label in zip(dataset.x_train, dataset.y_train, strict=True)
    }
    assert [rows[row.tobytes()] for row in images] == labels.tolist()


def test_augmentation_crops_and_flips_the_images_of_every_epoch_anew(spec, dataset, monkeypatch):
    monkeypatch.setattr("lava_ep.training.trainer.AUGMENTED_SAMPLES", 50)
    spec = override(spec, ["training.augmentation=crop-and-flip"])
    before = dataset.x_train.copy()
    shown = [fused(spec, dataset).samples(epoch) for epoch in (0, 1, 1)]
    np.testing.assert_array_equal(dataset.x_train, before)
    np.testing.assert_array_equal(shown[1][0], shown[2][0])
    plain = override(spec, ["training.augmentation=none"])
    for epoch, (images, labels) in enumerate(shown[:2]):
        originals, expected = fused(plain, dataset).samples(epoch)
        np.testing.assert_array_equal(labels, expected)
        rng = generator(0, Stream.AUGMENTATION, epoch)
        chunks = [crop_and_flip(originals[k : k + 50], (8, 8), rng) for k in (0, 50, 100)]
        np.testing.assert_array_equal(images, np.concatenate(chunks))
        assert np.any(images != originals, axis=1).mean() > 0.9


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("training.augmentation=crop-and-flip", "training.augmentation=none"),
        ("network.encoding.code=rate", "network.encoding.code=constant"),
    ],
)
def test_a_resumed_run_goes_on_with_the_same_random_inputs(tmp_path, spec, dataset, change, back):
    spec = override(spec, [change])
    whole = new_folder(tmp_path / "whole", spec, dataset)
    metrics = fused(spec, dataset, folder=whole).fit()
    short = override(spec, ["training.epochs=1"])
    folder = new_folder(tmp_path / "parts", spec, dataset)
    fused(short, dataset, folder=folder).fit()
    again = fused(spec, dataset, folder=folder)
    assert again.resume() == 1
    assert without_times(again.fit()) == without_times(metrics)
    assert digest(folder, 3) == digest(whole, 3)
    plain = override(spec, [back, "training.epochs=1"])
    assert without_times(fused(plain, dataset).fit()) != without_times(metrics[:1])


def test_digits_are_learned_and_the_hidden_layer_matters():
    from lava_ep.data import load_dataset
    from lava_ep.spec import load_preset

    preset = override(load_preset("binary-digits"), ["training.epochs=2"])
    digits = load_dataset("digits")
    learned = fused(preset, digits).fit()[-1]["test_accuracy"]
    frozen = fused(preset.with_frozen_input_layer(), digits).fit()[-1]["test_accuracy"]
    assert learned >= 0.91
    assert learned >= frozen + 0.02
