"""The parts of `bootstrap.refresher`: what its threads do to keep a replica's visibility fresh."""
