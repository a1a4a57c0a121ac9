"""Clouds that serve a vendor's dialect in their own way (``"platform"`` of a provider)."""
