"""Sounds from the bytes of WAV, FLAC and OGG files, through `soundfile`; a file that is broken is refused.

The decoder is content with less than a whole file. So lengths are compared with what the header says, FLAC with the
checksum of its samples, OGG with that of each page; WAV has none.
"""

import hashlib
import io
import struct
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

RATES = (8_000, 48_000)
"""Samples per second that are taken, from and to."""
LONGEST = 600.0
"""Seconds of a sound beyond which it is no spoken word."""
CRC_POLYNOMIAL = 0x04C11DB7


class SoundError(ValueError):
    """A file holds no sound that can be used; the message says why, not which file it is."""


class Sound(NamedTuple):
    """A sound of one channel.

    Args:
        pressure: Samples, 1 is full scale.
        rate: Samples per second.
    """

    pressure: Float[np.ndarray, " samples"]
    rate: int


def read_sound(content: bytes) -> Sound:
    """The sound in the bytes of a file; several channels are averaged.

    Args:
        content: All bytes of a WAV, FLAC or OGG file.

    Raises:
        SoundError: it is no such file, it is truncated or changed, has no or too many samples, another rate, values
            that are no numbers, or only silence.

    Example:
        >>> import io, numpy as np, soundfile
        >>> from ranvier.datasets import read_sound
        >>> file = io.BytesIO()
        >>> soundfile.write(file, np.sin(np.arange(8000) / 4.0), 8000, format="WAV")
        >>> read_sound(file.getvalue()).pressure.shape
        (8000,)
    """
    import soundfile  # loads a library; only those who read sounds need it

    kind = content[:4]
    if kind not in (b"RIFF", b"fLaC", b"OggS"):
        what = "an empty file" if not content else f"a file that begins with {content[:8]!r}"
        msg = f"is no WAV, FLAC or OGG file, but {what}"
        raise SoundError(msg)
    trouble = {b"RIFF": _wav_trouble, b"OggS": _ogg_trouble, b"fLaC": _flac_trouble}[kind](content)
    if trouble:
        raise SoundError(trouble)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            _refuse_header(file.samplerate, file.frames, file.channels)
            deep = _FLAC_BYTES.get(file.subtype, 0) if kind == b"fLaC" else 0
            samples = file.read(dtype="int32" if deep else "float64", always_2d=True)
            told, rate = file.frames, file.samplerate
    except SoundError:
        raise
    except Exception as error:
        msg = f"cannot be decoded, it is broken ({' '.join(str(error).split())})"
        raise SoundError(msg) from error
    if len(samples) != told:
        msg = f"is truncated: {len(samples)} of {told} samples are there"
        raise SoundError(msg)
    if deep:
        _refuse_sum(content, samples, deep)
        samples = samples / 2.0**31
    return Sound(_mono(samples), int(rate))


def _refuse_header(rate: int, frames: int, channels: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        msg = f"has {rate} samples per second; expected {RATES[0]} to {RATES[1]}"
        raise SoundError(msg)
    if not 0 < frames <= LONGEST * rate or channels > 8:
        msg = f"has {frames} samples of {channels} channels; expected at least one, at most {LONGEST:g} s of 8 channels"
        raise SoundError(msg)


def _mono(samples: Float[np.ndarray, "samples channels"]) -> Float[np.ndarray, " samples"]:
    """The mean of all channels, which must be a sound."""
    if not np.isfinite(samples).all() or np.abs(samples).max() > 1e3:
        msg = "holds samples that are not finite, or far beyond full scale"
        raise SoundError(msg)
    mean = samples.mean(axis=1)
    loudness = float(np.sqrt(np.mean((mean - mean.mean()) ** 2)))
    if loudness < 1e-5:
        msg = f"is silent: its root mean square is {loudness:.1g} of full scale"
        raise SoundError(msg)
    return mean.astype(np.float32)


_WAV_PLAIN = (1, 3, 0xFFFE)
"""Formats of WAV whose samples all have as many bytes: integers, floats, either of them by a longer header."""


def _wav_trouble(content: bytes) -> str:
    """What is wrong with the chunks of a WAV file; empty where nothing is."""
    at, told = 12, 8 + int.from_bytes(content[4:8], "little")
    if content[8:12] != b"WAVE":
        return "is a RIFF file, but no WAV"
    if told > len(content):
        return f"is truncated: {len(content)} of {told} bytes are there"
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if content[at : at + 4] == b"fmt " and size >= 16:
            form, _, rate, bytes_a_second, frame, _ = struct.unpack_from("<HHIIHH", content, at + 8)
            if form in _WAV_PLAIN and bytes_a_second != rate * frame:
                return f"is broken: its header says {rate} samples and {bytes_a_second} bytes per second"
        if content[at : at + 4] == b"data":
            there = len(content) - at - 8
            if size > there:
                return f"is truncated: {there} of {size} bytes of sound are there"
            return _wav_end(content[:told], at + 8 + size + size % 2)
        at += 8 + size + size % 2
    return "is a WAV file without sound, or its header is broken"


def _wav_end(content: bytes, at: int) -> str:
    """What is wrong behind the sound of a WAV file, where nothing but other chunks may follow."""
    while at + 8 <= len(content):
        name, end = content[at : at + 4], at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        if not name.isascii() or not name.decode().isprintable() or end > len(content):
            return "is broken: what follows its sound is no part of a WAV file, so that its length is in doubt"
        at = end + end % 2
    return ""


_FLAC_BYTES = {"PCM_S8": 1, "PCM_16": 2, "PCM_24": 3}
"""Bytes of a sample."""
_FLAC_RATES = {4: 8_000, 5: 16_000, 6: 22_050, 7: 24_000, 8: 32_000, 9: 44_100, 10: 48_000}
"""By the code in the header of a frame; others stand elsewhere."""


def _flac_trouble(content: bytes) -> str:
    """What is wrong with the header of a FLAC file, which has no checksum; empty where nothing is.

    The header of each frame, which has one, says the rate again.
    """
    at, last = 4, False
    while not last:
        head = content[at : at + 4]
        if len(head) < 4:
            return "is truncated: its header is not whole"
        last, at = bool(head[0] & 0x80), at + 4 + int.from_bytes(head[1:], "big")
    frame, rate = content[at : at + 4], int.from_bytes(content[18:21], "big") >> 4
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xFC != 0xF8:
        return "is broken or truncated: no sound follows its header"
    known = _FLAC_RATES.get(frame[2] & 0x0F, rate)
    return "" if known == rate else f"is broken: its header says {rate} samples per second, its sound {known}"


def _refuse_sum(content: bytes, samples: Int[np.ndarray, "samples channels"], deep: int) -> None:
    """FLAC keeps the MD5 of its samples in the header; 0 where it was not computed."""
    known = content[26:42]
    packed = samples.astype("<i4").reshape(-1).view(np.uint8).reshape(-1, 4)[:, 4 - deep :].tobytes()
    if known != bytes(16) and hashlib.md5(packed, usedforsecurity=False).digest() != known:
        msg = "is broken: its samples are not those that were packed (checksum)"
        raise SoundError(msg)


def _ogg_trouble(content: bytes) -> str:
    """What is wrong with the pages of an OGG file; empty where nothing is."""
    at, last = 0, 0
    while at < len(content):
        head = content[at : at + 27]
        if head[:4] != b"OggS" or len(head) < 27:
            return f"is broken: no page begins at byte {at}"
        sizes = content[at + 27 : at + 27 + head[26]]
        end = at + 27 + head[26] + sum(sizes)
        page = content[at : at + 22] + bytes(4) + content[at + 26 : end]
        if end > len(content) or _crc(page) != int.from_bytes(head[22:26], "little"):
            return f"is truncated or broken: the page at byte {at} is not whole"
        at, last = end, head[5]
    return "" if last & 4 else "is truncated: its last page is missing"


def _crc(page: bytes) -> int:
    """The checksum of an OGG page."""
    value = 0
    for byte in page:
        value = ((value << 8) & 0xFFFFFFFF) ^ _TABLE[(value >> 24) ^ byte]
    return value


def _crc_of(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = ((value << 1) ^ (CRC_POLYNOMIAL if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


_TABLE = tuple(map(_crc_of, range(256)))
