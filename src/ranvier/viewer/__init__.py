"""The viewer: a network in space, and spikes that travel through it, as pictures, as a film and as one HTML file.

`scene(network, spikes, ...)` collects what there is to see of one sample; `write_page` makes a page of it that works
offline, `write_film` a GIF or MP4, `draw_network` a picture. `ranvier view` does it for a run folder.
"""

from ranvier.viewer.film import draw_network as draw_network
from ranvier.viewer.film import write_film as write_film
from ranvier.viewer.page import write_page as write_page
from ranvier.viewer.placing import by_delays as by_delays
from ranvier.viewer.placing import by_layers as by_layers
from ranvier.viewer.placing import positions as positions
from ranvier.viewer.scene import Scene as Scene
from ranvier.viewer.scene import scene as scene
