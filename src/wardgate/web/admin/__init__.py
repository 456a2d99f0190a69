"""The admin listener's application. It has a port of its own, which the EHR never sees."""

from wardgate.web.admin.access import LOCAL, Principal, Role
from wardgate.web.admin.app import AdminPorts, admin_app
from wardgate.web.admin.circuits import Circuit

__all__ = ["LOCAL", "AdminPorts", "Circuit", "Principal", "Role", "admin_app"]
