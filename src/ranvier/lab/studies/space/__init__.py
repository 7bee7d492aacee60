"""The study of delays by distance: its cases, the search of their numbers, and what is done to trained networks."""
