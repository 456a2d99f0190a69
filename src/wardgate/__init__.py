"""wardgate: a CDS Hooks gateway between an EHR and clinical model endpoints."""

__version__ = "0.1.0"
