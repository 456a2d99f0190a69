"""Rollout: what people have decided about each service, and what follows from it for a call.

Snapshot (all that was decided)  ─► assign(snapshot, call) ─► Assignment (release, arm, may it be seen, why not)
raises(before, after)            ─► whether some user could see a card that she could not see before
"""
