"""Policies in one shape, `Layer = Callable[[Handler], Handler]`; nothing clinical is known here."""
