"""Composition root: configuration → running gateway. The only package that names concrete adapters; owns the tasks.

Nothing is imported here: a command that only reads a store need not wait for the server's libraries.
"""
