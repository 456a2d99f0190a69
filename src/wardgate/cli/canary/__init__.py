"""`wardgate phi-canary`: a configuration of the user's own in a house of its own, and marks on every way through it.

charts   a call that each service can answer, from its prefetch and the features of its release
models   what answers in the place of its models: the probes of each release, and a score for everybody else
house    a copy of the configuration, everything around it, and the gateway as a process
run      what is driven, and what is searched
"""
