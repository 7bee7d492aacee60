"""A file that takes all that it is given, also on a full disk, and says so when it is asked.

HDF5 does not survive a write that fails: it ends the process when it lets go of the file. So it writes into one of
these, which keeps the error, and whoever writes a file asks for it now and then.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any


class PatientFile(io.RawIOBase):
    """A new file, for `h5py.File(patient, "w")`.

    Args:
        path: Where it is; what is there already goes.

    Raises:
        OSError: there can be no such file.

    Example:
        >>> import tempfile, h5py
        >>> from ranvier.datasets.patient_file import PatientFile
        >>> path = tempfile.mkdtemp() + "/a.h5"
        >>> with PatientFile(path) as patient:
        ...     with h5py.File(patient, "w") as file:
        ...         file["a"] = [1, 2]
        ...     patient.check()
        >>> h5py.File(path)["a"][:].tolist()
        [1, 2]
    """

    def __init__(self, path: Path | str):
        self._inner = Path(path).open("w+b", buffering=0)  # noqa: SIM115
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise what was wrong with the first write that failed, if one did."""
        if self._error is not None:
            raise self._error

    def _tried(self, do: Callable[[], Any]) -> None:
        try:
            do()
        except OSError as error:
            self._error = self._error or error

    def write(self, data: Any, /) -> int:
        """See `io.RawIOBase`; nothing is raised."""
        rest = memoryview(data).cast("B")
        size = len(rest)

        def whole() -> None:
            left = rest
            while left:
                left = left[self._inner.write(left) :]

        self._tried(whole)
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """See `io.RawIOBase`; nothing is raised."""
        size = self.tell() if size is None else size
        self._tried(lambda: self._inner.truncate(size))
        return size

    def readinto(self, buffer: Any, /) -> int:
        """See `io.RawIOBase`."""
        return self._inner.readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """See `io.RawIOBase`."""
        return self._inner.seek(offset, whence)

    def readable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """See `io.RawIOBase`; nothing is raised."""
        if not self.closed:
            super().close()
            self._tried(self._inner.close)
