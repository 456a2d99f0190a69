"""Load on a CDS service: an open loop, a histogram, a picture of it."""
