"""Files of sound become rows of one rate and one length; what cannot be read is named."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from autosynth.data.encoder.audio import AudioEncoder
from autosynth.data.encoder.registry import encoder_from, input_spec
from autosynth.errors import DataError
from autosynth.spec import InputSpec


def tone(seconds: float, rate: int, hertz: float = 440.0, loud: float = 0.5) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def written(folder: Path, name: str, sound: np.ndarray, rate: int = 8000) -> str:
    soundfile.write(folder / name, sound, rate)
    return str(folder / name)


def files(*paths: object) -> "pd.Series":
    return pd.Series(list(paths), name="clip", dtype=object)


def read(encoder: AudioEncoder, values: "pd.Series") -> tuple:
    found = encoder.read(values)
    return found.values, found.keep, found.warnings


def test_files_of_any_rate_and_channels_become_one_channel_at_the_common_rate(
    tmp_path: Path,
) -> None:
    stereo = np.stack([tone(0.5, 8000), np.zeros(4000, np.float32)], 1)
    values = files(
        written(tmp_path, "a.wav", tone(0.5, 8000)),
        written(tmp_path, "b.flac", tone(0.25, 8000)),
        written(tmp_path, "c.wav", tone(0.5, 16_000), 16_000),
        written(tmp_path, "d.wav", stereo),
    )
    fitted = AudioEncoder.fit(values, np.arange(4), "clip")
    plain = json.loads(json.dumps(fitted.to_dict()))
    assert plain == {
        "name": "clip", "kind": "audio", "column": "clip", "shape": [4000], "rate": 8000,
        "masked": True, "crop": "middle", "width": None,
    }  # fmt: skip
    assert encoder_from(plain) == fitted
    assert input_spec(plain) == InputSpec(
        name="clip", kind="audio", shape=(4000,), masked=True, rate=8000
    )
    x, keep, warnings = read(fitted, values)
    assert (x.shape, x.dtype, list(keep), warnings) == ((4, 4000), np.float32, [0, 1, 2, 3], ())
    np.testing.assert_allclose(x[0], tone(0.5, 8000), atol=1e-4)
    np.testing.assert_allclose(x[1, :2000], tone(0.25, 8000), atol=1e-4)
    assert np.isnan(x[1, 2000:]).all()
    np.testing.assert_allclose(x[2, 100:-100], tone(0.5, 8000)[100:-100], atol=0.01)
    np.testing.assert_allclose(x[3], tone(0.5, 8000) / 2, atol=1e-4)


def test_nearly_all_fit_and_longer_ones_are_cut(tmp_path: Path) -> None:
    short, long = written(tmp_path, "s.wav", tone(0.1, 8000)), tone(2, 8000)
    values = files(*[short] * 300, written(tmp_path, "l.wav", long), short)
    fitted = AudioEncoder.fit(values, np.array([*range(300), 301]), "clip")
    assert (fitted.shape, fitted.masked) == ((800,), False)
    x, keep, warnings = read(fitted, values)
    assert warnings == ("1 of 302 sounds in clip (0.3%) are cut to 0.10 s: their middle is kept",)
    np.testing.assert_allclose(x[300], long[7600:8400], atol=1e-4)
    assert len(keep) == 302
    endless = files(written(tmp_path, "e.wav", np.zeros(40 * 1000, np.float32), 1000))
    assert AudioEncoder.fit(endless, np.arange(1), "clip").shape == (30_000,)


def test_a_shorter_one_that_training_had_none_of_is_followed_by_silence(tmp_path: Path) -> None:
    values = files(written(tmp_path, "a.wav", tone(0.1, 8000)))
    shorter = files(written(tmp_path, "b.wav", tone(0.05, 8000)))
    x, _, _ = read(AudioEncoder.fit(values, np.arange(1), "clip"), shorter)
    assert not x[0, 400:].any()


def test_what_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    good = written(tmp_path, "good.wav", tone(0.1, 8000))
    silent = written(tmp_path, "silent.wav", np.zeros(800, np.float32))
    (tmp_path / "broken.wav").write_bytes(b"RIFF\x00\x00 no sound at all")
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "empty.wav").touch()
    none = written(tmp_path, "none.wav", np.zeros(0, np.float32))
    bad = [str(tmp_path / name) for name in ("broken.wav", "empty.wav", "missing.wav")]
    values = files(good, *bad, none, None, str(tmp_path / "text.wav"), silent, good)
    fitted = AudioEncoder.fit(values, np.arange(9), "clip")
    x, keep, (left_out, quiet) = read(fitted, values)
    assert list(keep) == [0, 7, 8]
    assert x.shape == (3, 800)
    assert not x[1].any()
    assert left_out.startswith(
        "6 of 9 rows left out, whose clip cannot be read: broken.wav (Format not recognised), "
        "empty.wav (an empty file), missing.wav (no such file), none.wav (no samples), row 5 (no "
        "file named), ..."
    )
    assert quiet == "1 sounds in clip are silent, and kept: silent.wav"
    with pytest.raises(DataError, match=r"no sound of 2 training rows in 'clip' can be read: .*"):
        AudioEncoder.fit(values, np.array([1, 2]), "clip")


def test_a_truncated_file_gives_the_samples_it_has(tmp_path: Path) -> None:
    whole = Path(written(tmp_path, "whole.wav", tone(0.1, 8000)))
    half = tmp_path / "half.wav"
    half.write_bytes(whole.read_bytes()[:844])
    values = files(str(whole), str(half))
    x, keep, warnings = read(AudioEncoder.fit(values, np.arange(1), "clip"), values)
    assert (list(keep), warnings) == ([0, 1], ())
    np.testing.assert_allclose(x[1, :400], x[0, :400])


def test_arrays_are_sounds_of_the_rate_that_is_told() -> None:
    whole = (tone(0.1, 4000) * 2**15).astype(np.int16)
    wide = np.full(400, np.nan, np.float32)
    wide[:200] = tone(0.05, 4000)
    lost = np.array([0.1, np.inf, 0.1] * 50, np.float32)
    values = files(whole, wide, np.zeros(0, np.float32), lost)
    fitted = AudioEncoder.fit(values, np.arange(2), "clip", rate=4000)
    assert (fitted.rate, fitted.shape) == (4000, (400,))
    x, keep, (warning,) = read(fitted, values)
    np.testing.assert_allclose(x[0], tone(0.1, 4000), atol=1e-4)
    assert list(keep) == [0, 1]
    assert np.isfinite(x[1]).sum() == 200
    assert "row 2 (no samples), row 3 (samples that are no finite number)" in warning


@pytest.mark.parametrize("n_long", [1, 6])
def test_few_long_recordings_do_not_decide(tmp_path: Path, n_long: int) -> None:
    short = written(tmp_path, "short.wav", tone(0.5, 8000))
    long = written(tmp_path, "long.wav", tone(20, 8000))
    flac = written(tmp_path, "long.flac", tone(20, 16_000), 16_000)
    values = files(*[short] * 60, *[long, flac] * (n_long // 2), long)
    fitted = AudioEncoder.fit(values, np.arange(len(values)), "clip")
    assert fitted.shape == (4000,)
    x, keep, warnings = read(fitted, values)
    assert "are cut to 0.50 s: their middle is kept" in warnings[0]
    np.testing.assert_allclose(x[-1], tone(20, 8000)[78_000:82_000], atol=1e-4)
    if n_long > 1:
        np.testing.assert_allclose(x[61, 50:-50], tone(20, 8000)[78_050:81_950], atol=0.01)
    old = encoder_from({k: v for k, v in fitted.to_dict().items() if k != "crop"})
    first, _, told = read(old, values)
    np.testing.assert_allclose(first[-1], tone(20, 8000)[:4000], atol=1e-4)
    assert "are cut to 0.50 s: their beginning is kept" in told[0]


def broken(tmp_path: Path, at: int, field: bytes, name: str = "odd.wav") -> str:
    """A whole file, of whose header some bytes are others."""
    content = bytearray(Path(written(tmp_path, name, tone(0.1, 8000))).read_bytes())
    content[at : at + len(field)] = field
    (tmp_path / name).write_bytes(content)
    return str(tmp_path / name)


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        (0xFFFFFFFF, "odd.wav ("),
        (0x7FFFFFFF, "2,147,483,647 samples a second; 1 to 500,000 are read"),
        (499_979, ""),  # a prime: the nearest ratio of small numbers will do
        (7_993, ""),
        (3, "3 samples a second, where others have 8,000"),
    ],
)
def test_a_rate_that_no_recording_has(tmp_path: Path, rate: int, told: str) -> None:
    good = written(tmp_path, "good.wav", tone(0.1, 8000))
    values = files(*[good] * 20, broken(tmp_path, 24, rate.to_bytes(4, "little")))
    x, keep, warnings = read(AudioEncoder.fit(values, np.arange(21), "clip"), values)
    assert x.shape[1] in (800, 801)
    assert (len(keep) == 21) == (not told)
    assert told in "".join(warnings)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 10**9, 3])
def test_a_size_that_the_file_has_not(tmp_path: Path, size: int) -> None:
    good = written(tmp_path, "good.wav", tone(0.1, 8000))
    odd = broken(tmp_path, 40, size.to_bytes(4, "little"))
    values = files(*[good] * 5, odd)
    x, keep, _ = read(AudioEncoder.fit(values, np.arange(6), "clip"), values)
    assert x.shape == (len(keep), 800)
    alone = files(odd)
    if size > 3:
        x, _, _ = read(AudioEncoder.fit(alone, np.arange(1), "clip"), alone)
        assert x.shape[1] <= 240_000
