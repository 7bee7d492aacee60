"""Pages for a browser: one HTML file each, with everything inside it, that works offline.

A `Page` is a title and sections; a section holds figures, which are plain values: `Tiles`, `Table`, `Lines`, `Bands`,
`Histogram`, `Raster`, `Matrix`, `Plane`, `Points`, `Notes`. `write_page` puts them as numbers into a template with a
script that draws them, so that a page can be made of anything. `run_page` puts together that of a training run.

>>> import tempfile
>>> from ranvier.pages import Lines, Page, Section, Series, write_page
>>> loss = Lines(title="Loss", x="epoch", y="loss", at=(1, 2, 3), series=(Series("training", (0.9, 0.5, 0.4)),))
>>> path = write_page(f"{tempfile.mkdtemp()}/page.html", Page("mine", (Section("Learning", (loss,)),)))
>>> "https:" in path.read_text()
False
"""

from ranvier.pages.figures import Bands as Bands
from ranvier.pages.figures import Histogram as Histogram
from ranvier.pages.figures import Lines as Lines
from ranvier.pages.figures import Matrix as Matrix
from ranvier.pages.figures import Notes as Notes
from ranvier.pages.figures import Page as Page
from ranvier.pages.figures import Plane as Plane
from ranvier.pages.figures import Points as Points
from ranvier.pages.figures import Raster as Raster
from ranvier.pages.figures import Sample as Sample
from ranvier.pages.figures import Section as Section
from ranvier.pages.figures import Series as Series
from ranvier.pages.figures import Table as Table
from ranvier.pages.figures import Tile as Tile
from ranvier.pages.figures import Tiles as Tiles
from ranvier.pages.run import Known as Known
from ranvier.pages.run import run_page as run_page
from ranvier.pages.writing import write_page as write_page
