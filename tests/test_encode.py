"""From recordings to files of spikes: labels, speakers, splits, broken files, and the same for any number of processes."""

import csv
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ranvier.datasets import SoundError, find_recordings, read_sound, read_spike_file, which_split
from ranvier.encoders import Cochlea
from ranvier.lab.cli import execute
from ranvier.lab.encoding import BrokenRecordings, encode

SMALL = Cochlea(channels=8, high=3000.0)
KINDS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG"}
FUZZED = 60


def sound(hertz: float, kind: str = "wav", rate: int = 8_000, channels: int = 1, seconds: float = 0.2) -> bytes:
    wave = 0.5 * np.sin(2.0 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    file = io.BytesIO()
    soundfile.write(file, np.repeat(wave[:, None], channels, axis=1), rate, format=KINDS[kind])
    return file.getvalue()


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Two words in folders, three files each, as Google Speech Commands name them."""
    for word, hertz in (("no", 300.0), ("yes", 1200.0)):
        (tmp_path / word).mkdir()
        for number, kind in enumerate(KINDS):
            (tmp_path / word / f"ab{number}_nohash_0.{kind}").write_bytes(sound(hertz, kind))
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (48_000, 2)])
def test_sounds_of_any_kind_are_read(kind: str, rate: int, channels: int):
    found = read_sound(sound(440.0, kind, rate, channels))
    assert found.rate == rate
    assert found.pressure.shape == (rate // 5,)
    wanted = 0.5 * np.sin(2.0 * np.pi * 440.0 * np.arange(rate // 5) / rate)
    assert np.abs(found.pressure - wanted).mean() < 0.02


def test_folders_tell_labels_speakers_and_splits(words: Path):
    found = encode(words, words / "out.h5", SMALL)
    file = read_spike_file(words / "out.h5")
    assert found.classes == file.classes == ("no", "yes")
    assert file.speakers == ("ab0", "ab1", "ab2")
    assert file.label.tolist() == [0, 0, 0, 1, 1, 1]
    assert file.speaker.tolist() == [0, 1, 2] * 2
    assert [("train", "validation", "test")[n] for n in file.split[:3]] == [which_split(f"ab{n}") for n in range(3)]
    assert file.channels == 8
    assert (file.count > 0).all()
    means = [file.read(np.flatnonzero(file.label == label)).unit.mean() for label in (0, 1)]
    assert means[0] < means[1]  # the higher tone fires higher channels


def test_official_lists_decide_the_split(words: Path):
    (words / "validation_list.txt").write_text("no/ab0_nohash_0.wav\n")
    (words / "testing_list.txt").write_text("yes/ab2_nohash_0.wav\n")
    found = {one.file: one.split for one in find_recordings(words).items}
    assert found["no/ab0_nohash_0.wav"] == "validation"
    assert found["yes/ab2_nohash_0.ogg"] == "test"
    assert list(found.values()).count("train") == 4


def test_the_published_rule_of_splits(data_dir: Path):
    """All 8,160 recordings, whose list was checked against the official ones."""
    names = {"training": "train", "validation": "validation", "testing": "test"}
    with (data_dir / "gsc17" / "gsc17.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [which_split(Path(row["file"]).stem) for row in rows] == [names[row["split"]] for row in rows]


def test_archives_hold_the_same(words: Path):
    with zipfile.ZipFile(words / "all.zip", "w") as zipped, tarfile.open(words / "all.tar.gz", "w:gz") as packed:
        for path in sorted(words.glob("*/*.*")):
            zipped.write(path, path.relative_to(words))
            packed.add(path, f"./{path.relative_to(words)}")
    for name in ("all.zip", "all.tar.gz"):
        there = {one.file: content for one, content in find_recordings(words / name).contents()}
        assert there == {path.relative_to(words).as_posix(): path.read_bytes() for path in words.glob("*/*.*")}


def test_a_recording_that_is_there_twice_is_refused(words: Path):
    with zipfile.ZipFile(words / "all.zip", "w") as zipped:
        for path in sorted(words.glob("*/*.*")):
            zipped.write(path, path.relative_to(words))
    with pytest.raises(ValueError, match=r"is in .*all\.zip and in .*; keep one"):
        find_recordings(words)


def test_one_folder_tells_by_names(tmp_path: Path):
    for name in ("7_jackson_0", "10_theo_1"):
        (tmp_path / f"{name}.wav").write_bytes(sound(300.0))
    assert [one[1:3] for one in find_recordings(tmp_path).items] == [("10", "theo"), ("7", "jackson")]
    assert encode(tmp_path, tmp_path / "out.h5", SMALL).classes == ("7", "10")


def test_a_list_is_believed(words: Path):
    rows = [["file", "label", "speaker", "split"], ["no/ab0_nohash_0.wav", "maybe", "eva", "testing"]]
    with (words / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert find_recordings(words / "list.csv").items == (("no/ab0_nohash_0.wav", "maybe", "eva", "test"),)
    with pytest.raises(
        ValueError, match=r"lacks word; it has \['file', 'label', 'speaker', 'split'\]. Another.*--label-column"
    ):
        find_recordings(words / "list.csv", label="word")
    (words / "no" / "ab0_nohash_0.wav").unlink()
    with pytest.raises(FileNotFoundError, match="1 of 1 files are neither.*ab0"):
        find_recordings(words / "list.csv")


@pytest.mark.parametrize(
    ("row", "message"), [("a.wav,,eva,test", "line 2: expected a label"), ("a.wav,x,eva,later", "split")]
)
def test_a_wrong_line_of_a_list_is_named(tmp_path: Path, row: str, message: str):
    (tmp_path / "list.csv").write_text(f"file,label,speaker,split\n{row}\n")
    with pytest.raises(ValueError, match=message):
        find_recordings(tmp_path / "list.csv")


def test_all_broken_files_are_named_and_nothing_is_written(words: Path):
    (words / "no" / "ab0_nohash_0.wav").write_bytes(b"")
    whole = (words / "yes" / "ab1_nohash_0.flac").read_bytes()
    (words / "yes" / "ab1_nohash_0.flac").write_bytes(whole[: len(whole) // 2])
    silence = io.BytesIO()
    soundfile.write(silence, np.zeros(800), 8_000, format="WAV")
    (words / "yes" / "ab0_nohash_0.wav").write_bytes(silence.getvalue())
    with pytest.raises(BrokenRecordings, match=r"3 of 6.*no/ab0.*empty.*yes/ab0.*silent.*yes/ab1.*(broken|truncated)"):
        encode(words, words / "out.h5", SMALL)
    assert list(words.glob("out*")) == []
    found = encode(words, words / "out.h5", SMALL, skip_broken=True)
    assert found.samples == read_spike_file(words / "out.h5").size == 3
    assert len(found.left_out) == 3


@pytest.mark.parametrize("kind", ["flac", "ogg", "wav"])
def test_changed_files_are_refused(kind: str):
    """Cut, overwritten and zeroed files: refused with a reason, or, where WAV has no checksum, at least no silence."""
    rng, whole = np.random.default_rng(len(kind)), sound(440.0, kind)
    for _ in range(FUZZED):
        content, at = bytearray(whole), int(rng.integers(0, len(whole)))
        how = int(rng.integers(3))
        if how == 0:
            content = content[:at]
        elif how == 1:
            content[at] ^= int(rng.integers(1, 256))
        else:
            content[at : at + 200] = bytes(len(content[at : at + 200]))
        if bytes(content) == whole:
            continue
        try:
            found = read_sound(bytes(content))
        except SoundError:
            continue
        assert how > 0, "a file that was cut must be refused"
        assert found.pressure.std() > 1e-5
        if kind != "wav":  # what is not covered by a checksum: fields of the header that change no sample
            assert np.allclose(found.pressure, read_sound(whole).pressure, atol=1e-4)


def test_the_command_uses_several_processes(words: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["encode", str(words), "--channels", "8", "--high", "3000", "--quiet"]
    assert execute([*arguments, str(words / "one.h5"), "--workers", "1", "--picture", str(words / "a.png")]) == 0
    assert "6 samples of 2 classes, 3 speakers" in capsys.readouterr().out
    assert execute([*arguments, str(words / "two.h5"), "--workers", "2"]) == 0
    one, two = (read_spike_file(words / name) for name in ("one.h5", "two.h5"))
    assert one.checksum == two.checksum
    assert one.label.tolist() == two.label.tolist()
    assert (words / "a.png").stat().st_size > 10_000
    assert execute([*arguments, str(words / "x.h5"), "--high", "5000", "--workers", "1"]) == 1
    assert "nothing above 4000 Hz" in capsys.readouterr().err
    assert execute(["encode", str(words / "none"), "x.h5"]) == 1
