"""Spikes in the files and objects of other tools: read with every check, written without loss.

    text and arrays     `read_csv`, `write_csv`, `read_npz`, `write_npz`
    address events      `read_aer_text`, `write_aer_text`, `read_aedat2`, `write_aedat2`, `read_aedat31`
    other packages      `from_event_data`, `to_event_data` (nir), `from_neo`, `to_neo` (neo), `read_nwb`, `write_nwb`
                        (pynwb), `from_tonic` (events of tonic)
    data sets           `write_shd`, the layout of the Heidelberg digits

Times are in ms here; each reader knows, or is told, what they are there. Nothing wraps, is rounded or is put in order
in silence: a file out of order is an error unless `sort=True`, and what an address map leaves out is counted.
"""

from ranvier.interop.recordings.addresses import AddressMap as AddressMap
from ranvier.interop.recordings.addresses import bits as bits
from ranvier.interop.recordings.addresses import table as table
from ranvier.interop.recordings.aedat import read_aedat2 as read_aedat2
from ranvier.interop.recordings.aedat import read_aedat31 as read_aedat31
from ranvier.interop.recordings.aedat import write_aedat2 as write_aedat2
from ranvier.interop.recordings.arrays import from_event_data as from_event_data
from ranvier.interop.recordings.arrays import from_tonic as from_tonic
from ranvier.interop.recordings.arrays import read_npz as read_npz
from ranvier.interop.recordings.arrays import to_event_data as to_event_data
from ranvier.interop.recordings.arrays import write_npz as write_npz
from ranvier.interop.recordings.arrays import write_shd as write_shd
from ranvier.interop.recordings.checked import Recording as Recording
from ranvier.interop.recordings.laboratory import from_neo as from_neo
from ranvier.interop.recordings.laboratory import read_nwb as read_nwb
from ranvier.interop.recordings.laboratory import to_neo as to_neo
from ranvier.interop.recordings.laboratory import write_nwb as write_nwb
from ranvier.interop.recordings.text import read_aer_text as read_aer_text
from ranvier.interop.recordings.text import read_csv as read_csv
from ranvier.interop.recordings.text import write_aer_text as write_aer_text
from ranvier.interop.recordings.text import write_csv as write_csv

__all__ = [
    "AddressMap",
    "Recording",
    "bits",
    "from_event_data",
    "from_neo",
    "from_tonic",
    "read_aedat2",
    "read_aedat31",
    "read_aer_text",
    "read_csv",
    "read_npz",
    "read_nwb",
    "table",
    "to_event_data",
    "to_neo",
    "write_aedat2",
    "write_aer_text",
    "write_csv",
    "write_npz",
    "write_nwb",
    "write_shd",
]
