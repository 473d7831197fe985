"""Composition of the application: settings, URLs, accounts, embedded database, processes."""

__version__ = "0.1.0"
