"""Sealing with the library `cryptography`."""
