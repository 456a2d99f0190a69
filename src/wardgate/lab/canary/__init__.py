"""Canary: marked values in the place of everything that is somebody's, and the search for them where none may be.

    marks    what is planted: texts, ids, numbers, times, a date of birth; each can be told from everything else
    search   whether a mark stands in some bytes, written in whatever way
    sweep    the sinks of a run, and what was found in each
    drive    calls on their way to a gateway, and answers on their way to the sweep
    ways     every way that a call can take
    listener a dependency of the gateway that tells what it heard

Planting keeps a request computable: ids stay ids and agree with each other, numbers stay near what they were, times
stay on their day. So a planted call goes as far as the original went.
"""

from wardgate.lab.canary.marks import Marks
from wardgate.lab.canary.search import Leak, search

__all__ = ["Leak", "Marks", "search"]
