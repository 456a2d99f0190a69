"""Redis as the hot store that replicas and workers share."""
