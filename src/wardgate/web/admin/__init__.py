"""The admin listener's application. It has a port of its own, which the EHR never sees."""

from wardgate.domain.admin_tokens import Role
from wardgate.web.admin.access import LOCAL, Principal, by_token
from wardgate.web.admin.app import AdminPorts, admin_app
from wardgate.web.admin.circuits import Circuit
from wardgate.web.admin.rollout_ports import RolloutPorts

__all__ = ["LOCAL", "AdminPorts", "Circuit", "Principal", "Role", "RolloutPorts", "admin_app", "by_token"]
