"""The DashScope protocol."""
