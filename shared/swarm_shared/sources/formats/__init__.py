"""One module for each format: `FORMAT`, `recognizes(place, text)` and `read(place, text, options)`."""
