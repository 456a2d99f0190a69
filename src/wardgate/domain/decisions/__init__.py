"""Whether a model may be asked, and whether its answer may be shown: the order that DESIGN fixes."""
