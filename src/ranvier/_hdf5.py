"""Types in HDF5 files that the HDF5 library does not check, and ends the process over."""

import h5py

SEQUENCE = 0
"""The kind of a list of different lengths that holds numbers; that of texts is 1, and is another class in h5py."""


def type_trouble(kind: h5py.h5t.TypeID) -> str:
    """What is wrong with a type; empty where nothing is.

    A list of different lengths says of which kind it is, in four bits. If they say neither of the two kinds, the
    library calls a function that is not there as soon as such a list is read. Source: HDF5 File Format Specification,
    IV.A.2.d.

    Args:
        kind: The type of a part or of an attribute, as `part.id.get_type()` has it.

    Example:
        >>> import h5py
        >>> from ranvier._hdf5 import type_trouble
        >>> type_trouble(h5py.h5t.py_create(h5py.vlen_dtype(float), logical=True))
        ''
    """
    if isinstance(kind, h5py.h5t.TypeCompoundID):
        inside = [kind.get_member_type(number) for number in range(kind.get_nmembers())]
    elif isinstance(kind, h5py.h5t.TypeVlenID | h5py.h5t.TypeArrayID):
        inside = [kind.get_super()]
    else:
        inside = []
    found = kind.encode()[3] & 15 if isinstance(kind, h5py.h5t.TypeVlenID) else SEQUENCE  # 2 bytes, then the type
    if found != SEQUENCE:
        return f"it says of lists that they are of kind {found}; there are kinds 0 and 1"
    return next(filter(None, map(type_trouble, inside)), "")


def file_trouble(file: h5py.File) -> str:
    """What is wrong with the types of all parts of a file; empty where nothing is.

    Args:
        file: The file, open.

    Example:
        >>> import io, h5py
        >>> from ranvier._hdf5 import file_trouble
        >>> with h5py.File(io.BytesIO(), "w") as file:
        ...     file["a"] = [1, 2]
        ...     file_trouble(file)
        ''
    """

    def look(name: str, part: h5py.Dataset | h5py.Group | h5py.Datatype) -> str | None:
        trouble = type_trouble(part.id.get_type()) if isinstance(part, h5py.Dataset) else ""
        return f"{name}: {trouble}" if trouble else None

    return file.visititems(look) or ""
